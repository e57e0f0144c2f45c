/* SPDX-License-Identifier: Apache-2.0
 * What every C file includes: the types abi.h needs, then the contract itself. */
#ifndef EG_NATIVE_H
#define EG_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"

_Static_assert(sizeof(struct eg_record) == 64, "a record is one cache line");

#endif
