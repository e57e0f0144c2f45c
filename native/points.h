/* SPDX-License-Identifier: Apache-2.0
 *
 * Attachment points by ifindex, or by MAC and VLAN: struct eg_points of abi.h, read only. Python writes it.
 * Inline because the readers look two keys up for every frame. */
#ifndef EG_POINTS_H
#define EG_POINTS_H

#include "native.h"

static inline uint32_t eg_points_slot(const struct eg_points *p, uint64_t key)
{
    return (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 40) & p->mask;
}

/* Value of the key, or EG_NOBODY. At most half full, so an empty slot always ends the search. */
static inline uint16_t eg_points_get(const struct eg_points *p, uint64_t key)
{
    for (uint32_t i = eg_points_slot(p, key); p->keys[i]; i = (i + 1) & p->mask)
        if (p->keys[i] == key)
            return p->values[i];
    return EG_NOBODY;
}

/* Value of a MAC in a VLAN (0: no tag): by both, else by the MAC alone. */
static inline uint16_t eg_points_of(const struct eg_points *p, uint64_t mac, uint64_t vlan)
{
    uint16_t value = vlan ? eg_points_get(p, mac | vlan << 48) : EG_NOBODY;

    return value == EG_NOBODY ? eg_points_get(p, mac) : value;
}

#endif
