/* SPDX-License-Identifier: Apache-2.0
 *
 * Evidence is headers, not payload: where the headers of a frame end, and the frames of each
 * attachment point that were kept last.
 *
 * As in the decoder nothing inside the outermost IP packet is opened: of a tunnel (IP in IP, GRE,
 * ESP, VXLAN) the outer headers are kept, of a later fragment those before its data, of an ICMP
 * error not the packet that it quotes. */
#include "extensions.h"
#include "headers.h"
#include "link_layer.h"

#define ARP_FIXED 8
#define ARP_IPV4 28
#define TCP_LEAST 20
#define UDP_BYTES 8
#define ICMP_BYTES 8
#define SCTP_BYTES 12
#define PROTO_SCTP 132
#define PROTO_UDP_LITE 136
#define LINK_UNKNOWN 0xffff

static inline uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* ---- where headers end; offsets count from the first byte of the IP packet ---- */

/* Bytes of a transport header of which `there` bytes are in the packet. */
static uint32_t transport_bytes(uint32_t protocol, const uint8_t *h, uint32_t there)
{
    uint32_t said;

    switch (protocol) {
    case EG_PROTO_TCP:
        said = there > 12 ? (h[12] >> 4) * 4 : TCP_LEAST;
        return said < TCP_LEAST ? TCP_LEAST : said;
    case EG_PROTO_UDP: case PROTO_UDP_LITE: return UDP_BYTES;
    case EG_PROTO_ICMP: case EG_PROTO_ICMPV6: return ICMP_BYTES;
    case PROTO_SCTP: return SCTP_BYTES;
    }
    return 0;
}

/* `end`: of the packet's captured part. */
static uint32_t with_transport(const uint8_t *ip, uint32_t at, uint32_t end, uint32_t protocol)
{
    if (at >= end)
        return end;
    return least(at + transport_bytes(protocol, ip + at, end - at), end);
}

static uint32_t ipv4_end(const uint8_t *ip, uint32_t there, uint32_t wire)
{
    uint32_t length, header;

    if (there < EG_IPV4_HEADER || ip[0] >> 4 != 4 || (ip[0] & 0xf) < 5)
        return 0;
    header = (ip[0] & 0xf) * 4;
    length = eg_net16(ip + 2) ? eg_net16(ip + 2) : wire;
    if (length < header)                                /* its own end lies inside its header */
        return EG_IPV4_HEADER;
    there = least(there, length);
    if (eg_net16(ip + 6) & 0x1fff)
        return least(header, there);
    return with_transport(ip, header, there, ip[9]);
}

static uint32_t ipv6_end(const uint8_t *ip, uint32_t there, uint32_t wire)
{
    uint32_t at = IPV6_HEADER, protocol, length;

    if (there < IPV6_HEADER || ip[0] >> 4 != 6)
        return 0;
    length = eg_net16(ip + 4);
    there = least(there, length ? IPV6_HEADER + length : wire);
    protocol = ip[6];
    for (uint32_t n = 0; is_extension(protocol); n++) {
        const uint8_t *h = ip + at;
        uint32_t later = protocol == PROTO_FRAGMENT;

        if (n == MAX_EXTENSIONS || there - at < (later ? 4 : 2))
            return at;
        later = later && eg_net16(h + 2) >> 3;
        at += extension_bytes(protocol, h);
        if (later || at >= there)
            return least(at, there);
        protocol = h[0];
    }
    return with_transport(ip, at, there, protocol);
}

static uint32_t arp_end(const uint8_t *arp, uint32_t there)
{
    if (there < ARP_FIXED)
        return there;
    return arp[4] == 6 && arp[5] == 4 ? least(there, ARP_IPV4) : ARP_FIXED;
}

/* LLC, of which SNAP with another OUI than Ethernet's is the longest. */
static uint32_t llc_end(const uint8_t *llc, uint32_t there)
{
    if (there < LLC_BYTES)
        return there;
    return eg_net16(llc) == 0xaaaa && llc[2] == 3 ? least(there, SNAP_BYTES) : LLC_BYTES;
}

uint32_t eg_headers_end(const uint8_t *frame, uint32_t captured, uint32_t wire, uint32_t link_type)
{
    struct cursor c = { frame, captured, wire < captured ? captured : wire, 0, 0 };
    uint16_t vlan;
    uint32_t type = read_link_layer(&c, link_type, &vlan), there = c.captured - c.at;

    switch (type) {
    case TYPE_IPV4: return c.at + ipv4_end(here(&c), there, c.wire - c.at);
    case TYPE_IPV6: return c.at + ipv6_end(here(&c), there, c.wire - c.at);
    case TYPE_ARP: return c.at + arp_end(here(&c), there);
    case TYPE_LLC: return c.at + llc_end(here(&c), there);
    }
    return c.at;
}

/* ---- which frames are kept ---- */

/* Up to half a gap to either side, so that nobody can send what is kept between what is not. */
static int64_t gap(struct eg_headers *h)
{
    uint64_t x = __atomic_load_n(&h->random, __ATOMIC_RELAXED);

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    __atomic_store_n(&h->random, x, __ATOMIC_RELAXED);
    return EG_HEADERS_GAP / 2 + (int64_t)(x >> 32) * EG_HEADERS_GAP / (1ll << 32);
}

/* When the next frame is due: a bucket of EG_HEADERS_BURST frames that fills by one in a gap. Frames
 * that come more slowly are all kept, and so are the first of a point. */
static int64_t next_due(struct eg_headers *h, int64_t due, int64_t ts, uint64_t kept)
{
    int64_t rested = ts - (int64_t)EG_HEADERS_BURST * EG_HEADERS_GAP;

    if (kept < EG_HEADERS_KEPT)
        return rested;
    if (due > ts)                       /* the clock was set back */
        return ts + gap(h);
    return (due > rested ? due : rested) + gap(h);
}

/* Several threads may be here for one point: each takes a place of its own. */
void eg_headers_keep(struct eg_headers *h, uint32_t point, uint32_t flags, const uint8_t *frame,
                     uint32_t captured, uint32_t wire, uint32_t link_type, int64_t ts, uint32_t tag)
{
    struct eg_headers_point *p = h->point + point;
    struct eg_headers_frame *f;
    uint64_t n;

    if (link_type == LINK_UNKNOWN)
        return;
    n = __atomic_fetch_add(&p->kept, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&p->due, next_due(h, p->due, ts, n + 1), __ATOMIC_RELAXED);
    f = h->frame + (size_t)point * EG_HEADERS_KEPT + n % EG_HEADERS_KEPT;
    f->ts = ts;
    f->wire = wire < captured ? captured : wire;
    f->tag = (uint16_t)tag;
    f->flags = (uint8_t)(flags | (link_type == EG_LINK_ETHERNET ? 0 : EG_HEADERS_RAW));
    f->captured = (uint8_t)least(eg_headers_end(frame, captured, wire, link_type), EG_HEADERS_BYTES);
    memcpy(f->bytes, frame, f->captured);
}

void eg_headers_offer(struct eg_headers *h, uint32_t point, uint32_t flags, const uint8_t *frame,
                      uint32_t captured, uint32_t wire, uint32_t link_type, int64_t ts, uint32_t tag)
{
    eg_headers_pass(h, point, flags, frame, captured, wire, link_type, ts, tag);
}
