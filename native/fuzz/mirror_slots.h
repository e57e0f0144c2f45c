/* SPDX-License-Identifier: Apache-2.0
 *
 * A mirror port's ring out of a fuzzer's input, laid out as the kernel does (ring_block.h). An input
 * is a head of two bytes,
 *
 *     0     bit 0: the ports carry VXLAN; bit 1: no stranger gets a point; bits 6-7: the time of day
 *     1     low four bits: room of a read
 *
 * and slots of twelve bytes and a frame each:
 *
 *     0     bits: 0 unused slot, 1 VLAN tag taken off, 2 another interface, 3 no Ethernet, 4 ends a block
 *     1     gso_type        2-3 gso_size        4-5 the tag        6-7 bytes not captured
 *     8-9   bytes captured, as far as the input goes               10-11 ms since the slot before
 *
 * All of a block but what the kernel wrote is poisoned, so that the sanitizer sees the first byte read
 * beyond a frame. */
#ifndef EG_FUZZ_MIRROR_SLOTS_H
#define EG_FUZZ_MIRROR_SLOTS_H

#include <sanitizer/asan_interface.h>
#include <sys/socket.h>

#include "../ring_block.h"
#include "expect.h"

#define HEAD 2
#define SLOT_HEAD 12
#define BLOCKS 4
#define BLOCK_BYTES 4096
#define FIRST_SLOT 48           /* behind struct tpacket_block_desc */
#define FRAME_AT 92             /* header 48, address 20, offload 10, so that IP lies on 16 bytes */
#define LINK_AT 48
#define SLOTS 64
#define PORT 7
#define OTHER_PORT 8
#define VXLAN_PORT 4789

enum { UNUSED = 1, TAG_TAKEN = 2, ELSEWHERE = 4, NO_ETHERNET = 8, ENDS_BLOCK = 16 };

struct slot {
    const uint8_t *bytes;
    uint32_t flags, gso_type, gso_size, tci, captured, wire, block;
    int64_t ts;
};

struct input {
    struct slot slot[SLOTS];
    uint32_t slots, blocks, vxlan, full, room;
};

/* ---- the input ---- */

static inline const uint8_t *read_slot(struct slot *s, const uint8_t *at, const uint8_t *end, int64_t *clock)
{
    uint32_t left = end - at - SLOT_HEAD, captured = eg_load16(at + 8);

    s->flags = at[0];
    s->gso_type = at[1];
    s->gso_size = eg_load16(at + 2);
    s->tci = eg_load16(at + 4);
    s->captured = captured < left ? captured : left;
    s->wire = s->captured + eg_load16(at + 6);
    s->ts = *clock += eg_load16(at + 10) * 1000000ll;
    s->bytes = at + SLOT_HEAD;
    return s->bytes + s->captured;
}

static inline uint32_t slot_bytes(const struct slot *s) { return (FRAME_AT + s->captured + 15) / 16 * 16; }

static inline void read_input(struct input *in, const uint8_t *data, size_t size)
{
    static const int64_t clocks[] = { 0, 1767225600, 0x7fffffff, 0xffffef00 };
    const uint8_t *at = data + HEAD, *end = data + size;
    int64_t clock = clocks[data[0] >> 6] * RING_SECOND;
    uint32_t used = FIRST_SLOT;

    memset(in, 0, sizeof *in);
    in->vxlan = data[0] & 1 ? VXLAN_PORT : 0;
    in->full = data[0] >> 1 & 1;
    in->room = (data[1] & 15) + 1;
    in->blocks = 1;
    while (in->slots < SLOTS && end - at >= SLOT_HEAD) {
        struct slot *s = in->slot + in->slots;

        at = read_slot(s, at, end, &clock);
        if (used + slot_bytes(s) > BLOCK_BYTES) {
            in->blocks++;
            used = FIRST_SLOT;
        }
        if (in->blocks > BLOCKS || used + slot_bytes(s) > BLOCK_BYTES)
            break;
        s->block = in->blocks - 1;
        used += s->flags & ENDS_BLOCK ? BLOCK_BYTES : slot_bytes(s);
        in->slots++;
    }
    in->blocks = in->slots ? in->slot[in->slots - 1].block + 1 : 0;
}

/* ---- the ring, as the kernel would have filled it ---- */

static inline void write_slot(uint8_t *at, const struct slot *s, int last)
{
    struct tpacket3_hdr *h = (struct tpacket3_hdr *)at;
    struct sockaddr_ll *from = (struct sockaddr_ll *)(at + LINK_AT);
    struct virtio_net_hdr offload = { .gso_type = s->gso_type, .gso_size = s->gso_size };

    ASAN_UNPOISON_MEMORY_REGION(at, LINK_AT + sizeof *from);
    ASAN_UNPOISON_MEMORY_REGION(at + FRAME_AT - sizeof offload, sizeof offload + s->captured);
    memset(h, 0, sizeof *h);
    memset(from, 0, sizeof *from);
    h->tp_next_offset = last ? 0 : slot_bytes(s);
    h->tp_sec = s->ts / RING_SECOND;
    h->tp_nsec = s->ts % RING_SECOND;
    h->tp_snaplen = s->captured;
    h->tp_len = s->wire;
    h->tp_status = (s->flags & UNUSED ? 0 : TP_STATUS_USER) | (s->flags & TAG_TAKEN ? TP_STATUS_VLAN_VALID : 0);
    h->tp_mac = FRAME_AT;
    h->hv1.tp_vlan_tci = s->flags & TAG_TAKEN ? s->tci : 0;
    from->sll_ifindex = s->flags & ELSEWHERE ? OTHER_PORT : PORT;
    from->sll_hatype = s->flags & NO_ETHERNET ? ARPHRD_NONE : ARPHRD_ETHER;
    memcpy(at + FRAME_AT - sizeof offload, &offload, sizeof offload);
    if (s->captured)
        memcpy(at + FRAME_AT, s->bytes, s->captured);
}

/* Slots of block b; the number. */
static inline uint32_t write_block(uint8_t *block, const struct input *in, uint32_t b)
{
    uint32_t at = FIRST_SLOT, n = 0;

    for (uint32_t i = 0; i < in->slots; i++) {
        if (in->slot[i].block != b)
            continue;
        write_slot(block + at, in->slot + i, i + 1 == in->slots || in->slot[i + 1].block != b);
        at += slot_bytes(in->slot + i);
        n++;
    }
    return n;
}

static inline struct eg_ring write_ring(const struct input *in)
{
    struct eg_ring r = { .fd = -1, .block_bytes = BLOCK_BYTES, .blocks = BLOCKS };

    r.map = exactly(BLOCKS * BLOCK_BYTES);
    ASAN_POISON_MEMORY_REGION(r.map, BLOCKS * BLOCK_BYTES);
    for (uint32_t b = 0; b < BLOCKS; b++) {
        struct tpacket_block_desc *block = (void *)(r.map + b * BLOCK_BYTES);

        ASAN_UNPOISON_MEMORY_REGION(block, FIRST_SLOT);
        memset(block, 0, FIRST_SLOT);
        block->hdr.bh1.num_pkts = write_block((uint8_t *)block, in, b);
        block->hdr.bh1.offset_to_first_pkt = FIRST_SLOT;
        block->hdr.bh1.block_status = b < in->blocks ? TP_STATUS_USER : TP_STATUS_KERNEL;
    }
    return r;
}

static inline uint32_t blocks_left(const struct eg_ring *r)
{
    uint32_t left = 0;

    for (uint32_t b = 0; b < BLOCKS; b++)
        left += ((struct tpacket_block_desc *)(r->map + b * BLOCK_BYTES))->hdr.bh1.block_status != TP_STATUS_KERNEL;
    return left;
}

#endif
