/* SPDX-License-Identifier: Apache-2.0
 *
 * Savefiles in memory: telling the formats apart, and pcap (draft-ietf-opsawg-pcap; libpcap's
 * sf-pcap.c for what old writers did). Nothing is read beyond bytes[length). */
#include "savefile.h"

#define FILE_HEADER 24
#define RECORD_HEADER 16
#define RECORD_HEADER_MODIFIED 24

#define MAGIC_MICRO 0xa1b2c3d4u
#define MAGIC_NANO 0xa1b23c4du
#define MAGIC_MODIFIED 0xa1b2cd34u   /* Kuznetzov's: interface, protocol, packet type follow */
#define MAGIC_PCAPNG 0x0a0d0d0au     /* the same in both byte orders */

#define AHEAD 1024                   /* bytes to prefetch: a dozen small frames, some 100 ns */

void eg_savefile_note_link(struct eg_savefile *f, uint32_t link_type)
{
    uint32_t room = sizeof f->other_links / sizeof *f->other_links;

    for (uint32_t i = 0; i < f->other_links_used; i++)
        if (f->other_links[i] == link_type)
            return;
    if (f->other_links_used < room)
        f->other_links[f->other_links_used++] = link_type;
}

static int is_pcap_magic(uint32_t magic)
{
    return magic == MAGIC_MICRO || magic == MAGIC_NANO || magic == MAGIC_MODIFIED;
}

/* Versions before 2.3 wrote the two lengths the other way round; 2.3 did so in some writers. */
static int open_pcap(struct eg_savefile *f, uint32_t magic)
{
    uint32_t major, minor;

    if (f->length < FILE_HEADER)
        return -EG_E_CUT_HEADER;
    major = eg_file16(f->bytes + 4, f->swapped);
    minor = eg_file16(f->bytes + 6, f->swapped);
    if (major != 2)
        return -EG_E_VERSION;
    f->nanosecond = magic == MAGIC_NANO;
    f->record_header = magic == MAGIC_MODIFIED ? RECORD_HEADER_MODIFIED : RECORD_HEADER;
    f->lengths_reversed = minor < 3 ? 1 : minor == 3 ? 2 : 0;
    f->interfaces = 1;
    f->interface[0].snap = eg_file32(f->bytes + 16, f->swapped);
    f->interface[0].link_type = eg_file32(f->bytes + 20, f->swapped) & 0xffff;  /* FCS bits above */
    f->interface[0].units = f->nanosecond ? EG_SECOND : EG_SECOND / 1000;
    f->at = FILE_HEADER;
    return 0;
}

int eg_savefile_open(struct eg_savefile *f, const uint8_t *bytes, uint64_t length)
{
    uint32_t magic;

    memset(f, 0, sizeof *f);
    f->bytes = bytes;
    f->length = length;
    f->first_ts = INT64_MAX;
    f->last_ts = INT64_MIN;
    f->previous_ts = EG_NEVER;
    if (length == 0)
        return -EG_E_EMPTY;
    if (length < sizeof magic)
        return -EG_E_NOT_SAVEFILE;
    magic = eg_load32(bytes);
    if (magic == MAGIC_PCAPNG)
        return eg_pcapng_open(f);
    f->swapped = is_pcap_magic(__builtin_bswap32(magic));
    magic = f->swapped ? __builtin_bswap32(magic) : magic;
    return is_pcap_magic(magic) ? open_pcap(f, magic) : -EG_E_NOT_SAVEFILE;
}

/* The record at `at` cannot be taken: leave in f why. At the very end there is no reason. */
static void refuse(struct eg_savefile *f, uint64_t at, uint64_t captured)
{
    f->error_at = at;
    if (captured > EG_MAX_CAPTURED)
        f->error = EG_E_CORRUPT;
    else
        f->truncated = at < f->length;
}

/* A fraction of zero or of a second and more. */
static void note_fraction(struct eg_savefile *f, uint32_t fraction)
{
    f->stamps_whole_second += fraction == 0;
    f->stamps_bad_fraction += fraction != 0;
}

/* Walk records. `swapped` and `reversed` are constants where it is called, so that the usual
 * files get a loop without them. */
static inline __attribute__((always_inline))
uint32_t read_pcap(struct eg_reading *g, struct eg_record *out, uint32_t room,
                   const int swapped, const uint32_t reversed)
{
    struct eg_savefile *f = g->file;
    struct eg_stamps stamps = eg_stamps_load(f);
    const uint64_t end = f->length, header = f->record_header;
    const uint32_t link_type = f->interface[0].link_type;
    const uint32_t unit = f->nanosecond ? 1 : 1000, second = EG_SECOND / unit;
    const uint8_t *bytes = f->bytes;
    uint64_t at = f->at;
    uint32_t n;

    for (n = 0; n < room; n++) {
        const uint8_t *h = bytes + at;
        uint32_t fraction, captured, wire;
        int64_t ts;

        if (__builtin_expect(end - at < header, 0)) {
            refuse(f, at, 0);
            break;
        }
        captured = eg_file32(h + 8, swapped);
        wire = eg_file32(h + 12, swapped);
        if (reversed == 1 || (reversed == 2 && captured > wire)) {
            captured = wire;
            wire = eg_file32(h + 8, swapped);
        }
        if (__builtin_expect(captured > EG_MAX_CAPTURED || end - at - header < captured, 0)) {
            refuse(f, at, captured);
            break;
        }
        __builtin_prefetch(h + AHEAD);
        at += header + captured;
        fraction = eg_file32(h + 4, swapped);
        if (__builtin_expect(fraction - 1 >= second - 1, 0))
            note_fraction(f, fraction);
        ts = (int64_t)eg_file32(h, swapped) * EG_SECOND + (int64_t)fraction * unit;
        eg_stamps_add(f, &stamps, ts);
        eg_read_frame(g, h + header, captured, wire, link_type, ts, out + n);
    }
    f->at = at;
    eg_stamps_store(f, stamps);
    return n;
}

int64_t eg_savefile_read(struct eg_savefile *f, const struct eg_points *points,
                         struct eg_record *out, uint32_t room, struct eg_totals *totals)
{
    struct eg_reading g = { f, points, totals, { { 0 }, 0 } };
    uint32_t n;

    if (f->is_pcapng)
        n = eg_pcapng_read(&g, out, room);
    else if (f->lengths_reversed)
        n = read_pcap(&g, out, room, f->swapped, f->lengths_reversed);
    else if (f->swapped)
        n = read_pcap(&g, out, room, 1, 0);
    else
        n = read_pcap(&g, out, room, 0, 0);
    eg_tally_flush(&g.tally, totals);
    return n;
}
