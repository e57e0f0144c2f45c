/* SPDX-License-Identifier: Apache-2.0
 *
 * From the first byte of a frame to the first byte of its IP header. Private to decode.c and headers.c.
 *
 *     struct cursor c = { frame, captured, wire, 0, 0 };
 *     type = read_link_layer(&c, link_type, &vlan);   the cursor stands behind the link header
 */
#ifndef EG_LINK_LAYER_H
#define EG_LINK_LAYER_H

#include "decode.h"

#define ETHERTYPE_MIN 0x600   /* below: an IEEE 802.3 length, LLC follows */
#define TAG_BYTES 4
#define LLC_BYTES 3
#define SNAP_BYTES 8

/* What follows a link header: an EtherType, or one of these. */
enum {
    TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, TYPE_VLAN = 0x8100, TYPE_IPV6 = 0x86dd,
    TYPE_MPLS = 0x8847, TYPE_MPLS_MULTICAST = 0x8848, TYPE_PPPOE_DISCOVERY = 0x8863,
    TYPE_PPPOE = 0x8864, TYPE_PROVIDER_VLAN = 0x88a8, TYPE_PBB = 0x88e7,
    TYPE_CUT = 0x10000, TYPE_OTHER_LINK, TYPE_TOO_MANY_TAGS, TYPE_LLC, TYPE_OTHER,
    TYPE_BAD_IP,
};

struct cursor {
    const uint8_t *frame;
    uint32_t captured, wire;
    uint32_t at;              /* never above captured */
    uint32_t tags;
};

static inline int has(const struct cursor *c, uint32_t n) { return c->captured - c->at >= n; }
static inline const uint8_t *here(const struct cursor *c) { return c->frame + c->at; }

/* A header of `size` bytes with a 16-bit type at `field`. */
static inline uint32_t open_header(struct cursor *c, uint32_t size, uint32_t field)
{
    if (!has(c, size))
        return TYPE_CUT;
    c->at += size;
    return eg_net16(c->frame + field);
}

/* Linux cooked: types below ETHERTYPE_MIN are numbers of <linux/if_ether.h>, of which only
 * ETH_P_802_2 announces an LLC header. */
static inline uint32_t open_cooked(struct cursor *c, uint32_t size, uint32_t field)
{
    uint32_t type = open_header(c, size, field);

    if (type >= ETHERTYPE_MIN)
        return type;
    return type == 4 ? TYPE_LLC : TYPE_OTHER;
}

/* BSD null and loop: an address family of 4 bytes, in the byte order of whoever wrote the file,
 * with a number for IPv6 that differs between systems. */
static inline uint32_t open_family(struct cursor *c)
{
    uint32_t family;

    if (!has(c, 4))
        return TYPE_CUT;
    family = eg_load32(here(c));
    if (family > 0xffff)
        family = __builtin_bswap32(family);
    c->at += 4;
    switch (family) {
    case 2: return TYPE_IPV4;
    case 10: case 24: case 28: case 30: return TYPE_IPV6;   /* Linux, NetBSD, FreeBSD, Darwin */
    }
    return TYPE_OTHER;
}

static inline uint32_t open_raw(struct cursor *c)
{
    uint32_t version = has(c, 1) ? *here(c) >> 4 : 0;

    return version == 4 ? TYPE_IPV4 : version == 6 ? TYPE_IPV6 : TYPE_BAD_IP;
}

static inline uint32_t open_link(struct cursor *c, uint32_t link_type)
{
    switch (link_type) {
    case EG_LINK_ETHERNET: return open_header(c, EG_ETHERNET_HEADER, 12);
    case EG_LINK_SLL: return open_cooked(c, 16, 14);
    case EG_LINK_SLL2: return open_cooked(c, 20, 0);
    case EG_LINK_NULL: case EG_LINK_LOOP: return open_family(c);
    case EG_LINK_RAW: case EG_LINK_RAW_BSD: case EG_LINK_RAW_OPENBSD: return open_raw(c);
    case EG_LINK_IPV4: return TYPE_IPV4;
    case EG_LINK_IPV6: return TYPE_IPV6;
    }
    return TYPE_OTHER_LINK;
}

/* 802.1Q and 802.1ad, in any order. */
static inline uint32_t open_tags(struct cursor *c, uint32_t type, uint16_t *vlan)
{
    while (type == TYPE_VLAN || type == TYPE_PROVIDER_VLAN) {
        if (c->tags == EG_MAX_TAGS)
            return TYPE_TOO_MANY_TAGS;
        if (!has(c, TAG_BYTES))
            return TYPE_CUT;
        if (c->tags++ == 0)
            *vlan = eg_net16(here(c)) & 0xfff;
        type = eg_net16(here(c) + 2);
        c->at += TAG_BYTES;
    }
    return type;
}

/* LLC is opened only for SNAP with the Ethernet OUI (RFC 1042); the rest is counted as LLC. */
static inline uint32_t open_llc(struct cursor *c, uint32_t type)
{
    if (type != TYPE_LLC && type >= ETHERTYPE_MIN)
        return type;
    if (!has(c, LLC_BYTES))
        return TYPE_CUT;
    if (eg_net16(here(c)) != 0xaaaa || here(c)[2] != 3)
        return TYPE_LLC;
    if (!has(c, SNAP_BYTES))
        return TYPE_CUT;
    if (eg_net16(here(c) + 3) != 0 || here(c)[5] != 0)
        return TYPE_LLC;
    type = eg_net16(here(c) + 6);
    c->at += SNAP_BYTES;
    return type >= ETHERTYPE_MIN ? type : TYPE_OTHER;
}

/* What the frame carries: an EtherType or a TYPE_... above. *vlan becomes the outermost VLAN id. */
static inline uint32_t read_link_layer(struct cursor *c, uint32_t link_type, uint16_t *vlan)
{
    uint32_t type = open_tags(c, open_link(c, link_type), vlan);

    return open_tags(c, open_llc(c, type), vlan);
}

#endif
