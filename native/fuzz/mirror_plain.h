/* SPDX-License-Identifier: Apache-2.0
 *
 * Mirrored frames read a second time, plainly: whose each is, from docs/configuration.md and RFC 7348,
 * with a search through all points. */
#ifndef EG_FUZZ_MIRROR_PLAIN_H
#define EG_FUZZ_MIRROR_PLAIN_H

#include "../points.h"
#include "mirror_slots.h"

#define POINTS_MAX 8            /* of them three VMs and the host; the others are strangers */
#define OVERFLOW_POINT 100

/* The MACs that the seeds use. */
#define MAC_ONE 0x020000000101u
#define MAC_TWO 0x020000000102u
#define MAC_TWO_TAGGED (MAC_TWO | 7ull << 48)
#define MAC_HOST 0x02000000000au

/* What a read changes: once by the code, once by the plain reading. */
struct state {
    struct eg_points points;
    uint64_t keys[2 * POINTS_MAX];
    uint16_t values[2 * POINTS_MAX];
    struct eg_totals totals;
    uint64_t unknown, opened, overflowed, strangers;
    uint32_t full;
};

/* ---- points ---- */

static void put_point(struct state *s, uint64_t key, uint16_t value)
{
    uint32_t at = eg_points_slot(&s->points, key);

    EXPECT(key && s->points.used < POINTS_MAX);
    while (s->keys[at]) {
        EXPECT(s->keys[at] != key);
        at = (at + 1) & s->points.mask;
    }
    s->points.used++;
    s->keys[at] = key;
    s->values[at] = value;
}

static void begin(struct state *s, uint32_t full)
{
    memset(s, 0, sizeof *s);
    s->points = (struct eg_points){ 2 * POINTS_MAX - 1, 0, s->keys, s->values };
    s->full = full;
    put_point(s, MAC_ONE, 0);
    put_point(s, MAC_TWO, 1);
    put_point(s, MAC_TWO_TAGGED, 2);
    put_point(s, MAC_HOST, EG_POINT_HOST);
}

/* Whoever reads gives a stranger its point, as long as there is room. */
static void meet(struct state *s, uint64_t key)
{
    put_point(s, key, s->points.used | EG_POINT_STRANGER);
    s->strangers++;
    s->full = s->points.used == POINTS_MAX;
}

/* ---- the plain reading ---- */

struct plain {
    const uint8_t *frame;
    uint32_t captured, wire, vlan;
};

static uint32_t number(const uint8_t *at, int bytes)
{
    uint32_t n = 0;

    for (int i = 0; i < bytes; i++)
        n = n << 8 | at[i];
    return n;
}

static uint64_t mac(const uint8_t *at) { return (uint64_t)number(at, 2) << 32 | number(at + 2, 4); }

static int is_tag(const uint8_t *at) { return number(at, 2) == 0x8100 || number(at, 2) == 0x88a8; }

static uint32_t tag_of(const uint8_t *frame, uint32_t captured)
{
    return captured >= 18 && is_tag(frame + 12) ? number(frame + 14, 2) & 0xfff : 0;
}

static uint16_t value_of(const struct state *s, uint64_t key)
{
    for (uint32_t i = 0; i <= s->points.mask; i++)
        if (key && s->keys[i] == key)
            return s->values[i];
    return EG_NOBODY;
}

static uint16_t owner(const struct state *s, uint64_t address, uint32_t vlan)
{
    uint16_t tagged = vlan ? value_of(s, address | (uint64_t)vlan << 48) : EG_NOBODY;

    return tagged != EG_NOBODY ? tagged : value_of(s, address);
}

static int a_vm(uint16_t value) { return value <= 2; }

/* The EtherType's place behind the tags. */
static uint32_t type_at(const struct plain *p)
{
    uint32_t at = 12;

    for (int tags = 0; tags < 8 && p->captured >= at + 2 && is_tag(p->frame + at); tags++)
        at += 4;
    return at;
}

/* The size of an IP header whose payload is a whole UDP packet, 0 for all else; *length is that of the
 * packet as it says itself, 0 where it says none. */
static uint32_t ip_header(const uint8_t *ip, uint32_t captured, uint32_t type, uint32_t *length)
{
    if (type == 0x0800 && captured >= 20) {
        *length = number(ip + 2, 2);
        return ip[0] >= 0x45 && ip[0] <= 0x4f && ip[9] == 17 && !(number(ip + 6, 2) & 0x3fff) ? (ip[0] & 15) * 4 : 0;
    }
    if (type == 0x86dd && captured >= 40) {
        *length = number(ip + 4, 2) ? number(ip + 4, 2) + 40 : 0;
        return ip[0] >> 4 == 6 && ip[6] == 17 ? 40 : 0;
    }
    return 0;
}

/* Where the frame inside VXLAN begins (RFC 7348), 0 where this is none: whole UDP over IP whose
 * lengths, where they say one, hold the headers and an inner Ethernet header: 8, 8 and 14 bytes. */
static uint32_t inner_at(const struct plain *p, uint32_t port)
{
    uint32_t at = type_at(p) + 2, length = 0, header;
    const uint8_t *udp;

    if (p->captured < at)
        return 0;
    header = ip_header(p->frame + at, p->captured - at, number(p->frame + at - 2, 2), &length);
    if (!header || p->captured < at + header + 30 || (length && length < header + 30))
        return 0;
    udp = p->frame + at + header;
    if (number(udp + 2, 2) != port || (number(udp + 4, 2) && number(udp + 4, 2) < 30) || !(udp[8] & 8))
        return 0;
    return at + header + 16;
}

/* The frame of a slot, or what VXLAN carries in it; 0 where it holds none of a mirror port. */
static int open_plain(const struct slot *slot, const struct input *in, struct state *s, struct plain *p)
{
    uint32_t inner = 0;

    if (slot->flags & (ELSEWHERE | NO_ETHERNET) || slot->captured < 14) {
        s->unknown++;
        return 0;
    }
    *p = (struct plain){ slot->bytes, slot->captured, slot->wire, 0 };
    p->vlan = slot->flags & TAG_TAKEN ? slot->tci & 0xfff : tag_of(p->frame, p->captured);
    if (in->vxlan && !a_vm(owner(s, mac(p->frame + 6), p->vlan)))
        inner = inner_at(p, in->vxlan);
    if (inner) {
        *p = (struct plain){ p->frame + inner, p->captured - inner, p->wire - inner, 0 };
        p->vlan = tag_of(p->frame, p->captured);
        s->opened++;
    }
    return 1;
}

/* The sender's value; one that nobody knows gets a point, or is counted with others. */
static uint16_t sender_of(const struct plain *p, struct state *s)
{
    uint64_t address = mac(p->frame + 6), key = address | (uint64_t)p->vlan << 48;
    uint16_t from = owner(s, address, p->vlan);

    if (a_vm(owner(s, mac(p->frame), p->vlan)) && !a_vm(from))
        return EG_NOBODY;
    if (from != EG_NOBODY)
        return from;
    if (s->full || !key) {
        s->overflowed++;
        return OVERFLOW_POINT;
    }
    meet(s, key);
    return owner(s, address, p->vlan);
}

static uint16_t point_of(uint16_t value)
{
    return value == EG_POINT_HOST || value == EG_NOBODY ? EG_NOBODY : value & 0x7fff;
}

/* One slot: 1 and a record, or 0. */
static int plain_read(const struct slot *slot, const struct input *in, struct state *s, struct eg_record *out)
{
    struct plain p;

    if (slot->flags & UNUSED || !open_plain(slot, in, s, &p))
        return 0;
    memset(out, 0, sizeof *out);
    out->out_of = point_of(sender_of(&p, s));
    out->into = point_of(owner(s, mac(p.frame), p.vlan));
    if (out->out_of == EG_NOBODY && out->into == EG_NOBODY) {
        s->unknown++;
        return 0;
    }
    eg_decode(p.frame, p.captured, p.wire, 1, slot->gso_type ? slot->gso_size : 0, out, &s->totals);
    out->ts = slot->ts;
    out->vlan = p.vlan;
    return 1;
}

static uint32_t plain_reading(const struct input *in, struct state *s, struct eg_record *records)
{
    uint32_t n = 0;

    begin(s, in->full);
    for (uint32_t i = 0; i < in->slots; i++)
        n += plain_read(in->slot + i, in, s, records + n);
    return n;
}

#endif
