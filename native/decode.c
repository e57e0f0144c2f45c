/* SPDX-License-Identifier: Apache-2.0
 *
 * Any frame -> record. A cursor walks link header, tags, LLC, IP and extension headers; each step
 * checks its own bounds and says what comes next. Nothing inside the outermost IP packet is opened. */
#include "extensions.h"
#include "link_layer.h"

#define UDP_HEADER 8
#define TCP_HEADER 20

/* The IP packet at the cursor. Offsets count from its first byte. */
struct packet {
    const uint8_t *ip;
    uint32_t length;          /* on the wire */
    uint32_t captured;        /* of it, may exceed length by padding */
    uint32_t upper;           /* where the upper header begins; may lie beyond both */
    uint32_t protocol;
    uint32_t later;           /* a later fragment */
};

void eg_tally_flush(struct eg_tally *tally, struct eg_totals *t)
{
    uint64_t frames = 0;

    for (int i = 0; i < EG_CLASSES; i++)
        frames += tally->kinds[i];
    t->frames += frames;
    t->ipv4 += frames;
    t->tcp_syn += tally->kinds[EG_SYN];
    t->tcp_synack += tally->kinds[EG_SYNACK];
    t->udp += tally->kinds[EG_UDP];
    t->udp_bytes += tally->udp_bytes;
    t->icmp += tally->kinds[EG_ICMP];
    memset(tally, 0, sizeof *tally);
}

static inline uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* ---- frames without a readable IP packet ---- */

static void count_non_ip(uint32_t type, struct eg_totals *t)
{
    t->non_ip++;
    switch (type) {
    case TYPE_ARP: t->arp++; return;
    case TYPE_MPLS: case TYPE_MPLS_MULTICAST: t->mpls++; return;
    case TYPE_PPPOE: case TYPE_PPPOE_DISCOVERY: t->pppoe++; return;
    case TYPE_PBB: t->pbb++; return;
    case TYPE_TOO_MANY_TAGS: t->too_many_tags++; return;
    case TYPE_LLC: t->llc++; return;
    }
    /* a length after the tags behind a SNAP header is LLC nobody should nest */
    if (type < ETHERTYPE_MIN)
        t->llc++;
    else
        t->other_type++;
}

static void no_packet(const struct cursor *c, uint32_t type, struct eg_record *r,
                      struct eg_totals *t)
{
    switch (type) {
    case TYPE_OTHER_LINK:
        r->kind = EG_OTHER_LINK;
        t->other_link++;
        return;
    case TYPE_CUT: case TYPE_BAD_IP:
        r->kind = EG_MALFORMED;
        r->flags = c->captured < c->wire ? EG_FLAG_CUT : 0;
        t->malformed++;
        return;
    }
    r->kind = EG_NON_IP;
    count_non_ip(type, t);
}

/* ---- IP ---- */

/* Needs version 4, IHL >= 5 and 20 captured bytes (RFC 791). A total length of 0 is a
 * segmentation-offload frame that was too long for the field. */
static int open_ipv4(struct packet *p, struct eg_record *r)
{
    const uint8_t *ip = p->ip;
    uint32_t total, fragment;

    if (p->captured < EG_IPV4_HEADER || ip[0] >> 4 != 4 || (ip[0] & 0xf) < 5)
        return -1;
    total = eg_net16(ip + 2);
    fragment = eg_net16(ip + 6);
    p->length = total ? total : p->length;
    p->upper = (ip[0] & 0xf) * 4;
    p->protocol = p->length < p->upper ? EG_NO_PROTOCOL : ip[9];
    p->later = (fragment & 0x1fff) != 0 && p->protocol != EG_NO_PROTOCOL;
    r->flags = (fragment & 0x3fff) == 0x2000 ? EG_FLAG_FIRST : 0;
    r->family = 4;
    r->src_lo = eg_net32(ip + 12);
    r->dst_lo = eg_net32(ip + 16);
    return 0;
}

/* Read the fragment header at h (RFC 8200 4.5); whether it is a later fragment. */
static uint32_t read_fragment(const uint8_t *h, struct eg_record *r)
{
    uint32_t field = eg_net16(h + 2);

    if (field >> 3)
        return 1;
    if (field & 1)
        r->flags |= EG_FLAG_FIRST;
    return 0;
}

/* Step over the extension headers. Only the bytes that name the next header must be there
 * (captured and inside the packet): so a chain cut in its last header keeps its protocol. */
static void walk_extensions(struct packet *p, struct eg_record *r)
{
    uint32_t end = least(p->captured, p->length);

    for (int n = 0; is_extension(p->protocol); n++) {
        uint32_t protocol = p->protocol, needed = protocol == PROTO_FRAGMENT ? 4 : 2;
        const uint8_t *h;

        if (n == MAX_EXTENSIONS || p->upper + needed > end) {
            r->flags |= p->upper + needed <= p->length && n < MAX_EXTENSIONS ? EG_FLAG_CUT : 0;
            p->protocol = EG_NO_PROTOCOL;
            return;
        }
        h = p->ip + p->upper;
        p->protocol = h[0];
        p->upper += extension_bytes(protocol, h);
        if (protocol == PROTO_FRAGMENT && (p->later = read_fragment(h, r)))
            return;
    }
}

/* Needs version 6 and 40 captured bytes (RFC 8200). A payload length of 0 is a jumbogram or a
 * segmentation-offload frame. */
static int open_ipv6(struct packet *p, struct eg_record *r)
{
    const uint8_t *ip = p->ip;
    uint32_t payload;

    if (p->captured < IPV6_HEADER || ip[0] >> 4 != 6)
        return -1;
    payload = eg_net16(ip + 4);
    p->length = payload ? IPV6_HEADER + payload : p->length;
    p->upper = IPV6_HEADER;
    p->protocol = ip[6];
    p->later = 0;
    r->family = 6;
    r->src_hi = eg_net64(ip + 8);
    r->src_lo = eg_net64(ip + 16);
    r->dst_hi = eg_net64(ip + 24);
    r->dst_lo = eg_net64(ip + 32);
    walk_extensions(p, r);
    return 0;
}

/* ---- the upper header: one path for both versions ---- */

/* Bytes of the upper header that are captured and inside the packet. */
static uint32_t upper_bytes(const struct packet *p)
{
    uint32_t end = least(p->captured, p->length);

    return end > p->upper ? end - p->upper : 0;
}

/* Size of the upper header, as far as it can be told. */
static uint32_t upper_header(const struct packet *p)
{
    if (p->protocol == EG_PROTO_UDP)
        return UDP_HEADER;
    if (p->protocol != EG_PROTO_TCP)
        return 0;
    if (upper_bytes(p) < EG_TCP_NEEDED || p->ip[p->upper + 12] < 5 << 4)
        return TCP_HEADER;
    return (p->ip[p->upper + 12] >> 4) * 4;
}

static void read_upper(const struct packet *p, struct eg_record *r)
{
    uint32_t wanted = p->protocol == EG_PROTO_TCP ? EG_TCP_NEEDED
                    : p->protocol == EG_PROTO_UDP ? EG_PORTS_NEEDED : 0;
    uint32_t there = upper_bytes(p), flags;

    r->kind = eg_protocol_kind(p->protocol);
    if (eg_protocol_ported(p->protocol) && there >= EG_PORTS_NEEDED) {
        r->src_port = eg_net16(p->ip + p->upper);
        r->dst_port = eg_net16(p->ip + p->upper + 2);
        r->flags |= EG_FLAG_HAS_PORTS;
    }
    if (p->protocol == EG_PROTO_TCP && there >= EG_TCP_NEEDED) {
        r->kind = eg_tcp_read(p->ip + p->upper, &flags);
        r->tcp_flags = flags;
    }
    if (r->kind == EG_ICMP && there > 0)
        r->icmp_type = p->ip[p->upper];
    if (there < wanted && (uint64_t)p->upper + wanted <= p->length)
        r->flags |= EG_FLAG_CUT;
}

/* A segmentation-offload frame is what it becomes on the wire: every packet after the first
 * repeats the IP and upper headers. */
static void split(const struct packet *p, uint32_t gso_size, struct eg_record *r)
{
    uint64_t headers = (uint64_t)p->upper + upper_header(p);
    uint64_t payload = p->length > headers ? p->length - headers : 0;
    uint64_t packets = (payload + gso_size - 1) / gso_size;
    uint64_t bytes;

    if (packets <= 1 || p->later)
        return;
    bytes = p->length + (packets - 1) * headers;
    r->packets = packets;
    r->bytes = bytes > UINT32_MAX ? UINT32_MAX : bytes;
    r->flags |= EG_FLAG_SUPER;
}

static void count_packet(const struct eg_record *r, struct eg_totals *t)
{
    uint32_t kind = r->kind;

    t->ipv4 += r->family == 4;
    t->ipv6 += r->family == 6;
    if (kind == EG_FRAGMENT) {
        t->fragments += r->packets;
        kind = eg_protocol_kind(r->protocol);
    }
    t->tcp_syn += kind == EG_SYN ? r->packets : 0;
    t->tcp_synack += kind == EG_SYNACK ? r->packets : 0;
    t->udp += kind == EG_UDP ? r->packets : 0;
    t->udp_bytes += kind == EG_UDP ? r->bytes : 0;
    t->icmp += kind == EG_ICMP ? r->packets : 0;
}

static void read_packet(const struct packet *p, uint32_t gso_size, struct eg_record *r)
{
    r->protocol = p->protocol;
    r->bytes = p->length;
    if (p->later)
        r->kind = EG_FRAGMENT;
    else
        read_upper(p, r);
    if (gso_size)
        split(p, gso_size, r);
}

/* ---- the doors ---- */

static void clear(struct eg_record *r)
{
    memset(&r->src_hi, 0, offsetof(struct eg_record, out_of) - offsetof(struct eg_record, src_hi));
    memset(&r->family, 0, sizeof *r - offsetof(struct eg_record, family));
    r->packets = 1;
    r->protocol = EG_NO_PROTOCOL;
}

void eg_decode_slow(const uint8_t *frame, uint32_t captured, uint32_t wire, uint32_t link_type,
                    uint32_t gso_size, struct eg_record *r, struct eg_totals *totals)
{
    struct cursor c = { frame, captured, wire < captured ? captured : wire, 0, 0 };
    struct packet p;
    uint32_t type;
    int failed;

    clear(r);
    totals->frames++;
    type = read_link_layer(&c, link_type, &r->vlan);
    p.ip = here(&c);
    p.captured = c.captured - c.at;
    p.length = c.wire - c.at;
    if (type != TYPE_IPV4 && type != TYPE_IPV6) {
        no_packet(&c, type, r, totals);
        return;
    }
    failed = type == TYPE_IPV4 ? open_ipv4(&p, r) : open_ipv6(&p, r);
    if (failed) {
        no_packet(&c, TYPE_BAD_IP, r, totals);
        return;
    }
    read_packet(&p, gso_size, r);
    count_packet(r, totals);
}

void eg_decode(const uint8_t *frame, uint32_t captured, uint32_t wire, uint32_t link_type,
               uint32_t gso_size, struct eg_record *r, struct eg_totals *totals)
{
    struct eg_tally tally = { 0 };

    eg_decode_frame(frame, captured, wire, link_type, gso_size, r, &tally, totals);
    eg_tally_flush(&tally, totals);
}
