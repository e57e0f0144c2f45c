/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer harness of eg_decode(). An input is a head of eight bytes and a frame:
 *
 *     0     which link type of the table below
 *     1     low two bits: what `wire` is; the others: where the frame is cut, in 64ths
 *     2-3   gso_size
 *     4-7   what the wire length is made of
 *
 * The frame lies in memory of exactly its size. Beyond not crashing: the record and the totals hold
 * together (expect.h), every field is written whatever stood there before, the inline path and
 * eg_decode_slow() agree, an offload frame is its packets, and a cut frame says nothing that the
 * whole frame does not say; and the headers that evidence keeps say all of it. */
#include "../decode.h"
#include "expect.h"

#define HEAD 8

static const uint32_t link_types[] = {
    EG_LINK_ETHERNET, EG_LINK_NULL, EG_LINK_RAW_BSD, EG_LINK_RAW_OPENBSD, EG_LINK_RAW, EG_LINK_LOOP,
    EG_LINK_SLL, EG_LINK_IPV4, EG_LINK_IPV6, EG_LINK_SLL2, 105, UINT32_MAX,
};

struct frame {
    const uint8_t *bytes;
    uint32_t captured, wire, link_type, gso_size;
};

struct decoded {
    struct eg_record record;
    struct eg_totals totals;
};

/* Decode into a record full of `stale` bytes; ts, out_of and into must stay as they are. */
static struct decoded decode(const struct frame *f, int stale)
{
    struct decoded d;
    struct eg_totals sum = { 0 };
    int64_t ts;
    uint16_t point;

    memset(&d.record, stale, sizeof d.record);
    memset(&d.totals, 0, sizeof d.totals);
    memset(&ts, stale, sizeof ts);
    memset(&point, stale, sizeof point);
    eg_decode(f->bytes, f->captured, f->wire, f->link_type, f->gso_size, &d.record, &d.totals);
    EXPECT(d.record.ts == ts && d.record.out_of == point && d.record.into == point);
    expect_record(&d.record);
    expect_counted(&d.record, &sum);
    expect_totals(&d.totals, &sum);
    d.record.ts = 0;
    d.record.out_of = d.record.into = 0;
    return d;
}

static struct decoded decode_slow(const struct frame *f)
{
    struct decoded d;

    memset(&d, 0, sizeof d);
    eg_decode_slow(f->bytes, f->captured, f->wire, f->link_type, f->gso_size, &d.record, &d.totals);
    return d;
}

static void expect_same(const struct decoded *a, const struct decoded *b)
{
    EXPECT(memcmp(&a->record, &b->record, sizeof a->record) == 0);
    EXPECT(memcmp(&a->totals, &b->totals, sizeof a->totals) == 0);
}

/* Every packet after the first repeats the headers: so many that they explain both the bytes and
 * the number of packets. */
static void expect_split(const struct eg_record *super, const struct eg_record *one, uint32_t gso_size)
{
    uint64_t more = super->packets - 1, headers, payload;

    EXPECT(super->bytes >= one->bytes);
    if (super->packets == 1) {
        EXPECT(memcmp(super, one, sizeof *super) == 0);
        return;
    }
    if (super->bytes == UINT32_MAX)
        return;
    headers = (super->bytes - one->bytes) / more;
    payload = one->bytes - headers;
    EXPECT(headers * more == super->bytes - one->bytes && headers <= one->bytes);
    EXPECT(headers >= (super->family == 6 ? 40 : 20));
    EXPECT(super->packets == (payload + gso_size - 1) / gso_size);
}

/* Fewer captured bytes of the same frame: nothing new, nothing else. */
static void expect_less(const struct eg_record *part, const struct eg_record *whole)
{
    if (part->family == 0) {
        EXPECT(part->kind == EG_MALFORMED || part->kind == whole->kind);
        return;
    }
    EXPECT(part->family == whole->family && part->bytes == whole->bytes && part->vlan == whole->vlan);
    EXPECT(part->src_hi == whole->src_hi && part->src_lo == whole->src_lo);
    EXPECT(part->dst_hi == whole->dst_hi && part->dst_lo == whole->dst_lo);
    EXPECT(part->protocol == whole->protocol || part->protocol == 255);
    EXPECT(part->kind == whole->kind || part->kind == EG_TCP || part->kind == EG_OTHER);
    if (part->flags & EG_FLAG_HAS_PORTS)
        EXPECT(part->src_port == whole->src_port && part->dst_port == whole->dst_port);
}

static struct decoded decode_cut(const struct frame *whole, uint32_t captured)
{
    uint8_t *bytes = exact_copy(whole->bytes, captured);
    struct frame part = *whole;
    struct decoded d;

    part.bytes = bytes;
    part.captured = captured;
    part.wire = whole->wire < whole->captured ? whole->captured : whole->wire;
    d = decode(&part, 0x5a);
    free(bytes);
    return d;
}

/* The headers alone say all that the frame says. */
static void expect_headers(const struct frame *f, const struct decoded *whole)
{
    uint32_t end = eg_headers_end(f->bytes, f->captured, f->wire, f->link_type);
    struct decoded d, expected = *whole;

    EXPECT(end <= f->captured);
    d = decode_cut(f, end);
    d.record.flags &= ~EG_FLAG_CUT;
    expected.record.flags &= ~EG_FLAG_CUT;
    expect_same(&d, &expected);
}

static struct frame read_head(const uint8_t *data, size_t size)
{
    uint32_t kinds = sizeof link_types / sizeof *link_types, captured = size - HEAD;
    uint32_t extra = eg_load32(data + 4), mode = data[1] & 3;
    struct frame f = { NULL, captured, captured, link_types[data[0] % kinds], eg_load16(data + 2) };

    if (mode == 1)
        f.wire += extra & 0xffff;
    if (mode >= 2)
        f.wire = extra;
    return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoded first, again, slow, cut;
    struct frame f;
    uint8_t *bytes;

    if (size < HEAD)
        return 0;
    f = read_head(data, size);
    f.bytes = bytes = exact_copy(data + HEAD, f.captured);
    first = decode(&f, 0xa5);
    again = decode(&f, 0x5a);
    slow = decode_slow(&f);
    expect_same(&first, &again);
    expect_same(&first, &slow);
    expect_headers(&f, &first);
    if (f.gso_size) {
        uint32_t gso_size = f.gso_size;

        f.gso_size = 0;
        again = decode(&f, 0xa5);
        expect_split(&first.record, &again.record, gso_size);
    }
    cut = decode_cut(&f, (uint64_t)f.captured * (data[1] >> 2) / 64);
    expect_less(&cut.record, &again.record);
    free(bytes);
    return 0;
}
