/* SPDX-License-Identifier: Apache-2.0
 *
 * Negative codes -> words. Ours are complete clauses for an operator; the kernel's come from libc. */
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
    int number = code < 0 ? -(code + 1) : -1;   /* one less, so that INT_MIN does not overflow */
    int index = number + 1 - EG_E_BASE;
    const char *text = NULL;

    if (index > 0 && index < (int)(sizeof ours / sizeof *ours))
        text = ours[index];
    else if (number >= 0 && number + 1 < EG_E_BASE)
        text = strerrordesc_np(number + 1);     /* static, unlike strerror's; glibc 2.32 */
    return text ? text : "unknown error";
}
