/* SPDX-License-Identifier: Apache-2.0
 *
 * Several rings that share the frames of one namespace (packet(7), PACKET_FANOUT).
 *
 * A frame goes to one ring of the group, by a hash of its remote /24 or /48: both directions of a
 * remote address, all its fragments, and all of its prefix meet in one ring, whatever ports or
 * sources of ours a flood forges. The kernel's hash of flows (PACKET_FANOUT_HASH) keeps none of
 * that together. Frames that are not IP over Ethernet go to the first ring. How frames are spread
 * decides how threads share the work, not what is found: docs/counting.md.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "native.h"

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + (field))
#define WORD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))

/* Hash the /24 at byte `v4` or the /48 at byte `v6`: the top bits of a product depend on all bits of
 * the prefix. One product is not enough: with one secret in a hundred, prefixes in a row would all be
 * in one ring. A load beyond the frame ends with 0. */
#define HASH_LENGTH 19
#define GOLDEN 0x9E3779B1u
#define HASH(v4, v6, odd)                                       \
    LOAD(SKF_AD_PROTOCOL),                                      \
    IF(ETH_P_IP, 7, 0),                                         \
    IF(ETH_P_IPV6, 0, 15),                                      \
    WORD((v6) + 4),                                             \
    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),                    \
    BPF_STMT(BPF_MISC | BPF_TAX, 0),                            \
    WORD(v6),                                                   \
    BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),                     \
    BPF_STMT(BPF_JMP | BPF_JA, 2),                              \
    WORD(v4),                                                   \
    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 8),                     \
    BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, (odd)),                 \
    BPF_STMT(BPF_MISC | BPF_TAX, 0),                            \
    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 15),                    \
    BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),                     \
    BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, GOLDEN),                \
    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 24),                    \
    BPF_STMT(BPF_RET | BPF_A, 0),                               \
    BPF_STMT(BPF_RET | BPF_K, 0)

/* The program runs before any ring's filter (net/packet/af_packet.c, packet_rcv_fanout): of a frame
 * out of a VM bytes count from its IP header, of one into a VM from its MAC header. */
static int steer(int fd, uint32_t odd)
{
    struct sock_filter code[] = {
        LOAD(SKF_AD_HATYPE),
        IF(ARPHRD_ETHER, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        LOAD(SKF_AD_PKTTYPE),
        IF(PACKET_OUTGOING, HASH_LENGTH, 0),
        HASH(16, 24, odd),                              /* out of the VM: its destination */
        HASH(ETH_HLEN + 12, ETH_HLEN + 8, odd),         /* into the VM: its source */
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};

    return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof program) < 0 ? -errno : 0;
}

static int group_of(int fd)
{
    int value;
    socklen_t length = sizeof value;

    return getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &length) < 0 ? -errno : value & 0xffff;
}

int eg_ring_share(struct eg_ring *r, uint32_t odd)
{
    int wanted = (PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_UNIQUEID) << 16, error;

    if (setsockopt(r->fd, SOL_PACKET, PACKET_FANOUT, &wanted, sizeof wanted) < 0)
        return -errno;
    error = steer(r->fd, odd | 1);
    return error < 0 ? error : group_of(r->fd);
}

int eg_ring_join(struct eg_ring *r, uint32_t group)
{
    int wanted = (int)(group & 0xffff) | PACKET_FANOUT_CBPF << 16;

    return setsockopt(r->fd, SOL_PACKET, PACKET_FANOUT, &wanted, sizeof wanted) < 0 ? -errno : 0;
}
