/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring over mirror ports: whose frame it is says its MAC and VLAN, in VXLAN those inside.
 *
 * The sender of a mirrored frame is known by its MAC as surely as the switch that copies it keeps
 * a MAC to its port; IP addresses play no part. VXLAN is opened only where the port was declared
 * to carry it, and never in a frame that a known machine has sent itself: what that machine wraps
 * is its own doing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "points.h"
#include "ring_block.h"
#include "twins.h"

#define IPV6_HEADER 40
#define UDP_HEADER 8
#define VXLAN_HEADER 8
#define VXLAN_NEEDED (UDP_HEADER + VXLAN_HEADER + EG_ETHERNET_HEADER)
#define VXLAN_VALID 0x08        /* the I flag (RFC 7348, 5): there is a network identifier */
#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define TAG_BYTES 4

int eg_ring_promiscuous(struct eg_ring *r, uint32_t ifindex)
{
    struct packet_mreq all = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC};

    return setsockopt(r->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0 ? -errno : 0;
}

/* An Ethernet frame: as it lies in the ring, or what VXLAN carries in it. */
struct view {
    const uint8_t *frame;
    uint32_t captured, wire;
    uint32_t vlan;              /* outermost, 0: no tag */
};

static int has(const struct view *v, uint32_t end) { return v->captured >= end; }

/* Whether a length on the wire allows `needed` bytes; one of 0 says nothing (offload, jumbograms). */
static int allows(uint32_t length, uint32_t needed) { return length == 0 || length >= needed; }

/* Where the UDP header of a whole IP packet begins, 0 where there is none, or where the packet's own
 * length leaves no room for VXLAN behind it: the bytes there are a trailer then. */
static uint32_t udp_header(const struct view *v, uint32_t type, uint32_t at)
{
    const uint8_t *ip = v->frame + at;
    uint32_t header, length;

    if (type == TYPE_IPV4 && has(v, at + EG_IPV4_HEADER) && ip[0] >> 4 == 4 && (ip[0] & 0xf) >= 5 &&
        ip[9] == EG_PROTO_UDP && (eg_net16(ip + 6) & 0x3fff) == 0) {
        header = (ip[0] & 0xf) * 4;
        length = eg_net16(ip + 2);
    } else if (type == TYPE_IPV6 && has(v, at + IPV6_HEADER) && ip[0] >> 4 == 6 && ip[6] == EG_PROTO_UDP) {
        header = IPV6_HEADER;
        length = eg_net16(ip + 4);
        length += length ? IPV6_HEADER : 0;
    } else {
        return 0;
    }
    return allows(length, header + VXLAN_NEEDED) && has(v, at + header + VXLAN_NEEDED) ? at + header : 0;
}

/* Step into VXLAN to `port` (RFC 7348); 1 if this was such a frame. */
static int open_vxlan(struct view *v, uint32_t port)
{
    uint32_t at = EG_ETHERNET_HEADER - 2, type, tags = 0, udp;

    if (!has(v, EG_ETHERNET_HEADER))
        return 0;
    while ((type = eg_net16(v->frame + at)) == 0x8100 || type == 0x88a8) {
        at += TAG_BYTES;
        if (++tags > EG_MAX_TAGS || !has(v, at + 2))
            return 0;
    }
    udp = udp_header(v, type, at + 2);
    if (!udp || eg_net16(v->frame + udp + 2) != port || !allows(eg_net16(v->frame + udp + 4), VXLAN_NEEDED) ||
        !(v->frame[udp + UDP_HEADER] & VXLAN_VALID))
        return 0;
    at = udp + UDP_HEADER + VXLAN_HEADER;
    v->frame += at;
    v->captured -= at;
    v->wire = v->wire > at ? v->wire - at : 0;
    v->vlan = eg_vlan_of(v->frame, v->captured);
    return 1;
}

static int is_vm(uint16_t value) { return value < EG_POINT_HOST; }
static int is_point(uint16_t value) { return value != EG_NOBODY && value != EG_POINT_HOST; }

/* The points of a frame: 1 found, 0 of nobody, -1 its sender needs a point first. */
static int attach(struct eg_mirror *m, const struct eg_points *points, const struct view *v,
                  struct eg_record *r)
{
    uint64_t sender = eg_mac_from(v->frame), key = sender | (uint64_t)v->vlan << 48;
    uint16_t from = eg_points_of(points, sender, v->vlan);
    uint16_t to = eg_points_of(points, eg_mac_to(v->frame), v->vlan);

    if (!is_vm(from) && is_vm(to))
        from = EG_NOBODY;           /* from outside */
    else if (from == EG_NOBODY && !m->full && key) {    /* key 0 is none */
        m->stranger = key;
        return -1;
    } else if (from == EG_NOBODY) {
        from = m->overflow;
        m->overflowed++;
    }
    r->out_of = is_point(from) ? from & ~EG_POINT_STRANGER : EG_NOBODY;
    r->into = is_point(to) ? to & ~EG_POINT_STRANGER : EG_NOBODY;
    return r->out_of != EG_NOBODY || r->into != EG_NOBODY;
}

static int is_port(const struct eg_mirror *m, uint32_t ifindex)
{
    for (uint32_t i = 0; i < m->used; i++)
        if (m->ports[i] == ifindex)
            return 1;
    return 0;
}

/* The Ethernet frame of a slot; 0 where it holds none of a mirror port. */
static int open_slot(const struct tpacket3_hdr *h, const struct eg_mirror *m, struct view *v)
{
    const struct sockaddr_ll *from = (const void *)((const uint8_t *)h + TPACKET_ALIGN(sizeof *h));

    if (!is_port(m, (uint32_t)from->sll_ifindex) || ring_link_type(from->sll_hatype) != EG_LINK_ETHERNET ||
        h->tp_snaplen < EG_ETHERNET_HEADER)
        return 0;
    v->frame = (const uint8_t *)h + h->tp_mac;
    v->captured = h->tp_snaplen;
    v->wire = h->tp_len;
    v->vlan = h->tp_status & TP_STATUS_VLAN_VALID ? h->hv1.tp_vlan_tci & 0xfff
                                                  : eg_vlan_of(v->frame, v->captured);
    return 1;
}

/* At the machine it leaves and at the one it enters. What VXLAN carried has all its tags. */
static void keep_headers(struct eg_headers *headers, const struct tpacket3_hdr *h, const struct view *v,
                         int opened, const struct eg_record *r)
{
    uint32_t flags = opened ? 0 : ring_header_flags(h);

    eg_headers_pass(headers, r->out_of, flags | EG_HEADERS_OUT, v->frame, v->captured, v->wire,
                    EG_LINK_ETHERNET, r->ts, h->hv1.tp_vlan_tci);
    eg_headers_pass(headers, r->into, flags, v->frame, v->captured, v->wire, EG_LINK_ETHERNET, r->ts,
                    h->hv1.tp_vlan_tci);
}

/* 1 if the frame became a record, 0 if it is nobody's or an empty slot, -1 if its sender needs a
 * point first. */
static int decode(struct eg_ring *r, struct eg_mirror *m, const struct eg_points *points,
                  struct eg_twins *twins, struct eg_record *out, struct eg_tally *tally,
                  struct eg_totals *totals)
{
    const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)r->cursor;
    struct view v;
    uint32_t gso;
    int opened = 0, found;

    if (!(h->tp_status & TP_STATUS_USER))
        return 0;
    if (!open_slot(h, m, &v)) {
        r->unknown++;
        return 0;
    }
    gso = ring_gso_size(v.frame);
    if (m->vxlan_port && !is_vm(eg_points_of(points, eg_mac_from(v.frame), v.vlan)))
        opened = open_vxlan(&v, m->vxlan_port);
    found = attach(m, points, &v, out);
    if (found < 0)
        return found;
    m->opened += opened;
    out->ts = h->tp_sec * RING_SECOND + h->tp_nsec;
    eg_twins_pass(twins, v.frame, v.captured, v.wire, out->ts);
    if (!found) {
        r->unknown++;
        return 0;
    }
    out->vlan = 0;
    eg_decode_frame(v.frame, v.captured, v.wire, EG_LINK_ETHERNET, gso, out, tally, totals);
    out->vlan = (uint16_t)v.vlan;
    keep_headers(r->headers, h, &v, opened, out);
    return 1;
}

int64_t eg_ring_read_mirror(struct eg_ring *r, struct eg_mirror *m, const struct eg_points *points,
                            struct eg_twins *twins, struct eg_record *out, uint32_t room,
                            struct eg_totals *totals)
{
    struct eg_tally tally = {0};
    uint32_t n = 0;
    int found = 0;

    m->stranger = 0;
    if (r->left == 0 && !ring_take_block(r))
        return 0;
    while (r->left > 0 && n < room && (found = decode(r, m, points, twins, &out[n], &tally, totals)) >= 0) {
        n += (uint32_t)found;
        r->cursor += ((const struct tpacket3_hdr *)r->cursor)->tp_next_offset;
        r->left--;
    }
    if (r->left == 0)
        ring_give_block(r);
    eg_tally_flush(&tally, totals);
    return n;
}
