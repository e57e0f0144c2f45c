/* SPDX-License-Identifier: Apache-2.0
 *
 * The blocks of a TPACKET_V3 ring: borrowed from the kernel when their first frame is read, given
 * back when the last one was decoded. Records are copies, so nothing of a block outlives a read.
 *
 * Each frame in a block (kernel: net/packet/af_packet.c, tpacket_rcv):
 *   tpacket3_hdr | pad to 48 | sockaddr_ll | ... | virtio_net_hdr | frame at tp_mac
 * With PACKET_VNET_HDR the virtio_net_hdr ends where the frame begins. Where the kernel cannot
 * describe a frame's offload it counts a drop but has already taken the slot, which then holds
 * whatever was there before: such a slot lacks TP_STATUS_USER and is passed over.
 */
#ifndef EG_RING_BLOCK_H
#define EG_RING_BLOCK_H

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "headers.h"

#define LINK_UNKNOWN 0xffff            /* decodes to EG_OTHER_LINK */
#define RING_SECOND 1000000000LL

static inline struct tpacket_block_desc *ring_block(const struct eg_ring *r)
{
    return (struct tpacket_block_desc *)(r->map + (size_t)r->block * r->block_bytes);
}

/* Borrow the next block if the kernel has closed it. */
static inline int ring_take_block(struct eg_ring *r)
{
    struct tpacket_block_desc *block = ring_block(r);

    /* acquire: frames are read only after the kernel's word that they are complete */
    if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
        return 0;
    r->left = block->hdr.bh1.num_pkts;
    r->cursor = (uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
    return 1;
}

static inline void ring_give_block(struct eg_ring *r)
{
    /* release: the kernel may write only after our last read */
    __atomic_store_n(&ring_block(r)->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    r->block = r->block + 1 == r->blocks ? 0 : r->block + 1;
}

static inline uint32_t ring_link_type(uint16_t hatype)
{
    if (hatype == ARPHRD_ETHER)
        return EG_LINK_ETHERNET;
    return hatype == ARPHRD_NONE || hatype == ARPHRD_RAWIP ? EG_LINK_RAW : LINK_UNKNOWN;
}

/* EG_HEADERS_... of a slot, without its direction. */
static inline uint32_t ring_header_flags(const struct tpacket3_hdr *h)
{
    return h->tp_status & TP_STATUS_VLAN_VALID ? EG_HEADERS_TAGGED : 0;
}

static inline uint32_t ring_gso_size(const uint8_t *frame)
{
    struct virtio_net_hdr offload;

    memcpy(&offload, frame - sizeof offload, sizeof offload);
    return offload.gso_type == VIRTIO_NET_HDR_GSO_NONE ? 0 : offload.gso_size;
}

#endif
