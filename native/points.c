/* SPDX-License-Identifier: Apache-2.0 */
#include "points.h"

uint16_t eg_points_find(const struct eg_points *p, uint64_t key)
{
    return eg_points_get(p, key);
}
