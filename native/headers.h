/* SPDX-License-Identifier: Apache-2.0
 *
 * The last frames of each attachment point, headers only: struct eg_headers of abi.h. Inline is only
 * the choice of the frames that are kept: one load and one comparison for all others.
 *
 *     eg_headers_pass(r->headers, point, EG_HEADERS_OUT, frame, captured, wire, link_type, ts, 0);
 */
#ifndef EG_HEADERS_H
#define EG_HEADERS_H

#include "decode.h"

#define EG_HEADERS_GAP (4000000000 / EG_HEADERS_KEPT)  /* ns: in a flood the frames reach back four seconds */
#define EG_HEADERS_BURST 128        /* frames that are kept one after the other when it begins */
#define EG_HEADERS_SKEW 1000000000u /* ns: due farther ahead, the clock was set back */

/* Copy the headers of a frame that is due. Defined in headers.c. */
void eg_headers_keep(struct eg_headers *h, uint32_t point, uint32_t flags, const uint8_t *frame,
                     uint32_t captured, uint32_t wire, uint32_t link_type, int64_t ts, uint32_t tag);

/* A frame of a point; `h` NULL: nobody wants any. `tag`: that the kernel took off. */
static inline void eg_headers_pass(struct eg_headers *h, uint32_t point, uint32_t flags, const uint8_t *frame,
                                   uint32_t captured, uint32_t wire, uint32_t link_type, int64_t ts,
                                   uint32_t tag)
{
    int64_t due;

    if (!h || point >= h->points)
        return;
    due = __atomic_load_n(&h->point[point].due, __ATOMIC_RELAXED);
    if (__builtin_expect((uint64_t)due - (uint64_t)ts - 1 < EG_HEADERS_SKEW, 1))
        return;
    eg_headers_keep(h, point, flags, frame, captured, wire, link_type, ts, tag);
}

#endif
