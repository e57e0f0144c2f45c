/* SPDX-License-Identifier: Apache-2.0
 *
 * IPv6 extension headers (RFC 8200 4; RFC 4302; RFC 6275; RFC 7401; RFC 5533): which there are, and how long. */
#ifndef EG_EXTENSIONS_H
#define EG_EXTENSIONS_H

#include <stdint.h>

#define MAX_EXTENSIONS 32     /* that are walked; more: no protocol known */
#define IPV6_HEADER 40
#define FRAGMENT_HEADER 8

#define PROTO_HOP_BY_HOP 0
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_AH 51
#define PROTO_DESTINATION 60
#define PROTO_MOBILITY 135
#define PROTO_HIP 139
#define PROTO_SHIM6 140

static inline int is_extension(uint32_t protocol)
{
    switch (protocol) {
    case PROTO_HOP_BY_HOP: case PROTO_ROUTING: case PROTO_FRAGMENT: case PROTO_AH:
    case PROTO_DESTINATION: case PROTO_MOBILITY: case PROTO_HIP: case PROTO_SHIM6:
        return 1;
    }
    return 0;
}

/* Bytes of the extension header at h, of which the first two are there. */
static inline uint32_t extension_bytes(uint32_t protocol, const uint8_t *h)
{
    if (protocol == PROTO_FRAGMENT)
        return FRAGMENT_HEADER;
    return protocol == PROTO_AH ? (h[1] + 2) * 4 : (h[1] + 1) * 8;
}

#endif
