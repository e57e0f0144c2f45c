/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring's filter: which interfaces are let through, and how much of a frame is copied.
 *
 * It only saves work: eg_ring_read() passes over frames without an attachment point anyway, so a
 * list too long for a classic BPF program is cut without harm. Excluded interfaces become ranges
 * of ifindex, and the program a balanced search over the ranges' bounds: an odd number of bounds
 * at or below the frame's ifindex means excluded.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "native.h"

#define INSTRUCTIONS 4096       /* BPF_MAXINSNS */
#define BOUNDS_MAX 1200         /* 3 instructions each at most, and the tail */
#define NEAR_BOUNDS 80          /* 3 * 80 + 1 fits the 8 bits of a conditional jump */
#define TO_TAIL 0xffffffff      /* a jump to be aimed when the tail's place is known */

/* Ethernet 14, IPv4 with options 60, TCP with options 60, and some room: all the decoder reads
 * of plain IP. What may hold more headers (tags, IPv6 extensions) is copied further. */
#define SNAP 160
#define SNAP_CHAINED 2048
#define SNAP_TUNNELLED 320      /* outer IPv6, UDP, VXLAN 70 bytes, and the above with tags */
#define IPV6_NEXT_AT 20         /* ETH_HLEN + 6 */

struct code {
    struct sock_filter at[INSTRUCTIONS];
    uint32_t n;
};

static void emit(struct code *c, uint16_t op, uint8_t yes, uint8_t no, uint32_t k)
{
    c->at[c->n++] = (struct sock_filter){op, yes, no, k};
}

static void load_field(struct code *c, uint32_t field)
{
    emit(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, SKF_AD_OFF + field);
}

/* Search bounds[low..high); `low` bounds are known to be at or below the ifindex. */
static void emit_search(struct code *c, const uint32_t *bounds, uint32_t low, uint32_t high)
{
    uint32_t middle = low + (high - low) / 2, test = c->n;

    if (low == high && low % 2) {
        emit(c, BPF_RET | BPF_K, 0, 0, 0);
    } else if (low == high) {
        emit(c, BPF_JMP | BPF_JA, 0, 0, TO_TAIL);
    } else if (middle - low <= NEAR_BOUNDS) {
        emit(c, BPF_JMP | BPF_JGE | BPF_K, 0, 0, bounds[middle]);
        emit_search(c, bounds, low, middle);
        c->at[test].jt = (uint8_t)(c->n - test - 1);
        emit_search(c, bounds, middle + 1, high);
    } else {
        emit(c, BPF_JMP | BPF_JGE | BPF_K, 0, 1, bounds[middle]);
        emit(c, BPF_JMP | BPF_JA, 0, 0, 0);
        emit_search(c, bounds, low, middle);
        c->at[test + 1].k = c->n - test - 2;
        emit_search(c, bounds, middle + 1, high);
    }
}

static void aim_at_tail(struct code *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (c->at[i].code == (BPF_JMP | BPF_JA) && c->at[i].k == TO_TAIL)
            c->at[i].k = c->n - i - 1;
}

/* How much to copy. Offsets count from the MAC header: relative to the network header (SKF_NET_OFF)
 * a load fails, and the frame is lost to us, where the sender left that header in a fragment. */
static void emit_tail(struct code *c)
{
    load_field(c, SKF_AD_HATYPE);
    emit(c, BPF_JMP | BPF_JEQ | BPF_K, 0, 9, ARPHRD_ETHER);
    load_field(c, SKF_AD_PROTOCOL);
    emit(c, BPF_JMP | BPF_JEQ | BPF_K, 8, 0, ETH_P_IP);
    emit(c, BPF_JMP | BPF_JEQ | BPF_K, 0, 6, ETH_P_IPV6);
    emit(c, BPF_LD | BPF_W | BPF_LEN, 0, 0, 0);
    emit(c, BPF_JMP | BPF_JGT | BPF_K, 0, 4, IPV6_NEXT_AT);
    emit(c, BPF_LD | BPF_B | BPF_ABS, 0, 0, IPV6_NEXT_AT);
    emit(c, BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 6);    /* TCP */
    emit(c, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 17);   /* UDP */
    emit(c, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 58);   /* ICMPv6 */
    emit(c, BPF_RET | BPF_K, 0, 0, SNAP_CHAINED);
    emit(c, BPF_RET | BPF_K, 0, 0, SNAP);
}

static int attach(int fd, const uint32_t *bounds, uint32_t n)
{
    struct code c = {.n = 0};
    struct sock_fprog program = {0, c.at};

    load_field(&c, SKF_AD_IFINDEX);
    emit_search(&c, bounds, 0, n);
    aim_at_tail(&c);
    emit_tail(&c);
    program.len = (unsigned short)c.n;
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ? -errno : 0;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Turn sorted numbers into bounds (first, one past last, first, ...) of their ranges; how many. */
static uint32_t ranges(const uint32_t *sorted, uint32_t n, uint32_t *bounds)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (count > 0 && sorted[i] <= bounds[count - 1])
            bounds[count - 1] = sorted[i] + 1;
        else if (count + 2 <= BOUNDS_MAX) {
            bounds[count++] = sorted[i];
            bounds[count++] = sorted[i] + 1;
        }
    }
    return count;
}

int eg_ring_exclude(struct eg_ring *r, const uint32_t *ifindexes, uint32_t n)
{
    uint32_t bounds[BOUNDS_MAX], count;
    uint32_t *sorted = malloc(((size_t)n + 1) * sizeof *sorted);
    int error;

    if (!sorted)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        sorted[i] = ifindexes[i];
    qsort(sorted, n, sizeof *sorted, ascending);
    count = ranges(sorted, n, bounds);
    free(sorted);
    /* ENOMEM: larger than net.core.optmem_max; fewer ranges will fit */
    while ((error = attach(r->fd, bounds, count)) == -ENOMEM && count > 0)
        count = count / 4 * 2;
    return error;
}

/* Without an interface the program lets nothing through. The jumps go behind the tests that are
 * left and the refusal after them. */
int eg_ring_only(struct eg_ring *r, const uint32_t *ifindexes, uint32_t n, uint32_t tunnelled)
{
    struct code c = {.n = 0};
    struct sock_fprog program = {0, c.at};

    if (n > EG_MIRROR_PORTS)
        return -EINVAL;
    load_field(&c, SKF_AD_IFINDEX);
    for (uint32_t i = 0; i < n; i++)
        emit(&c, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(n - i), 0, ifindexes[i]);
    emit(&c, BPF_RET | BPF_K, 0, 0, 0);
    if (tunnelled)
        emit(&c, BPF_RET | BPF_K, 0, 0, SNAP_TUNNELLED);
    else
        emit_tail(&c);
    program.len = (unsigned short)c.n;
    return setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ? -errno : 0;
}
