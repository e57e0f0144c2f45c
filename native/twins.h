/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames that came twice: struct eg_twins of abi.h. Inline is only the choice of the frames that
 * are looked at, by two or three 16-bit words that differ from packet to packet and are the same in
 * every copy: so it costs a fraction of a nanosecond a frame. */
#ifndef EG_TWINS_H
#define EG_TWINS_H

#include "decode.h"

#define EG_TWINS_NEEDED 62      /* bytes: up to the last word that is read */
#define EG_TWINS_SLOTS 1024     /* of eg_twins.seen */
#define EG_TWINS_APART 4000000  /* ns: copies come within microseconds, through two queues within a few ms */
#define EG_TWINS_KEPT 1000000000u   /* ns: a frame not met for so long is a new one */
#define EG_TWINS_HASHED 128     /* bytes: all headers, and what tells packets of one flow apart */
#define EG_TWINS_OFTEN 4        /* tap, bridge and uplink make three copies at most */

static inline uint64_t eg_twins_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

/* Of the first bytes and the wire length; never 0. */
static inline uint64_t eg_twins_hash(const uint8_t *frame, uint32_t captured, uint32_t wire)
{
    uint32_t end = captured < EG_TWINS_HASHED ? captured : EG_TWINS_HASHED, at;
    uint64_t hash = wire;

    for (at = 0; at + 8 <= end; at += 8)
        hash = eg_twins_mix(hash, eg_load64(frame + at));
    for (; at < end; at++)
        hash = eg_twins_mix(hash, frame[at]);
    return hash ? hash : 1;
}

/* The same frame again: at first perhaps a twin; at the fourth time all were the sender's own. */
static inline void eg_twins_again(struct eg_twins *t, struct eg_twin *slot, uint32_t is_close)
{
    slot->times++;
    if (slot->times < EG_TWINS_OFTEN) {
        slot->close += is_close;
        t->twice += is_close;
    } else if (slot->times == EG_TWINS_OFTEN) {
        t->twice -= slot->close;
        t->repeated += EG_TWINS_OFTEN;
    } else {
        slot->times = EG_TWINS_OFTEN + 1;
        t->repeated++;
    }
}

/* Look at one frame: remember it, or count it. */
static __attribute__((noinline, unused))
void eg_twins_look(struct eg_twins *t, const uint8_t *frame, uint32_t captured, uint32_t wire,
                   int64_t ts)
{
    uint64_t hash = eg_twins_hash(frame, captured, wire);
    struct eg_twin *slot = &t->seen[hash % EG_TWINS_SLOTS];
    uint64_t apart = ts > slot->ts ? (uint64_t)ts - (uint64_t)slot->ts : (uint64_t)slot->ts - (uint64_t)ts;

    t->looked++;
    if (slot->hash == hash && apart < EG_TWINS_KEPT)
        eg_twins_again(t, slot, apart < EG_TWINS_APART);
    else
        *slot = (struct eg_twin){ .hash = hash, .times = 1 };
    slot->ts = ts;
}

/* IPv4: its identification and checksum stand at 18 and 24; then TCP's sequence number or UDP's
 * checksum ends at 42, behind a header of IPv6 at 62. Elsewhere these are other bytes of the
 * frame, which serve as well. */
static inline int eg_twins_chosen(const uint8_t *frame, uint32_t captured)
{
    uint32_t word;

    if (captured < EG_TWINS_NEEDED - 20)
        return 0;
    word = eg_load16(frame + 24) ^ eg_load16(frame + 40);
    if (frame[12] == 0x86 && captured >= EG_TWINS_NEEDED)
        word ^= eg_load16(frame + 60);
    return (uint16_t)(word * 0x9E37u + 0x79B9u) < 65536 / EG_TWINS_EVERY;
}

static inline void eg_twins_pass(struct eg_twins *t, const uint8_t *frame, uint32_t captured,
                                 uint32_t wire, int64_t ts)
{
    if (__builtin_expect(eg_twins_chosen(frame, captured), 0))
        eg_twins_look(t, frame, captured, wire, ts);
}

#endif
