/* SPDX-License-Identifier: Apache-2.0
 *
 * The packet path of the flow memory: a multistage filter with conservative update (Estan and
 * Varghese, SIGCOMM 2002) in front of exact entries.
 *
 * Packets are taken in chunks, in four passes: list the keys, look them up, count those that have an
 * entry, filter the others. Whether a key has an entry cannot be predicted, and a mispredicted branch
 * per packet costs more than both lists; each pass fetches ahead what the next one touches. The order in which keys of a chunk are counted does not show:
 * entries and lanes are apart, and a key that is admitted in the chunk is looked up again. */
#include <string.h>

#include "decode.h"
#include "flow.h"

#define CHUNK 64             /* records */
#define KEYS (4 * CHUNK)     /* from VM to VM: target, its prefix, source, its /64 */
#define NET4 0xffffff00u
#define PROTO_UDP 17
#define NET48 0xffffffffffff0000u
#define CLEANED (16 * 1024)  /* bytes of the next generation, a call */
#define FAR_BEHIND (11 * (int64_t)EG_FLOW_SLOT_NS) /* before the end of the running slot */

#define unlikely(x) __builtin_expect(!!(x), 0)

typedef uint32_t classes __attribute__((vector_size(16)));  /* packets by class, and nothing */

struct key {
    uint64_t hi, lo, hash;
    uint32_t what, point;
    uint32_t cell;              /* of the index, as it was found */
    uint32_t record;            /* of the chunk */
};

/* Where a key counts in the filter. */
struct aim {
    uint16_t *lanes;
    uint64_t hash;
};

struct chunk {
    uint32_t n, hits, misses;
    uint16_t hit[KEYS], miss[KEYS];
    struct key key[KEYS];
    struct aim aim[KEYS];
    classes weight[CHUNK];
    uint32_t cost[CHUNK];
};

/* ---- time ---- */

/* Stamps may be anything: beyond the year 2262 they wrap. */
static inline int64_t minus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

static int64_t slot_of(int64_t ts)
{
    return ts >= 0 ? ts / EG_FLOW_SLOT_NS : -1 - (-1 - ts) / EG_FLOW_SLOT_NS;
}

/* Zero a piece of the next generation, so that no slot begins with all of it. */
static void clean(struct eg_flows *m, uint32_t bytes)
{
    uint32_t next = (m->running + 1) % EG_FLOW_GENERATIONS, left = EG_FLOW_GENERATION_BYTES - m->cleaned;

    bytes = bytes < left ? bytes : left;
    memset((uint8_t *)eg_flow_cells(m, next) + m->cleaned, 0, bytes);
    m->cleaned += bytes;
}

/* Turn to a slot, wherever it lies. The threshold in force is what a lane can hold at the cost of a
 * packet: never above `next`. */
static void enter_slot(struct eg_flows *m, int64_t slot)
{
    int64_t ended = m->slot;
    struct eg_generation *g;

    clean(m, EG_FLOW_GENERATION_BYTES);
    m->cleaned = 0;
    m->running = (m->running + 1) % EG_FLOW_GENERATIONS;
    m->slot = slot;
    m->slot_end = (int64_t)((uint64_t)(slot + 1) * EG_FLOW_SLOT_NS);
    m->behind = 0;
    g = &m->generation[m->running];
    g->slot = slot;
    g->doubled = m->next_doubled;
    g->seed = eg_siphash(m->key, slot) | 1;
    for (uint32_t c = 0; c < EG_FLOW_CLASSES; c++) {
        g->cost[c] = (EG_FLOW_FULL + m->next[c] - 1) / m->next[c];
        g->threshold[c] = (EG_FLOW_FULL + g->cost[c] - 1) / g->cost[c];
    }
    eg_flow_turn(m, ended);
}

/* A packet outside the running slot: time goes on, or it counts in the running slot until the clock
 * is known to be set back. It is when only packets of more than a second ago came for a second of
 * their own time; time as it is counted here then goes on with the next slot. */
static void keep_time(struct eg_flows *m, int64_t ts)
{
    if (ts >= m->slot_end) {
        enter_slot(m, slot_of(ts));
        return;
    }
    m->late++;
    if (ts >= minus(m->slot_end, FAR_BEHIND)) {
        m->behind = 0;
    } else if (m->behind == 0 || ts < m->behind) {
        m->behind = ts;
    } else if (minus(ts, m->behind) >= EG_FLOW_WINDOW * (int64_t)EG_FLOW_SLOT_NS) {
        m->shift = minus(m->slot_end, minus(ts, m->shift));
        enter_slot(m, m->slot + 1);
    }
}

/* ---- the first pass: what is counted ---- */

static inline void put(struct chunk *c, const struct eg_flows *m, uint32_t record, uint64_t hi, uint64_t lo,
                       uint32_t what, uint32_t point)
{
    uint64_t hash = eg_flow_home_hash(m, hi, lo, what);

    c->key[c->n++] = (struct key){ hi, lo, hash, what, point, 0, record };
    __builtin_prefetch(&m->index[eg_flow_home(m, hash)]);
}

static inline void put_target(struct chunk *c, const struct eg_flows *m, uint32_t i, const struct eg_record *r)
{
    if (r->family == 4) {
        put(c, m, i, 0, r->dst_lo, EG_FLOW_ADDRESS4, r->out_of);
        put(c, m, i, 0, r->dst_lo & NET4, EG_FLOW_PREFIX4, r->out_of);
    } else {
        put(c, m, i, r->dst_hi, r->dst_lo, EG_FLOW_ADDRESS6, r->out_of);
        put(c, m, i, r->dst_hi & NET48, 0, EG_FLOW_PREFIX6, r->out_of);
    }
}

static inline void put_source(struct chunk *c, const struct eg_flows *m, uint32_t i, const struct eg_record *r)
{
    if (r->family == 4) {
        put(c, m, i, 0, r->src_lo, EG_FLOW_ADDRESS4 + EG_FLOW_IN, r->into);
    } else {
        put(c, m, i, r->src_hi, r->src_lo, EG_FLOW_ADDRESS6 + EG_FLOW_IN, r->into);
        put(c, m, i, r->src_hi, 0, EG_FLOW_NET6 + EG_FLOW_IN, r->into);
    }
}

/* What a packet of each class costs in a slot: the largest of its classes' costs. */
struct prices {
    uint32_t of[4];             /* neither, SYN, UDP; both cannot be */
};

static struct prices prices_of(const struct eg_generation *g)
{
    uint32_t any = g->cost[EG_FLOW_PACKETS], syn = g->cost[EG_FLOW_SYN], udp = g->cost[EG_FLOW_UDP];

    syn = syn > any ? syn : any;
    udp = udp > any ? udp : any;
    return (struct prices){ { any, syn, udp, syn > udp ? syn : udp } };
}

/* The classes that a packet counts for: neither, SYN, UDP; both cannot be. */
static const classes counts_for[4] = {
    { 0, 0, ~0u, 0 }, { ~0u, 0, ~0u, 0 }, { 0, ~0u, ~0u, 0 }, { ~0u, ~0u, ~0u, 0 },
};

static inline void put_record(struct chunk *c, const struct eg_flows *m, const struct prices *prices, uint32_t i,
                              const struct eg_record *r)
{
    uint32_t syn = r->kind == EG_SYN, udp = r->protocol == EG_PROTO_UDP;
    uint64_t cost = (uint64_t)r->packets * prices->of[syn + 2 * udp];

    c->weight[i] = r->packets & counts_for[syn + 2 * udp];
    c->cost[i] = cost < EG_FLOW_FULL ? cost : EG_FLOW_FULL;
    if (r->out_of != EG_NOBODY)
        put_target(c, m, i, r);
    if (r->out_of == EG_NOBODY || r->into != EG_NOBODY)
        put_source(c, m, i, r);
}

/* Take records of one slot until the chunk is full; how many. */
static int64_t fill(struct chunk *c, struct eg_flows *m, const struct eg_record *rows, int64_t n)
{
    struct prices prices = { { 0 } };
    int64_t i, most = n < CHUNK ? n : CHUNK;

    c->n = c->hits = c->misses = 0;
    for (i = 0; i < most; i++) {
        int64_t ts = minus(rows[i].ts, minus(0, m->shift));

        if (unlikely((uint64_t)minus(m->slot_end, ts) - 1 >= EG_FLOW_SLOT_NS)) {
            if (i > 0)
                break;
            keep_time(m, ts);
        } else if (unlikely(m->behind != 0)) {
            m->behind = 0;
        }
        if (i == 0)
            prices = prices_of(&m->generation[m->running]);
        if (rows[i].family != 0)
            put_record(c, m, &prices, i, &rows[i]);
    }
    return i;
}

/* ---- the second pass: where keys stand ---- */

/* Where the search in the index ends, beyond its first cell. */
static uint32_t probe(const struct eg_flows *m, uint32_t at, uint32_t tag)
{
    uint32_t cell;

    do {
        at = (at + 1) & m->mask;
        cell = m->index[at];
    } while (cell != 0 && (cell & ~EG_FLOW_ENTRY_MASK) != tag);
    return cell;
}

static void look_up(struct chunk *c, const struct eg_flows *m)
{
    uint32_t hits = 0, misses = 0;

    for (uint32_t n = 0; n < c->n; n++) {
        uint64_t hash = c->key[n].hash;
        uint32_t at = eg_flow_home(m, hash), tag = eg_flow_tag(hash), cell = m->index[at];

        /* a product: of a condition a compiler makes two branches, and whether the tags agree is not
         * to be predicted (3 ns a packet) */
        if (unlikely((uint64_t)cell * ((cell ^ tag) >> EG_FLOW_TAG_SHIFT) != 0))
            cell = probe(m, at, tag);
        c->key[n].cell = cell;
        c->hit[hits] = n;
        hits += cell != 0;
        c->miss[misses] = n;
        misses += cell == 0;
        __builtin_prefetch(&m->flows[(cell - (cell != 0)) & EG_FLOW_ENTRY_MASK], 1);
    }
    c->hits = hits;
    c->misses = misses;
}

/* ---- the third pass: keys with an entry ---- */

/* Boyer-Moore majority, without a branch: which point comes next is not to be predicted. */
static inline void lead(struct eg_flow *f, uint32_t point)
{
    f->top ^= (f->top ^ point) & -(uint32_t)(f->top_credit == 0);
    f->top_credit += 2 * (uint32_t)(f->top == point) - 1;
}

static inline void count(struct eg_flow *f, classes weight, uint32_t point)
{
    classes now;

    memcpy(&now, f->now, sizeof now);
    now += weight;
    memcpy(f->now, &now, sizeof now);
    lead(f, point);
}

/* ---- the fourth pass: the filter ---- */

/* Entry of a key that the filter let through, or -1 when none is free. */
static int32_t admit(struct eg_flows *m, const struct key *k)
{
    uint32_t at = eg_flow_find(m, k->hi, k->lo, k->what);
    int32_t n = m->free_head;
    struct eg_flow *f;

    if (m->index[at] != 0)  /* by an earlier packet of the chunk */
        return (m->index[at] & EG_FLOW_ENTRY_MASK) - 1;
    if (n < 0) {
        m->refused++;
        return -1;
    }
    f = &m->flows[n];
    m->free_head = m->free_links[n];
    m->used++;
    m->admitted++;
    memset(f, 0, sizeof *f);
    memset(&m->past[n], 0, sizeof m->past[n]);
    f->hi = k->hi;
    f->lo = k->lo;
    f->what = k->what;
    f->loud = m->past[n].since = m->slot;
    m->index[at] = eg_flow_tag(eg_flow_home_hash(m, k->hi, k->lo, k->what)) | (uint32_t)(n + 1);
    return n;
}

static inline uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* Raise a key's four lanes; true when it reached the threshold. */
static inline int raise(uint16_t *lanes, uint64_t hash, uint32_t cost)
{
    uint16_t *a = lanes + eg_flow_lane(hash, 0), *b = lanes + eg_flow_lane(hash, 1);
    uint16_t *c = lanes + eg_flow_lane(hash, 2), *d = lanes + eg_flow_lane(hash, 3);
    uint32_t va = *a, vb = *b, vc = *c, vd = *d;
    uint32_t sum = smaller(smaller(smaller(va, vb), smaller(vc, vd)) + cost, EG_FLOW_FULL);

    *a = larger(va, sum);
    *b = larger(vb, sum);
    *c = larger(vc, sum);
    *d = larger(vd, sum);
    return sum >= EG_FLOW_FULL;
}

/* ---- all of it ---- */

/* The entry of a key by its index cell, or -1: another key had the same tag. */
static inline int32_t entry_of(const struct eg_flows *m, const struct key *k)
{
    uint32_t cell = k->cell;

    if (unlikely(!eg_flow_is(&m->flows[(cell & EG_FLOW_ENTRY_MASK) - 1], k->hi, k->lo, k->what)))
        cell = m->index[eg_flow_find(m, k->hi, k->lo, k->what)];
    return (int32_t)(cell & EG_FLOW_ENTRY_MASK) - 1;
}

static void count_hits(struct eg_flows *m, struct chunk *c)
{
    for (uint32_t n = 0; n < c->hits; n++) {
        const struct key *k = &c->key[c->hit[n]];
        int32_t entry = entry_of(m, k);

        if (unlikely(entry < 0))
            c->miss[c->misses++] = c->hit[n];
        else
            count(&m->flows[entry], c->weight[k->record], k->point);
    }
}

/* Lines are fetched ahead of their turn. */
static void filter_misses(struct eg_flows *m, struct chunk *c)
{
    uint64_t seed = m->generation[m->running].seed;
    uint16_t *cells = eg_flow_cells(m, m->running);
    int32_t entry;

    for (uint32_t n = 0; n < c->misses; n++) {
        const struct key *k = &c->key[c->miss[n]];
        uint64_t hash = eg_flow_slot_hash(k->hash, seed);

        c->aim[n] = (struct aim){ eg_flow_lanes(cells, k->what, hash), hash };
        __builtin_prefetch(c->aim[n].lanes, 1);
    }
    for (uint32_t n = 0; n < c->misses; n++) {
        const struct key *k = &c->key[c->miss[n]];

        if (unlikely(raise(c->aim[n].lanes, c->aim[n].hash, c->cost[k->record])) && (entry = admit(m, k)) >= 0)
            count(&m->flows[entry], c->weight[k->record], k->point);
    }
}

int64_t eg_flows_add(struct eg_flows *m, const struct eg_record *rows, int64_t n)
{
    struct chunk chunk;
    int64_t counted = 0;

    for (int64_t at = 0; at < n; counted += chunk.n) {
        at += fill(&chunk, m, rows + at, n - at);
        look_up(&chunk, m);
        count_hits(m, &chunk);
        filter_misses(m, &chunk);
    }
    clean(m, CLEANED);
    return counted;
}
