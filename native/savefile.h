/* SPDX-License-Identifier: Apache-2.0
 *
 * What the pcap and the pcapng reader share: byte order, the clock, one frame. */
#ifndef EG_SAVEFILE_H
#define EG_SAVEFILE_H

#include "decode.h"
#include "points.h"
#include "twins.h"

#define EG_SECOND 1000000000
#define EG_MAX_CAPTURED 262144      /* libpcap's MAXIMUM_SNAPLEN: no frame is longer */
#define EG_NEVER INT64_MAX          /* previous_ts before the first stamp */
#define EG_LINK_UNDESCRIBED 0xffffffffu

/* One call of eg_savefile_read: where frames go. The tally stays here until it is flushed. */
struct eg_reading {
    struct eg_savefile *file;
    const struct eg_points *points;
    struct eg_totals *totals;
    struct eg_tally tally;
};

/* The clock's findings, kept in registers while a call runs. `last` lacks `previous` until the
 * next step back or the end of the call. */
struct eg_stamps {
    int64_t first, last, previous;
    uint64_t equal;
};

/* Frames decoded, 0 at the end or at an error. Defined in pcapng.c. */
uint32_t eg_pcapng_read(struct eg_reading *g, struct eg_record *out, uint32_t room);
int eg_pcapng_open(struct eg_savefile *f);

/* Remember a link type that is not decoded. */
void eg_savefile_note_link(struct eg_savefile *f, uint32_t link_type);

static inline uint16_t eg_file16(const uint8_t *p, int swapped)
{
    return swapped ? eg_net16(p) : eg_load16(p);
}

static inline uint32_t eg_file32(const uint8_t *p, int swapped)
{
    return swapped ? eg_net32(p) : eg_load32(p);
}

static inline struct eg_stamps eg_stamps_load(const struct eg_savefile *f)
{
    struct eg_stamps s = { f->first_ts, f->last_ts, f->previous_ts, f->stamps_equal };

    return s;
}

static inline void eg_stamps_store(struct eg_savefile *f, struct eg_stamps s)
{
    f->first_ts = s.first;
    f->last_ts = s.previous != EG_NEVER && s.previous > s.last ? s.previous : s.last;
    f->previous_ts = s.previous;
    f->stamps_equal = s.equal;
}

/* Time steps back, or begins: EG_NEVER is later than all stamps. */
static inline void eg_stamps_back(struct eg_savefile *f, struct eg_stamps *s, int64_t ts)
{
    if (s->previous != EG_NEVER) {
        f->stamps_backwards++;
        s->last = s->previous > s->last ? s->previous : s->last;
    }
    s->first = ts < s->first ? ts : s->first;
}

static inline __attribute__((always_inline))
void eg_stamps_add(struct eg_savefile *f, struct eg_stamps *s, int64_t ts)
{
    if (__builtin_expect(ts < s->previous, 0))
        eg_stamps_back(f, s, ts);
    s->equal += ts == s->previous;
    s->previous = ts;
}

/* The points behind source and destination MAC; their direction bit is for live capture only. */
static inline void eg_attach(const struct eg_points *points, const uint8_t *frame,
                             uint32_t captured, struct eg_record *r)
{
    uint16_t from = EG_NOBODY, to = EG_NOBODY;

    if (points && captured >= EG_ETHERNET_HEADER) {
        uint32_t vlan = eg_vlan_of(frame, captured);

        from = eg_points_of(points, eg_mac_from(frame), vlan);
        to = eg_points_of(points, eg_mac_to(frame), vlan);
        from = from == EG_NOBODY ? from : from & ~EG_POINT_REVERSED;
        to = to == EG_NOBODY ? to : to & ~EG_POINT_REVERSED;
    }
    r->out_of = from;
    r->into = to;
}

static inline __attribute__((always_inline))
void eg_read_frame(struct eg_reading *g, const uint8_t *frame, uint32_t captured, uint32_t wire,
                   uint32_t link_type, int64_t ts, struct eg_record *r)
{
    int is_ethernet = link_type == EG_LINK_ETHERNET;

    r->ts = ts;
    if (g->file->twins && is_ethernet)
        eg_twins_pass(g->file->twins, frame, captured, wire, ts);
    eg_attach(is_ethernet ? g->points : NULL, frame, captured, r);
    if (__builtin_expect(is_ethernet && eg_is_plain(frame, captured), 1)) {
        eg_decode_plain(frame, r, &g->tally);
        return;
    }
    eg_decode_slow(frame, captured, wire, link_type, 0, r, g->totals);
    if (r->kind == EG_OTHER_LINK)
        eg_savefile_note_link(g->file, link_type);
}

#endif
