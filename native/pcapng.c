/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng in memory (draft-ietf-opsawg-pcapng): sections, interfaces, and the three kinds of packet
 * block. Other blocks are stepped over. A file may join sections of different byte orders. */
#include "savefile.h"

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET 2               /* obsolete */
#define BLOCK_SIMPLE 3
#define BLOCK_ENHANCED 6

#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define BLOCK_MIN 12                 /* type, length, length again */
#define SECTION_MIN 28
#define INTERFACE_MIN 20
#define SIMPLE_MIN 16
#define PACKET_MIN 32
#define BLOCK_MAX (16u << 20)        /* libpcap's: a longer one that the file cannot hold is corrupt */

#define OPTION_END 0
#define OPTION_RESOLUTION 9
#define OPTION_OFFSET 14

struct block {
    const uint8_t *bytes;
    uint32_t type, length;
};

/* A frame as a packet block holds it. */
struct packet {
    const uint8_t *frame;
    uint32_t captured, wire, interface;
    uint64_t ticks;
    int stamped;
};

static uint64_t file64(const uint8_t *p, int swapped)
{
    return swapped ? eg_net64(p) : eg_load64(p);
}

static int stop(struct eg_savefile *f, int error)
{
    f->error = error;
    f->error_at = f->at;
    return 0;
}

static int cut(struct eg_savefile *f)
{
    f->truncated = 1;
    f->error_at = f->at;
    return 0;
}

/* ---- blocks ---- */

/* The byte order magic of the section header at f->at decides how its own length is read. */
static int read_byte_order(struct eg_savefile *f)
{
    uint32_t magic = eg_load32(f->bytes + f->at + 8);

    f->swapped = magic == __builtin_bswap32(BYTE_ORDER_MAGIC);
    return f->swapped || magic == BYTE_ORDER_MAGIC;
}

/* The block at f->at; 0 at the end, at a cut and at an error. */
static int next_block(struct eg_savefile *f, struct block *b)
{
    uint64_t left = f->length - f->at;

    if (left < BLOCK_MIN)
        return left ? cut(f) : 0;
    b->bytes = f->bytes + f->at;
    if (eg_load32(b->bytes) == BLOCK_SECTION && !read_byte_order(f))
        return stop(f, EG_E_CORRUPT);
    b->type = eg_file32(b->bytes, f->swapped);
    b->length = eg_file32(b->bytes + 4, f->swapped);
    if (b->length < BLOCK_MIN || b->length % 4)
        return stop(f, EG_E_CORRUPT);
    if (b->length > left)
        return b->length > BLOCK_MAX ? stop(f, EG_E_CORRUPT) : cut(f);
    if (eg_file32(b->bytes + b->length - 4, f->swapped) != b->length)
        return stop(f, EG_E_CORRUPT);
    return 1;
}

/* 1.0 is what everybody writes; 1.2 is the same (the draft, section 4.1). */
static int begin_section(struct eg_savefile *f, const struct block *b)
{
    uint32_t major, minor;

    if (b->length < SECTION_MIN)
        return stop(f, EG_E_CORRUPT);
    major = eg_file16(b->bytes + 12, f->swapped);
    minor = eg_file16(b->bytes + 14, f->swapped);
    if (major != 1 || (minor != 0 && minor != 2))
        return stop(f, EG_E_VERSION);
    f->interfaces = 0;
    return 1;
}

/* Ticks a second of an if_tsresol byte: a power of ten, or of two with the high bit; 0 where it
 * does not fit 64 bits. */
static uint64_t resolution(uint8_t value)
{
    uint64_t units = 1;

    if (value & 0x80)
        return (value & 0x7f) < 64 ? 1ull << (value & 0x7f) : 0;
    for (int i = 0; i < value; i++)
        if (__builtin_mul_overflow(units, 10, &units))
            return 0;
    return units;
}

static int read_options(struct eg_savefile *f, const struct block *b, struct eg_interface *i)
{
    uint32_t at = INTERFACE_MIN - 4, end = b->length - 4;

    while (end - at >= 4) {
        const uint8_t *option = b->bytes + at;
        uint32_t code = eg_file16(option, f->swapped), size = eg_file16(option + 2, f->swapped);

        if (code == OPTION_END)
            return 1;
        if (end - at - 4 < ((size + 3) & ~3u))
            return stop(f, EG_E_CORRUPT);
        if (code == OPTION_RESOLUTION && size == 1)
            i->units = resolution(option[4]);
        if (code == OPTION_OFFSET && size == 8)
            i->offset = (int64_t)file64(option + 4, f->swapped);
        at += 4 + ((size + 3) & ~3u);
    }
    return 1;
}

static int add_interface(struct eg_savefile *f, const struct block *b)
{
    struct eg_interface i = { .units = EG_SECOND / 1000 };

    if (b->length < INTERFACE_MIN)
        return stop(f, EG_E_CORRUPT);
    i.link_type = eg_file16(b->bytes + 8, f->swapped);
    i.snap = eg_file32(b->bytes + 12, f->swapped);
    if (!read_options(f, b, &i))
        return 0;
    if (f->interfaces < EG_MAX_INTERFACES)
        f->interface[f->interfaces] = i;
    f->interfaces += f->interfaces < UINT32_MAX;
    return 1;
}

/* ---- packet blocks ---- */

static int read_enhanced(struct eg_savefile *f, const struct block *b, struct packet *p)
{
    if (b->length < PACKET_MIN)
        return stop(f, EG_E_CORRUPT);
    p->interface = b->type == BLOCK_PACKET ? eg_file16(b->bytes + 8, f->swapped)
                                           : eg_file32(b->bytes + 8, f->swapped);
    p->ticks = (uint64_t)eg_file32(b->bytes + 12, f->swapped) << 32
             | eg_file32(b->bytes + 16, f->swapped);
    p->captured = eg_file32(b->bytes + 20, f->swapped);
    p->wire = eg_file32(b->bytes + 24, f->swapped);
    p->frame = b->bytes + PACKET_MIN - 4;
    p->stamped = 1;
    if (p->captured > EG_MAX_CAPTURED || p->captured > b->length - PACKET_MIN)
        return stop(f, EG_E_CORRUPT);
    return 1;
}

/* No stamp, no captured length: it is what the block and the snap length of interface 0 leave. */
static int read_simple(struct eg_savefile *f, const struct block *b, struct packet *p)
{
    uint32_t snap;

    if (b->length < SIMPLE_MIN)
        return stop(f, EG_E_CORRUPT);
    snap = f->interfaces && f->interface[0].snap ? f->interface[0].snap : UINT32_MAX;
    p->interface = 0;
    p->wire = eg_file32(b->bytes + 8, f->swapped);
    p->captured = b->length - SIMPLE_MIN;
    p->captured = p->captured < p->wire ? p->captured : p->wire;
    p->captured = p->captured < snap ? p->captured : snap;
    p->frame = b->bytes + SIMPLE_MIN - 4;
    p->stamped = 0;
    return p->captured <= EG_MAX_CAPTURED ? 1 : stop(f, EG_E_CORRUPT);
}

/* Nanoseconds since 1970; 0 where the stamp is before that or after 2262, whose last nanosecond that
 * 64 bits hold is EG_NEVER. */
static int to_ns(const struct eg_interface *i, uint64_t ticks, int64_t *ns)
{
    __int128 t;

    if (i->units == 0)
        return 0;
    t = (__int128)(ticks / i->units) * EG_SECOND;
    t += (int64_t)((unsigned __int128)(ticks % i->units) * EG_SECOND / i->units);
    t += (__int128)i->offset * EG_SECOND;
    *ns = (int64_t)t;
    return t >= 0 && t < EG_NEVER;
}

/* Stamps of a microsecond or a nanosecond clock without offset need no 128-bit division. */
static int to_ns_fast(const struct eg_interface *i, uint64_t ticks, int64_t *ns)
{
    uint32_t unit = i->units == EG_SECOND ? 1 : 1000;

    if (i->offset || (i->units != EG_SECOND && i->units != EG_SECOND / 1000))
        return to_ns(i, ticks, ns);
    *ns = (int64_t)(ticks * unit);
    return ticks <= (uint64_t)(EG_NEVER - 1) / unit;
}

/* A frame without a usable stamp takes the one before it. */
static int64_t stamp(struct eg_savefile *f, struct eg_stamps *s, const struct eg_interface *i,
                     const struct packet *p)
{
    int64_t ns;

    if (!p->stamped || !to_ns_fast(i, p->ticks, &ns)) {
        f->stamps_none++;
        return s->previous == EG_NEVER ? 0 : s->previous;
    }
    f->stamps_whole_second += ns % EG_SECOND == 0;
    eg_stamps_add(f, s, ns);
    return ns;
}

/* 1: *p holds a frame, 0: stopped, -1: another block. */
static int read_block(struct eg_savefile *f, const struct block *b, struct packet *p)
{
    switch (b->type) {
    case BLOCK_ENHANCED: case BLOCK_PACKET: return read_enhanced(f, b, p);
    case BLOCK_SIMPLE: return read_simple(f, b, p);
    case BLOCK_SECTION: return begin_section(f, b) ? -1 : 0;
    case BLOCK_INTERFACE: return add_interface(f, b) ? -1 : 0;
    }
    return -1;
}

uint32_t eg_pcapng_read(struct eg_reading *g, struct eg_record *out, uint32_t room)
{
    static const struct eg_interface undescribed = { EG_LINK_UNDESCRIBED, 0, EG_SECOND / 1000, 0 };
    struct eg_savefile *f = g->file;
    struct eg_stamps stamps = eg_stamps_load(f);
    uint32_t n = 0;
    struct block b;
    struct packet p;

    while (n < room && !f->error && next_block(f, &b)) {
        const struct eg_interface *i = &undescribed;
        int what = read_block(f, &b, &p);

        if (what == 0)
            break;
        f->at += b.length;
        if (what < 0)
            continue;
        if (p.interface < f->interfaces && p.interface < EG_MAX_INTERFACES)
            i = &f->interface[p.interface];
        eg_read_frame(g, p.frame, p.captured, p.wire, i->link_type,
                      stamp(f, &stamps, i, &p), out + n);
        n++;
    }
    eg_stamps_store(f, stamps);
    return n;
}

/* Only that the first section can be read; reading starts with it again. */
int eg_pcapng_open(struct eg_savefile *f)
{
    struct block b;

    f->is_pcapng = 1;
    if (f->length < SECTION_MIN)
        return -EG_E_CUT_HEADER;
    if (!next_block(f, &b))
        return f->truncated ? -EG_E_CUT_HEADER : -EG_E_CORRUPT;
    return begin_section(f, &b) ? 0 : -f->error;
}
