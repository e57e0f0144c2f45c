/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold for every record and for the totals, whatever the bytes were. The fuzzers use it;
 * nothing of it is part of the extension. Written from abi.h, not from decode.c: protocol numbers
 * and flag bits stand here a second time on purpose.
 *
 *     expect_record(&r);
 *     expect_counted(&r, &sum);          add what this record should have counted
 *     expect_totals(&totals, &sum);
 */
#ifndef EG_FUZZ_EXPECT_H
#define EG_FUZZ_EXPECT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

/* A finding like any other: the fuzzer keeps the input of a process that aborts. */
#define EXPECT(condition)                                                              \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                   \
        }                                                                              \
    } while (0)

/* Memory of exactly n bytes, so that the sanitizer sees the first byte read beyond it. */
static inline void *exactly(size_t n)
{
    void *memory = malloc(n);

    EXPECT(memory || n == 0);
    return memory;
}

static inline void *exact_copy(const uint8_t *bytes, size_t n)
{
    void *copy = exactly(n);

    if (n)
        memcpy(copy, bytes, n);
    return copy;
}

static inline int expected_upper_kind(uint32_t protocol)
{
    switch (protocol) {
    case 1: case 58: return EG_ICMP;
    case 6: return EG_TCP;
    case 17: return EG_UDP;
    }
    return EG_OTHER;
}

/* No IP packet could be read: nothing but kind, VLAN and the cut flag may be set. */
static inline void expect_no_packet(const struct eg_record *r)
{
    EXPECT(r->family == 0);
    EXPECT(r->bytes == 0 && r->packets == 1 && r->protocol == 255);
    EXPECT(r->src_hi == 0 && r->src_lo == 0 && r->dst_hi == 0 && r->dst_lo == 0);
    EXPECT(r->src_port == 0 && r->dst_port == 0 && r->tcp_flags == 0);
    EXPECT(r->flags == 0 || (r->flags == EG_FLAG_CUT && r->kind == EG_MALFORMED));
}

static inline void expect_tcp(const struct eg_record *r)
{
    uint32_t syn_ack = r->tcp_flags & 0x12;

    EXPECT(r->protocol == 6);
    if (r->kind == EG_SYN)
        EXPECT(syn_ack == 0x02);
    if (r->kind == EG_SYNACK)
        EXPECT(syn_ack == 0x12);
    if (r->kind == EG_RST)
        EXPECT((r->tcp_flags & 0x06) == 0x04);
}

/* A frame may hold two IPv6 fragment headers, so a later fragment there can also be marked as the
 * first of several; in IPv4 that is impossible. */
static inline void expect_fragment(const struct eg_record *r)
{
    EXPECT(r->packets == 1);
    EXPECT((r->flags & (EG_FLAG_HAS_PORTS | EG_FLAG_SUPER)) == 0);
    EXPECT(r->family == 6 || (r->flags & EG_FLAG_FIRST) == 0);
    EXPECT(r->tcp_flags == 0);
}

static inline void expect_packet(const struct eg_record *r)
{
    int upper = expected_upper_kind(r->protocol);

    EXPECT(r->family == 4 || r->family == 6);
    EXPECT(r->bytes >= (r->family == 6 ? 40 : 1));
    if (r->family == 4)
        EXPECT(r->src_hi == 0 && r->dst_hi == 0 && r->src_lo <= UINT32_MAX && r->dst_lo <= UINT32_MAX);
    if (r->kind == EG_FRAGMENT)
        expect_fragment(r);
    else if (r->kind <= EG_TCP)
        expect_tcp(r);
    else
        EXPECT(r->kind == upper && upper != EG_TCP && r->tcp_flags == 0);
    if (r->flags & EG_FLAG_HAS_PORTS)
        EXPECT(upper == EG_TCP || upper == EG_UDP);
    else
        EXPECT(r->src_port == 0 && r->dst_port == 0);
}

static inline void expect_record(const struct eg_record *r)
{
    EXPECT(r->kind <= EG_OTHER_LINK);
    EXPECT(r->flags < 2 * EG_FLAG_CUT);
    EXPECT(r->icmp_type == 0 || r->kind == EG_ICMP);
    EXPECT(r->vlan <= 0xfff);
    EXPECT(r->packets >= 1);
    EXPECT((r->packets > 1) == ((r->flags & EG_FLAG_SUPER) != 0));
    if (r->kind < EG_CLASSES)
        expect_packet(r);
    else
        expect_no_packet(r);
}

/* Add to `sum` what the record's frame should have added to the totals. */
static inline void expect_counted(const struct eg_record *r, struct eg_totals *sum)
{
    int kind = r->kind == EG_FRAGMENT ? expected_upper_kind(r->protocol) : r->kind;

    sum->frames++;
    sum->ipv4 += r->family == 4;
    sum->ipv6 += r->family == 6;
    sum->non_ip += kind == EG_NON_IP;
    sum->malformed += kind == EG_MALFORMED;
    sum->other_link += kind == EG_OTHER_LINK;
    sum->tcp_syn += kind == EG_SYN ? r->packets : 0;
    sum->tcp_synack += kind == EG_SYNACK ? r->packets : 0;
    sum->udp += kind == EG_UDP ? r->packets : 0;
    sum->udp_bytes += kind == EG_UDP ? r->bytes : 0;
    sum->icmp += kind == EG_ICMP ? r->packets : 0;
    sum->fragments += r->kind == EG_FRAGMENT ? r->packets : 0;
}

/* The totals are the sum over the records, and the names of non_ip leave no frame out. */
static inline void expect_totals(const struct eg_totals *t, const struct eg_totals *sum)
{
    EXPECT(t->frames == t->ipv4 + t->ipv6 + t->non_ip + t->malformed + t->other_link);
    EXPECT(t->non_ip == t->arp + t->mpls + t->pppoe + t->pbb + t->too_many_tags + t->llc + t->other_type);
    EXPECT(memcmp(t, sum, offsetof(struct eg_totals, arp)) == 0);
}

#endif
