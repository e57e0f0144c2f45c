/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer harness of eg_savefile_open() and eg_savefile_read(). An input is a file.
 *
 * It lies in memory of exactly its size. Beyond not crashing: records, totals, clock and the place
 * where reading ended hold together; reading one record at a time gives the same as reading all at
 * once; cut at every 64th byte it gives a prefix of the same records, and the cut is said. */
#include "../points.h"
#include "../savefile.h"
#include "expect.h"

#define CUT_STEP 64
#define SMALLEST_RECORD 16      /* a pcap record header, a simple packet block */

/* The MACs that the seeds use; one point is behind a macvtap, one in a VLAN. */
#define MAC_ONE 0x020000000001u
#define MAC_TWO 0x020000000002u
#define MAC_TWO_TAGGED (MAC_TWO | 7ull << 48)

struct reading {
    struct eg_savefile file;
    struct eg_twins twins;
    struct eg_totals totals;
    struct eg_record *records;
    uint32_t count;
};

static uint64_t keys[8];
static uint16_t values[8];
static struct eg_points points = { 7, 0, keys, values };

static void put_point(uint64_t key, uint16_t value)
{
    uint32_t at = eg_points_slot(&points, key);

    while (keys[at] && keys[at] != key)
        at = (at + 1) & points.mask;
    points.used += keys[at] == 0;
    keys[at] = key;
    values[at] = value;
}

static int is_point(uint16_t index) { return index <= 2 || index == EG_NOBODY; }

/* ---- what must hold of a file that was read ---- */

static void expect_end(const struct eg_savefile *f)
{
    EXPECT(f->at <= f->length);
    EXPECT(!(f->error && f->truncated));
    EXPECT(f->error == 0 || f->error == EG_E_CORRUPT || f->error == EG_E_VERSION);
    if (f->error || f->truncated)
        EXPECT(f->error_at == f->at && f->at < f->length);
    else
        EXPECT(f->at == f->length);
    EXPECT(f->other_links_used <= sizeof f->other_links / sizeof *f->other_links);
}

static void expect_records(const struct reading *r)
{
    struct eg_totals sum = { 0 };

    for (uint32_t i = 0; i < r->count; i++) {
        expect_record(r->records + i);
        EXPECT((r->records[i].flags & EG_FLAG_SUPER) == 0);
        EXPECT(r->records[i].ts >= 0);
        EXPECT(is_point(r->records[i].out_of) && is_point(r->records[i].into));
        expect_counted(r->records + i, &sum);
    }
    expect_totals(&r->totals, &sum);
    EXPECT((r->totals.other_link > 0) == (r->file.other_links_used > 0));
}

/* The clock's findings, told again from the records; they say all when every frame had a stamp. */
static void expect_clock(const struct reading *r)
{
    uint64_t backwards = 0, equal = 0, whole = 0;
    int64_t first = INT64_MAX, last = INT64_MIN;

    if (r->file.stamps_none)
        return;
    for (uint32_t i = 0; i < r->count; i++) {
        int64_t ts = r->records[i].ts;

        backwards += i && ts < r->records[i - 1].ts;
        equal += i && ts == r->records[i - 1].ts;
        whole += ts % EG_SECOND == 0;
        first = ts < first ? ts : first;
        last = ts > last ? ts : last;
    }
    EXPECT(r->file.first_ts == first && r->file.last_ts == last);
    EXPECT(r->file.stamps_backwards == backwards && r->file.stamps_equal == equal);
    if (r->file.stamps_bad_fraction == 0)
        EXPECT(r->file.stamps_whole_second == whole);
}

static void expect_twins(const struct reading *r)
{
    EXPECT(r->twins.looked <= r->totals.frames);
    EXPECT(r->twins.twice <= r->twins.looked && r->twins.repeated <= r->twins.looked - r->twins.twice);
}

static void expect_refusal(int code)
{
    EXPECT(code <= -EG_E_EMPTY && code >= -EG_E_CUT_HEADER);
    EXPECT(eg_error(code)[0] != 0);
}

/* ---- reading ---- */

static int open_with_twins(struct eg_savefile *f, struct eg_twins *twins, const uint8_t *bytes, size_t size)
{
    int refused = eg_savefile_open(f, bytes, size);

    memset(twins, 0, sizeof *twins);
    f->twins = twins;
    return refused;
}

/* All at once into room for one record more than can be; a second call finds nothing. */
static void read_all(struct reading *r, uint32_t room)
{
    memset(&r->totals, 0, sizeof r->totals);
    r->count = eg_savefile_read(&r->file, &points, r->records, room, &r->totals);
    EXPECT(r->count < room);
    EXPECT(eg_savefile_read(&r->file, &points, r->records, room, &r->totals) == 0);
    expect_end(&r->file);
}

static void expect_same_by_ones(const struct reading *whole, const uint8_t *bytes, size_t size)
{
    struct eg_record *one = exactly(sizeof *one);
    struct eg_totals totals = { 0 };
    struct eg_twins twins;
    struct eg_savefile f;
    uint32_t n = 0;

    EXPECT(open_with_twins(&f, &twins, bytes, size) == 0);
    for (; eg_savefile_read(&f, &points, one, 1, &totals) == 1; n++)
        EXPECT(n < whole->count && memcmp(one, whole->records + n, sizeof *one) == 0);
    EXPECT(n == whole->count);
    EXPECT(memcmp(&totals, &whole->totals, sizeof totals) == 0);
    EXPECT(memcmp(&twins, &whole->twins, sizeof twins) == 0);
    f.twins = whole->file.twins;
    EXPECT(memcmp(&f, &whole->file, sizeof f) == 0);
    free(one);
}

/* The number of records before the cut; `part` has its own room for as many as the whole. */
static uint32_t expect_prefix(const struct reading *whole, struct reading *part, const uint8_t *data,
                              size_t cut, uint32_t room)
{
    uint8_t *bytes = exact_copy(data, cut);
    int refused = eg_savefile_open(&part->file, bytes, cut);

    part->count = 0;
    if (refused)
        EXPECT(refused == -EG_E_CUT_HEADER);
    else
        read_all(part, room);
    EXPECT(part->count <= whole->count);
    EXPECT(memcmp(part->records, whole->records, part->count * sizeof *part->records) == 0);
    EXPECT(refused || part->totals.frames == part->count);
    free(bytes);
    return part->count;
}

static void expect_cuts(const struct reading *whole, const uint8_t *data, size_t size, uint32_t room)
{
    struct reading part = { .records = exactly(room * sizeof *part.records) };
    uint32_t before = 0;

    for (size_t cut = CUT_STEP; cut < size; cut += CUT_STEP) {
        uint32_t count = expect_prefix(whole, &part, data, cut, room);

        EXPECT(count >= before);
        before = count;
    }
    free(part.records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t room = size / SMALLEST_RECORD + 1;
    uint8_t *bytes = exact_copy(data, size);
    struct reading whole;
    int refused = open_with_twins(&whole.file, &whole.twins, bytes, size);

    put_point(MAC_ONE, 0);
    put_point(MAC_TWO, 1 | EG_POINT_REVERSED);
    put_point(MAC_TWO_TAGGED, 2);
    if (refused) {
        expect_refusal(refused);
        free(bytes);
        return 0;
    }
    whole.records = exactly(room * sizeof *whole.records);
    read_all(&whole, room);
    expect_records(&whole);
    expect_clock(&whole);
    expect_twins(&whole);
    expect_same_by_ones(&whole, bytes, size);
    expect_cuts(&whole, data, size, room);
    free(whole.records);
    free(bytes);
    return 0;
}
