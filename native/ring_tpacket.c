/* SPDX-License-Identifier: Apache-2.0
 *
 * One AF_PACKET TPACKET_V3 ring over all interfaces of a network namespace.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "headers.h"
#include "points.h"
#include "ring_block.h"

#define FRAME_BYTES 2048               /* V3 packs frames; the kernel wants a plausible size */

static size_t map_bytes(const struct eg_ring *r) { return (size_t)r->block_bytes * r->blocks; }

static int set_option(int fd, int option, const void *value, socklen_t length)
{
    return setsockopt(fd, SOL_PACKET, option, value, length) < 0 ? -errno : 0;
}

/* Version before header before ring: the kernel refuses any other order with EBUSY. */
static int make_ring(const struct eg_ring *r, uint32_t retire_ms)
{
    int version = TPACKET_V3, vnet = 1, error;
    struct tpacket_req3 request = {
        .tp_block_size = r->block_bytes,
        .tp_block_nr = r->blocks,
        .tp_frame_size = FRAME_BYTES,
        .tp_frame_nr = (uint32_t)(map_bytes(r) / FRAME_BYTES),
        .tp_retire_blk_tov = retire_ms,
    };

    if ((error = set_option(r->fd, PACKET_VERSION, &version, sizeof version)) < 0 ||
        (error = set_option(r->fd, PACKET_VNET_HDR, &vnet, sizeof vnet)) < 0)
        return error;
    return set_option(r->fd, PACKET_RX_RING, &request, sizeof request);
}

static int silence(int fd)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &nothing};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ? -errno : 0;
}

static int map_ring(struct eg_ring *r)
{
    void *map = mmap(NULL, map_bytes(r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, 0);

    if (map == MAP_FAILED)
        return -errno;
    r->map = map;
    return 0;
}

static int listen_to_all(int fd)
{
    struct sockaddr_ll all = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

    return bind(fd, (struct sockaddr *)&all, sizeof all) < 0 ? -errno : 0;
}

int eg_ring_open(struct eg_ring *r, uint32_t block_bytes, uint32_t blocks, uint32_t retire_ms)
{
    int error;

    memset(r, 0, sizeof *r);
    r->block_bytes = block_bytes;
    r->blocks = blocks;
    /* protocol 0: nothing arrives before bind() */
    r->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r->fd < 0)
        return -errno;
    if ((error = silence(r->fd)) < 0 || (error = make_ring(r, retire_ms)) < 0 ||
        (error = map_ring(r)) < 0 || (error = listen_to_all(r->fd)) < 0)
        eg_ring_close(r);
    return error;
}

void eg_ring_close(struct eg_ring *r)
{
    if (r->map)
        munmap(r->map, map_bytes(r));
    if (r->fd >= 0)
        close(r->fd);
    r->map = NULL;
    r->cursor = NULL;
    r->left = 0;
    r->fd = -1;
}

int eg_ring_statistics(struct eg_ring *r)
{
    struct tpacket_stats_v3 now;
    socklen_t length = sizeof now;

    if (getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &now, &length) < 0)
        return -errno;
    r->received += now.tp_packets - now.tp_drops;   /* the kernel's tp_packets holds the drops too */
    r->lost += now.tp_drops;
    r->freezes += now.tp_freeze_q_cnt;
    return 0;
}

/* What every frame of one interface and direction has in common, kept from frame to frame. */
struct seen {
    uint32_t ifindex, pkttype, link_type;
    uint16_t out_of, into;
};

static void look_up(struct seen *s, const struct sockaddr_ll *from, const struct eg_points *points)
{
    uint16_t value = eg_points_get(points, (uint32_t)from->sll_ifindex);
    uint16_t point = value == EG_NOBODY ? EG_NOBODY : value & ~EG_POINT_REVERSED;
    int leaving = (from->sll_pkttype != PACKET_OUTGOING) == !(value & EG_POINT_REVERSED);

    s->ifindex = from->sll_ifindex;
    s->pkttype = from->sll_pkttype;
    s->link_type = ring_link_type(from->sll_hatype);
    s->out_of = leaving ? point : EG_NOBODY;
    s->into = leaving ? EG_NOBODY : point;
}

/* 1 if the frame became a record, 0 if it is of no attachment point or an empty slot. */
static uint32_t decode(struct eg_ring *r, const struct eg_points *points, struct seen *s,
                       struct eg_record *out, struct eg_tally *tally, struct eg_totals *totals)
{
    const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)r->cursor;
    const struct sockaddr_ll *from = (const void *)(r->cursor + TPACKET_ALIGN(sizeof *h));
    const uint8_t *frame = r->cursor + h->tp_mac;

    if (!(h->tp_status & TP_STATUS_USER))
        return 0;
    if ((uint32_t)from->sll_ifindex != s->ifindex || from->sll_pkttype != s->pkttype)
        look_up(s, from, points);
    if (s->out_of == s->into) {     /* both EG_NOBODY */
        r->unknown++;
        return 0;
    }
    out->vlan = 0;
    eg_decode_frame(frame, h->tp_snaplen, h->tp_len, s->link_type, ring_gso_size(frame), out, tally, totals);
    out->ts = h->tp_sec * RING_SECOND + h->tp_nsec;
    out->out_of = s->out_of;
    out->into = s->into;
    if (h->tp_status & TP_STATUS_VLAN_VALID)   /* the outermost tag, taken off by the kernel */
        out->vlan = h->hv1.tp_vlan_tci & 0xfff;
    /* one of the two is EG_NOBODY: all bits are set */
    eg_headers_pass(r->headers, s->out_of & s->into, ring_header_flags(h) | (s->into == EG_NOBODY), frame,
                    h->tp_snaplen, h->tp_len, s->link_type, out->ts, h->hv1.tp_vlan_tci);
    return 1;
}

int64_t eg_ring_read(struct eg_ring *r, const struct eg_points *points, struct eg_record *out,
                     uint32_t room, struct eg_totals *totals)
{
    struct seen s = {.ifindex = 0, .out_of = EG_NOBODY, .into = EG_NOBODY};
    struct eg_tally tally = {0};
    uint32_t n = 0;

    while (n < room && (r->left > 0 || ring_take_block(r))) {
        for (; r->left > 0 && n < room; r->left--) {
            n += decode(r, points, &s, &out[n], &tally, totals);
            r->cursor += ((const struct tpacket3_hdr *)r->cursor)->tp_next_offset;
        }
        if (r->left == 0)
            ring_give_block(r);
    }
    eg_tally_flush(&tally, totals);
    return n;
}
