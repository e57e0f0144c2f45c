/* SPDX-License-Identifier: Apache-2.0
 *
 * The decoder's inner door, for the readers (savefile.c, ring_tpacket.c): an inline path for
 * Ethernet/IPv4 without options, tags or fragments, which is nearly every frame of a flood, and
 * a function for everything else. Both write the same record and count the same totals.
 *
 *     struct eg_tally tally = {0};
 *     for each frame {
 *         eg_decode_frame(frame, captured, wire, EG_LINK_ETHERNET, gso_size, r, &tally, totals);
 *         r->ts = ...; r->out_of = ...; r->into = ...;
 *     }
 *     eg_tally_flush(&tally, totals);
 */
#ifndef EG_DECODE_H
#define EG_DECODE_H

#include <string.h>

#include "native.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records and loads are little-endian");

#define EG_LINK_NULL 0
#define EG_LINK_ETHERNET 1
#define EG_LINK_RAW_BSD 12
#define EG_LINK_RAW_OPENBSD 14
#define EG_LINK_RAW 101
#define EG_LINK_LOOP 108
#define EG_LINK_SLL 113
#define EG_LINK_IPV4 228
#define EG_LINK_IPV6 229
#define EG_LINK_SLL2 276

#define EG_ETHERNET_HEADER 14
#define EG_IPV4_HEADER 20
#define EG_TCP_NEEDED 14          /* data offset and flags end at the 14th byte */
#define EG_PORTS_NEEDED 4
#define EG_NO_PROTOCOL 255

#define EG_PROTO_ICMP 1
#define EG_PROTO_TCP 6
#define EG_PROTO_UDP 17
#define EG_PROTO_ICMPV6 58

/* Totals of the inline path, small enough to stay in registers and the first cache lines. */
struct eg_tally {
    uint64_t kinds[EG_CLASSES];
    uint64_t udp_bytes;
};

/* Add the inline path's counts to the totals and clear them. */
void eg_tally_flush(struct eg_tally *tally, struct eg_totals *totals);

/* Any frame, without the inline path. Writes every field but ts, out_of, into. */
void eg_decode_slow(const uint8_t *frame, uint32_t captured, uint32_t wire, uint32_t link_type,
                    uint32_t gso_size, struct eg_record *r, struct eg_totals *totals);

static inline uint16_t eg_load16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t eg_load32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t eg_load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint16_t eg_net16(const uint8_t *p) { return __builtin_bswap16(eg_load16(p)); }
static inline uint32_t eg_net32(const uint8_t *p) { return __builtin_bswap32(eg_load32(p)); }
static inline uint64_t eg_net64(const uint8_t *p) { return __builtin_bswap64(eg_load64(p)); }

/* MAC addresses as 48-bit numbers, the keys of eg_points. Need EG_ETHERNET_HEADER bytes. */
static inline uint64_t eg_mac_to(const uint8_t *frame) { return eg_net64(frame) >> 16; }
static inline uint64_t eg_mac_from(const uint8_t *frame) { return eg_net64(frame + 6) >> 16; }

/* The outermost VLAN id in the frame (802.1Q, 802.1ad), 0 without one. */
static inline uint32_t eg_vlan_of(const uint8_t *frame, uint32_t captured)
{
    uint32_t type = captured >= EG_ETHERNET_HEADER + 4 ? eg_load16(frame + 12) : 0;

    if (__builtin_expect(type != 0x0081 && type != 0xa888, 1))
        return 0;
    return eg_net16(frame + 14) & 0xfff;
}

/* EG_SYN, EG_SYNACK, EG_RST or EG_TCP by the flag bits: a table of eight nibbles over
 * (ACK, RST, SYN), so that mixed traffic costs no mispredicted branch. */
static inline uint32_t eg_tcp_kind(uint32_t flags)
{
    uint32_t ack_rst_syn = (flags >> 1 & 3) | (flags >> 2 & 4);

    return 0x12130203u >> (4 * ack_rst_syn) & 0xf;
}

/* What a protocol number alone says: its kind, as the difference to EG_OTHER, and whether its
 * header begins with two ports. A table, because a compiler makes branches of comparisons. */
#define EG_PROTOCOL(kind, ported) (((kind) ^ EG_OTHER) | (ported) << 4)

static const uint8_t eg_protocols[256] = {
    [EG_PROTO_ICMP] = EG_PROTOCOL(EG_ICMP, 0),
    [EG_PROTO_TCP] = EG_PROTOCOL(EG_TCP, 1),
    [EG_PROTO_UDP] = EG_PROTOCOL(EG_UDP, 1),
    [EG_PROTO_ICMPV6] = EG_PROTOCOL(EG_ICMP, 0),
};

static inline uint32_t eg_protocol_kind(uint32_t protocol)
{
    return (eg_protocols[protocol] & 0xf) ^ EG_OTHER;
}

static inline uint32_t eg_protocol_ported(uint32_t protocol)
{
    return eg_protocols[protocol] >> 4;
}

/* The flags byte and the kind of a TCP header of which EG_TCP_NEEDED bytes are there: EG_TCP
 * where the data offset is below 5. */
static inline uint32_t eg_tcp_read(const uint8_t *tcp, uint32_t *flags)
{
    uint32_t too_short = tcp[12] < 5 << 4;

    *flags = tcp[13];
    return eg_tcp_kind(tcp[13] & ~(-too_short));
}

/* Whether the inline path may take an Ethernet frame: IPv4, IHL 5, no fragment, a sane length,
 * and all bytes it reads captured. */
static inline int eg_is_plain(const uint8_t *frame, uint32_t captured)
{
    if (captured < EG_ETHERNET_HEADER + EG_IPV4_HEADER + EG_TCP_NEEDED)
        return 0;
    return (eg_load32(frame + 12) & 0x00ffffff) == 0x00450008           /* 08 00 45 */
        && (eg_load16(frame + 20) & 0xff3f) == 0                        /* MF and offset */
        && eg_net16(frame + 16) >= EG_IPV4_HEADER + EG_PORTS_NEEDED;
}

/* Decode a frame for which eg_is_plain() holds: eight stores, no call. Choices are masks, because
 * a mix of TCP and UDP mispredicts every other branch (95 against 160 million a second). */
static inline void eg_decode_plain(const uint8_t *frame, struct eg_record *r,
                                   struct eg_tally *tally)
{
    const uint8_t *ip = frame + EG_ETHERNET_HEADER, *upper = ip + EG_IPV4_HEADER;
    uint32_t length = eg_net16(ip + 2), protocol = ip[9], flags;
    uint32_t tcp_kind = eg_tcp_read(upper, &flags);
    uint32_t kind = eg_protocol_kind(protocol), ported = eg_protocol_ported(protocol);
    uint32_t is_tcp = protocol == EG_PROTO_TCP, is_udp = protocol == EG_PROTO_UDP;
    uint32_t has_flags = is_tcp & (length >= EG_IPV4_HEADER + EG_TCP_NEEDED);
    uint32_t ports = __builtin_bswap32(eg_load32(upper));
    uint64_t tail;

    kind ^= (kind ^ tcp_kind) & -has_flags;
    ports = (ports >> 16 | ports << 16) & -ported;
    tail = 4 | protocol << 8 | kind << 16 | ported << 24;
    tail |= (uint64_t)(flags & -has_flags) << 32;
    tail |= (uint64_t)(upper[0] & -(uint32_t)(kind == EG_ICMP)) << 40;
    r->src_hi = 0;
    r->src_lo = eg_net32(ip + 12);
    r->dst_hi = 0;
    r->dst_lo = eg_net32(ip + 16);
    r->bytes = length;
    r->packets = 1;
    memcpy(&r->src_port, &ports, sizeof ports);
    memcpy(&r->family, &tail, sizeof tail);
    tally->kinds[kind]++;
    tally->udp_bytes += length & -is_udp;
}

_Static_assert(EG_FLAG_HAS_PORTS == 1, "eg_decode_plain writes it as a truth value");
_Static_assert(offsetof(struct eg_record, dst_port) == offsetof(struct eg_record, src_port) + 2 &&
               offsetof(struct eg_record, kind) == offsetof(struct eg_record, family) + 2 &&
               offsetof(struct eg_record, flags) == offsetof(struct eg_record, family) + 3 &&
               offsetof(struct eg_record, tcp_flags) == offsetof(struct eg_record, family) + 4 &&
               offsetof(struct eg_record, icmp_type) == offsetof(struct eg_record, family) + 5 &&
               offsetof(struct eg_record, family) + 8 == sizeof(struct eg_record),
               "eg_decode_plain stores these fields as words");

/* Decode one frame: see eg_decode() in abi.h. The tally must be flushed before totals are read. */
static inline void eg_decode_frame(const uint8_t *frame, uint32_t captured, uint32_t wire,
                                   uint32_t link_type, uint32_t gso_size, struct eg_record *r,
                                   struct eg_tally *tally, struct eg_totals *totals)
{
    if (__builtin_expect(link_type == EG_LINK_ETHERNET && gso_size == 0 &&
                         eg_is_plain(frame, captured), 1))
        eg_decode_plain(frame, r, tally);
    else
        eg_decode_slow(frame, captured, wire, link_type, gso_size, r, totals);
}

#endif
