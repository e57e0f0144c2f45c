/* SPDX-License-Identifier: Apache-2.0
 *
 * What the packet path (flow_add.c) and the quieter half (flow_table.c) of the flow memory share: its
 * hashes, and where a key stands. What all of it promises, and the proof, is in docs/counting.md. */
#ifndef EG_FLOW_H
#define EG_FLOW_H

#include "native.h"

#define EG_FLOW_SPREAD 0x9E3779B97F4A7C15u /* the kind of a key over the bits that an address uses */
#define EG_FLOW_TAG_SHIFT 15
#define EG_FLOW_ENTRY_MASK 0x7fffu

_Static_assert(sizeof(struct eg_flow) == 64, "an entry's hot half is one cache line");
_Static_assert(EG_FLOW_LANES * sizeof(uint16_t) == 64, "a line of lanes is one cache line");
_Static_assert(EG_FLOW_LINES == 1 << 12 && EG_FLOW_LANES == 4 * 8, "the bits that eg_flow_lane() takes");

/* Keyed multiply-shift and a fold; both multipliers are secret and odd. */
static inline uint64_t eg_flow_hash(uint64_t hi, uint64_t lo, uint64_t what, const uint64_t by[2])
{
    uint64_t x = (lo ^ what * EG_FLOW_SPREAD) * by[0] + hi * by[1];

    x ^= x >> 32;
    return x * by[1];
}

/* The hash in a slot, of the hash that finds the index cell: multiply-shift once more, with a secret of
 * the slot, so that keys which share a line in one slot share none in the next. Its upper 24 bits count. */
static inline uint64_t eg_flow_slot_hash(uint64_t home, uint64_t seed) { return (home ^ home >> 32) * seed; }

/* Its four lanes, one in each quarter of its line. */
static inline uint32_t eg_flow_lane(uint64_t hash, uint32_t k) { return 8 * k + (hash >> (40 + 3 * k) & 7); }

/* The half of the filter that counts a kind of key. */
static inline uint32_t eg_flow_level(uint32_t what) { return what % EG_FLOW_IN > EG_FLOW_ADDRESS6; }

/* The lanes of a line, and those of a whole generation. */
#define EG_FLOW_LEVEL_LANES (EG_FLOW_LINES * EG_FLOW_LANES)
#define EG_FLOW_GENERATION_BYTES (EG_FLOW_LEVELS * EG_FLOW_LEVEL_LANES * 2)

static inline uint16_t *eg_flow_cells(const struct eg_flows *m, uint32_t generation)
{
    return m->cells + (uint64_t)generation * EG_FLOW_LEVELS * EG_FLOW_LEVEL_LANES;
}

static inline uint16_t *eg_flow_lanes(uint16_t *cells, uint32_t what, uint64_t hash)
{
    return cells + eg_flow_level(what) * EG_FLOW_LEVEL_LANES + (hash >> 52) * EG_FLOW_LANES;
}

/* Where a slot stands in every ring of past counts. */
static inline uint64_t eg_flow_cell(int64_t slot)
{
    int64_t rest = slot % EG_FLOW_RING;

    return rest < 0 ? rest + EG_FLOW_RING : rest;
}

/* ---- the index: linear probing; a cell holds a tag, so that a miss is seen without the entry ---- */

static inline uint64_t eg_flow_home_hash(const struct eg_flows *m, uint64_t hi, uint64_t lo, uint32_t what)
{
    return eg_flow_hash(hi, lo, what, m->home);
}

static inline uint32_t eg_flow_home(const struct eg_flows *m, uint64_t hash) { return hash >> 32 & m->mask; }
static inline uint32_t eg_flow_tag(uint64_t hash) { return (uint32_t)(hash >> 47) << EG_FLOW_TAG_SHIFT; }

static inline int eg_flow_is(const struct eg_flow *f, uint64_t hi, uint64_t lo, uint32_t what)
{
    return ((f->lo ^ lo) | (f->hi ^ hi) | (f->what ^ what)) == 0;
}

/* The index cell of a key: that of its entry, or the empty one where its search ends. */
static inline uint32_t eg_flow_find(const struct eg_flows *m, uint64_t hi, uint64_t lo, uint32_t what)
{
    uint64_t hash = eg_flow_home_hash(m, hi, lo, what);
    uint32_t at = eg_flow_home(m, hash), tag = eg_flow_tag(hash), cell;

    for (; (cell = m->index[at]) != 0; at = (at + 1) & m->mask)
        if ((cell & ~EG_FLOW_ENTRY_MASK) == tag &&
            eg_flow_is(&m->flows[(cell & EG_FLOW_ENTRY_MASK) - 1], hi, lo, what))
            break;
    return at;
}

/* At the begin of m->slot: let entries go that were quiet for long enough, move the counts of the others. */
void eg_flow_turn(struct eg_flows *m, int64_t ended);

#endif
