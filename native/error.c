/* SPDX-License-Identifier: Apache-2.0
 *
 * Negative codes -> words. Ours are clauses for an operator; the kernel's come from libc. */
#define _GNU_SOURCE
#include <string.h>

#include "native.h"

static const char *const ours[] = {
    [EG_E_EMPTY - EG_E_BASE] = "it is empty",
    [EG_E_NOT_SAVEFILE - EG_E_BASE] = "it is neither a pcap nor a pcapng file",
    [EG_E_VERSION - EG_E_BASE] = "its format version is not known",
    [EG_E_CORRUPT - EG_E_BASE] = "a length in it cannot be",
    [EG_E_CUT_HEADER - EG_E_BASE] = "it ends inside its file header",
};

const char *eg_error(int code)
{
    const char *text = NULL;
    int64_t number = -(int64_t)code;

    if (number > EG_E_BASE && number < EG_E_BASE + (int64_t)(sizeof ours / sizeof *ours))
        text = ours[number - EG_E_BASE];
    else if (number > 0 && number < EG_E_BASE)
        text = strerrordesc_np((int)number);    /* static, unlike strerror's; glibc 2.32 */
    return text ? text : "unknown error";
}
