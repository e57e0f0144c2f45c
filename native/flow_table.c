/* SPDX-License-Identifier: Apache-2.0
 *
 * The flow memory beside the packet path: its seeds, what is known of a key, and how an entry leaves. */
#include <string.h>

#include "flow.h"

#define MOST_LEAVING 1024   /* entries, where a slot begins */

/* ---- seeds ---- */

static uint64_t rotated(uint64_t x, uint32_t n) { return x << n | x >> (64 - n); }

static void siphash_rounds(uint64_t v[4], uint32_t n)
{
    while (n--) {
        v[0] += v[1];
        v[1] = rotated(v[1], 13) ^ v[0];
        v[0] = rotated(v[0], 32);
        v[2] += v[3];
        v[3] = rotated(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotated(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotated(v[1], 17) ^ v[2];
        v[2] = rotated(v[2], 32);
    }
}

uint64_t eg_siphash(const uint64_t key[2], uint64_t message)
{
    uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                      key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
    uint64_t words[2] = { message, (uint64_t)8 << 56 };

    for (uint32_t n = 0; n < 2; n++) {
        v[3] ^= words[n];
        siphash_rounds(v, 2);
        v[0] ^= words[n];
    }
    v[2] ^= 0xff;
    siphash_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void eg_flows_open(struct eg_flows *m)
{
    for (uint32_t k = 0; k < 2; k++)
        m->home[k] = eg_siphash(m->key, UINT64_MAX - k) | 1;
    m->slot = -1;
    m->slot_end = 0;
    m->quiet = EG_FLOW_QUIET;
    m->cleaned = EG_FLOW_GENERATION_BYTES;
    for (uint32_t g = 0; g < EG_FLOW_GENERATIONS; g++)
        m->generation[g].slot = INT64_MIN;
    for (uint32_t n = 0; n < m->entries; n++)
        m->free_links[n] = n + 1 < m->entries ? (int32_t)n + 1 : -1;
    m->free_head = m->entries ? 0 : -1;
}

/* ---- what is known of a key ---- */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

const struct eg_generation *eg_flows_generation(const struct eg_flows *m, int64_t slot)
{
    for (uint32_t g = 0; g < EG_FLOW_GENERATIONS; g++)
        if (m->generation[g].slot == slot)
            return &m->generation[g];
    return NULL;
}

static uint16_t *cells_of(const struct eg_flows *m, const struct eg_generation *g)
{
    return eg_flow_cells(m, g - m->generation);
}

double eg_flows_fullness(const struct eg_flows *m, int64_t slot)
{
    const struct eg_generation *g = eg_flows_generation(m, slot);
    uint64_t sum[EG_FLOW_LEVELS] = { 0 }; /* all lanes full are 2^32 */

    for (uint32_t level = 0; g && level < EG_FLOW_LEVELS; level++) {
        const uint16_t *lanes = cells_of(m, g) + level * EG_FLOW_LEVEL_LANES;

        for (uint32_t n = 0; n < EG_FLOW_LEVEL_LANES; n++)
            sum[level] += lanes[n];
    }
    return (double)most(sum[0], sum[1]) / EG_FLOW_LEVEL_LANES;
}

static int64_t least_lane(const uint16_t *lanes, uint64_t hash)
{
    return least(least(lanes[eg_flow_lane(hash, 0)], lanes[eg_flow_lane(hash, 1)]),
                 least(lanes[eg_flow_lane(hash, 2)], lanes[eg_flow_lane(hash, 3)]));
}

/* At most so many packets of a class did the filter let pass in a slot: its lanes never count too
 * little, and what is admitted reached the threshold. */
static int64_t passed(const struct eg_flows *m, const struct eg_flow_bounds *b, int64_t slot, uint32_t class_)
{
    const struct eg_generation *g = eg_flows_generation(m, slot);
    uint64_t hash;

    if (g == NULL)
        return 0;
    hash = eg_flow_slot_hash(eg_flow_home_hash(m, b->hi, b->lo, b->what), g->seed);
    return least(least_lane(eg_flow_lanes(cells_of(m, g), b->what, hash), hash) / g->cost[class_],
                 g->threshold[class_]);
}

/* What an entry counted in a slot, by class; zeros outside of what it remembers. */
static const uint32_t *counted(const struct eg_flows *m, uint32_t entry, int64_t slot)
{
    static const uint32_t nothing[EG_FLOW_CLASSES];

    if (slot == m->slot)
        return m->flows[entry].now;
    if (slot < m->past[entry].since || slot > m->slot || slot <= m->slot - EG_FLOW_RING)
        return nothing;
    return m->past[entry].ring[eg_flow_cell(slot)];
}

/* The bounds of a key in the running slot and those of the window before it. `cell`: of the index,
 * 0 without an entry. From its admission on the ring is exact; in that slot and before, the filter
 * bounds what passed. */
static void bound(const struct eg_flows *m, uint32_t cell, uint32_t class_, struct eg_flow_bounds *b)
{
    uint32_t entry = (cell & EG_FLOW_ENTRY_MASK) - 1;
    int64_t since = cell ? m->past[entry].since : INT64_MAX;

    b->low = b->high = 0;
    for (int64_t slot = m->slot - EG_FLOW_WINDOW; slot <= m->slot; slot++) {
        if (cell)
            b->low += counted(m, entry, slot)[class_];
        if (slot <= since)
            b->high += passed(m, b, slot, class_);
    }
    b->high += b->low;
    b->entry = entry + 1;
    b->point = cell ? m->flows[entry].top : EG_NOBODY;
}

int64_t eg_flows_survey(const struct eg_flows *m, uint32_t class_, int64_t at_most, struct eg_flow_bounds *found)
{
    int64_t n = 0;

    for (uint32_t entry = 0; entry < m->entries && n < m->used; entry++) {
        const struct eg_flow *f = &m->flows[entry];

        if (f->what == 0)
            continue;
        found[n].hi = f->hi;
        found[n].lo = f->lo;
        found[n].what = f->what;
        bound(m, entry + 1, class_, &found[n]);
        n += found[n].high >= at_most;
    }
    return n;
}

void eg_flows_ask(const struct eg_flows *m, uint32_t class_, struct eg_flow_bounds *asked, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t at = eg_flow_find(m, asked[i].hi, asked[i].lo, asked[i].what);

        bound(m, m->index[at], class_, &asked[i]);
    }
}

/* ---- how an entry leaves ---- */

/* Write what an entry counted in one slot to the filter, as if it had never been admitted. */
static void give_back_slot(struct eg_flows *m, const struct eg_flow *f, const uint32_t *packets, int64_t slot)
{
    const struct eg_generation *g;
    int64_t cost = 0, sum;
    uint64_t hash;
    uint16_t *lanes;

    if ((packets[0] | packets[1] | packets[2]) == 0)
        return;
    g = eg_flows_generation(m, slot);
    for (uint32_t c = 0; g && c < EG_FLOW_CLASSES; c++)
        cost = most(cost, (int64_t)packets[c] * g->cost[c]);
    if (cost == 0)
        return;
    hash = eg_flow_slot_hash(eg_flow_home_hash(m, f->hi, f->lo, f->what), g->seed);
    lanes = eg_flow_lanes(cells_of(m, g), f->what, hash);
    sum = least(least_lane(lanes, hash) + cost, EG_FLOW_FULL);
    for (uint32_t k = 0; k < 4; k++)
        lanes[eg_flow_lane(hash, k)] = most(lanes[eg_flow_lane(hash, k)], sum);
}

/* Each slot is below its threshold, so the lanes can hold it; without this a key that is admitted
 * again would have lost what came before. */
static void give_back(struct eg_flows *m, uint32_t entry)
{
    for (int64_t slot = most(m->slot - EG_FLOW_WINDOW, m->past[entry].since); slot < m->slot; slot++)
        give_back_slot(m, &m->flows[entry], counted(m, entry, slot), slot);
}

/* Take an entry out of the index; what stands behind it moves up (Knuth 6.4, algorithm R). */
static void unindex(struct eg_flows *m, const struct eg_flow *f)
{
    uint32_t hole = eg_flow_find(m, f->hi, f->lo, f->what), at = hole, home, cell;
    const struct eg_flow *other;

    for (;;) {
        m->index[hole] = 0;
        do {
            at = (at + 1) & m->mask;
            cell = m->index[at];
            if (cell == 0)
                return;
            other = &m->flows[(cell & EG_FLOW_ENTRY_MASK) - 1];
            home = eg_flow_home(m, eg_flow_home_hash(m, other->hi, other->lo, other->what));
        } while (((at - home) & m->mask) < ((at - hole) & m->mask));
        m->index[hole] = cell;
        hole = at;
    }
}

void eg_flows_let_go(struct eg_flows *m, uint32_t entry)
{
    give_back(m, entry);
    unindex(m, &m->flows[entry]);
    m->flows[entry].what = 0;
    m->free_links[entry] = m->free_head;
    m->free_head = entry;
    m->used--;
    m->evicted++;
}

/* Put the counts of the slot that ended into the ring; slots between that and m->slot are empty. */
static void turn_entry(struct eg_flow *f, struct eg_flow_past *past, int64_t ended, int64_t slot)
{
    for (uint32_t c = 0; c < EG_FLOW_CLASSES; c++) {
        past->ring[eg_flow_cell(ended)][c] = f->now[c];
        f->now[c] = 0;
    }
    for (int64_t k = most(ended, slot - EG_FLOW_RING - 1) + 1; k < slot; k++)
        memset(past->ring[eg_flow_cell(k)], 0, sizeof past->ring[0]);
}

/* The obvious rule, "let go when the window is low", loses sources that pulse: docs/counting.md. To stay
 * longer than needed never is wrong, so a crowd that falls silent at once does not leave at once. */
void eg_flow_turn(struct eg_flows *m, int64_t ended)
{
    const struct eg_generation *g = eg_flows_generation(m, ended);
    uint32_t left = g ? m->used : 0, leave = MOST_LEAVING;

    for (uint32_t n = 0; left > 0; n++) {
        struct eg_flow *f = &m->flows[n];

        if (f->what == 0)
            continue;
        left--;
        if (f->now[0] >= g->threshold[0] || f->now[1] >= g->threshold[1] || f->now[2] >= g->threshold[2])
            f->loud = ended;
        turn_entry(f, &m->past[n], ended, m->slot);
        if (leave > 0 && m->slot - f->loud > m->quiet) {
            eg_flows_let_go(m, n);
            leave--;
        }
    }
}
