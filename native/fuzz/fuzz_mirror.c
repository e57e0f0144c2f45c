/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer harness of eg_ring_read_mirror(). An input is what a ring holds: see mirror_slots.h.
 *
 * Beyond not crashing: whose each frame is, what was opened, passed over, met for the first time or
 * counted together is what a second, plain reading says (mirror_plain.h); each record is what
 * eg_decode() makes of the frame, outer or inner; and it does not matter in how many calls a block is
 * read. */
#include "mirror_plain.h"

#define ROOM_MAX 16
#define KEPT_POINTS 4

/* ---- the code's own reading ---- */

static uint32_t reading(const struct input *in, uint32_t room, struct state *s, struct eg_twins *twins,
                        struct eg_record *records)
{
    struct eg_mirror m = { .ports = { 3, PORT }, .used = 2, .vxlan_port = in->vxlan, .full = in->full,
                           .overflow = OVERFLOW_POINT };
    static struct eg_headers_frame frames[KEPT_POINTS * EG_HEADERS_KEPT];
    struct eg_headers_point points[KEPT_POINTS] = { { 0, 0 } };
    struct eg_headers headers = { points, frames, KEPT_POINTS, 0, 1 };
    struct eg_record *rows = exactly(room * sizeof *rows);
    struct eg_ring r = write_ring(in);
    uint32_t n = 0, calls = 0;

    r.headers = &headers;
    begin(s, in->full);
    memset(twins, 0, sizeof *twins);
    while (blocks_left(&r)) {
        int64_t got;

        EXPECT(calls++ <= SLOTS + BLOCKS + POINTS_MAX);     /* every call gets on */
        memset(rows, 0xa5, room * sizeof *rows);
        got = eg_ring_read_mirror(&r, &m, &s->points, twins, rows, room, &s->totals);
        EXPECT(got >= 0 && got <= room && n + got <= SLOTS);
        memcpy(records + n, rows, got * sizeof *rows);
        n += got;
        if (m.stranger)
            meet(s, m.stranger);
        m.full = s->full;
    }
    EXPECT(r.left == 0 && r.block == in->blocks % BLOCKS);
    for (uint32_t i = 0; i < KEPT_POINTS; i++)
        EXPECT(points[i].kept <= 2 * n);
    s->unknown = r.unknown;
    s->opened = m.opened;
    s->overflowed = m.overflowed;
    ASAN_UNPOISON_MEMORY_REGION(r.map, BLOCKS * BLOCK_BYTES);
    free(r.map);
    free(rows);
    return n;
}

/* ---- what must hold ---- */

static void expect_same_state(const struct state *a, const struct state *b)
{
    EXPECT(a->unknown == b->unknown);
    EXPECT(a->opened == b->opened);
    EXPECT(a->overflowed == b->overflowed);
    EXPECT(a->strangers == b->strangers);
    EXPECT(memcmp(a->keys, b->keys, sizeof a->keys) == 0 && memcmp(a->values, b->values, sizeof a->values) == 0);
    EXPECT(memcmp(&a->totals, &b->totals, sizeof a->totals) == 0);
}

static void expect_records(const struct eg_record *found, const struct eg_record *expected, uint32_t n,
                           const struct eg_totals *totals)
{
    struct eg_totals sum = { 0 };

    for (uint32_t i = 0; i < n; i++) {
        EXPECT(found[i].out_of == expected[i].out_of && found[i].into == expected[i].into);
        EXPECT(memcmp(found + i, expected + i, sizeof *found) == 0);
        expect_record(found + i);
        expect_counted(found + i, &sum);
    }
    expect_totals(totals, &sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct eg_record expected[SLOTS], found[SLOTS];
    static struct eg_twins twins, again;
    struct input in;
    struct state plain, one, other;
    uint32_t n;

    if (size < HEAD)
        return 0;
    read_input(&in, data, size);
    n = plain_reading(&in, &plain, expected);
    EXPECT(reading(&in, in.room, &one, &twins, found) == n);
    expect_same_state(&one, &plain);
    expect_records(found, expected, n, &one.totals);
    EXPECT(twins.twice <= twins.looked && twins.repeated <= twins.looked - twins.twice);
    EXPECT(reading(&in, ROOM_MAX + 1, &other, &again, found) == n);
    expect_same_state(&other, &one);
    EXPECT(memcmp(found, expected, n * sizeof *found) == 0);
    EXPECT(memcmp(&twins, &again, sizeof twins) == 0);
    return 0;
}
