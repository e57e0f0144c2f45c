/* SPDX-License-Identifier: Apache-2.0
 *
 * The host between a VM and its world, for recordings: what comes out of one interface goes into the
 * other after half a round trip, and both directions are written down as the VM's tap sees them.
 * No part of the package: compiled when something is recorded.
 *
 *     relay TAP NET RTT-MIN-US RTT-MAX-US LOSS-PER-MILLION FILE
 *
 * The round trip of a frame is drawn between the two from its remote address, so that one host always is
 * equally far. Frames from the VM are stamped by the kernel, frames to it when they are sent. FILE is a pcap of
 * nanoseconds, 96 bytes a frame, in the order of writing (sort it). Says "ready"; ends with its
 * standard input, after LONGEST seconds or MOST frames, and then prints "FRAMES LOST" (lost: frames that the
 * sockets or the queue had no room for).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SNAP = 96, ROOM = 2048, BATCH = 128, SLOTS = 16384, SLOT_NS = 50000, MOST = 4000000, LONGEST = 180 };
enum { BUFFERS = 65536, RECEIVE_BUFFER = 256 << 20 };

struct frame {
    struct frame *next;
    uint32_t length;
    uint8_t bytes[ROOM];
};

struct slot {
    struct frame *first, *last;
};

struct side {
    int socket, outward;            /* outward: its frames come from the VM */
    struct slot wheel[SLOTS];       /* frames that go into this side */
    uint64_t done;                  /* slots up to this one have been emptied */
};

struct relay {
    struct side vm, net;
    struct frame *spare;
    uint64_t lost, written;
    uint32_t rtt_min, rtt_max, loss, seed;
    FILE *file;
};

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int opened(const char *name)
{
    int one = 1, most = RECEIVE_BUFFER, s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    struct sockaddr_ll here = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    here.sll_ifindex = if_nametoindex(name);
    if (s < 0 || !here.sll_ifindex || bind(s, (struct sockaddr *)&here, sizeof here) < 0) {
        fprintf(stderr, "cannot open %s: %s\n", name, strerror(errno));
        exit(1);
    }
    setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
    setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &most, sizeof most);
    setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    return s;
}

/* Only IP to or from one remote host is far away; the rest (ARP, neighbour discovery) is next door. */
static uint32_t remote(const uint8_t *f, uint32_t length, int outward)
{
    uint32_t a = 0;
    uint16_t type = f[12] << 8 | f[13];
    if (type == ETH_P_IP && length >= 34)
        memcpy(&a, f + (outward ? 30 : 26), 4);
    else if (type == ETH_P_IPV6 && length >= 54 && f[20] != 58)
        memcpy(&a, f + (outward ? 50 : 34), 4);
    return a * 2654435761u;
}

static void write_down(struct relay *r, const uint8_t *f, uint32_t length, uint64_t at)
{
    uint32_t kept = length < SNAP ? length : SNAP;
    uint32_t head[4] = {at / 1000000000, at % 1000000000, kept, length};
    fwrite(head, sizeof head, 1, r->file);
    fwrite(f, kept, 1, r->file);
    r->written++;
}

static struct frame *taken(struct relay *r)
{
    struct frame *f = r->spare;
    if (f)
        r->spare = f->next;
    return f;
}

static void put(struct side *s, struct frame *f, uint64_t due)
{
    uint64_t slot = due / SLOT_NS;
    if (slot <= s->done)
        slot = s->done + 1;
    struct slot *w = &s->wheel[slot % SLOTS];
    f->next = NULL;
    if (w->last)
        w->last->next = f;
    else
        w->first = f;
    w->last = f;
}

static uint64_t stamp(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(c), sizeof t);
            return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
        }
    return now();
}

static void received(struct relay *r, struct side *from, struct side *to)
{
    static struct mmsghdr messages[BATCH];
    static struct iovec parts[BATCH];
    static uint8_t control[BATCH][128];
    struct frame *frames[BATCH];
    int room = 0;
    for (; room < BATCH && (frames[room] = taken(r)); room++) {
        parts[room] = (struct iovec){frames[room]->bytes, ROOM};
        messages[room].msg_hdr = (struct msghdr){.msg_iov = &parts[room], .msg_iovlen = 1,
                                                 .msg_control = control[room], .msg_controllen = 128};
    }
    int n = room ? recvmmsg(from->socket, messages, room, MSG_DONTWAIT | MSG_TRUNC, NULL) : 0;
    for (int i = 0; i < room; i++) {
        struct frame *f = frames[i];
        f->length = i < n ? messages[i].msg_len : 0;
        int lost = i < n && r->loss && (uint32_t)rand_r(&r->seed) % 1000000 < r->loss;
        if (i < n && f->length > ROOM)
            r->lost++, f->length = 0;
        if (f->length) {
            uint64_t at = stamp(&messages[i].msg_hdr);
            uint32_t far = remote(f->bytes, f->length, from->outward);
            uint64_t trip = far ? r->rtt_min + (uint64_t)(far >> 8) % (r->rtt_max - r->rtt_min + 1) : 0;
            if (from->outward)
                write_down(r, f->bytes, f->length, at);
            if (!lost) {
                put(to, f, at + trip * 500);
                continue;
            }
        }
        f->next = r->spare;
        r->spare = f;
    }
}

static void sent(struct relay *r, struct side *to, struct frame **frames, int n)
{
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    uint64_t at = now();
    memset(messages, 0, n * sizeof *messages);
    for (int i = 0; i < n; i++) {
        parts[i] = (struct iovec){frames[i]->bytes, frames[i]->length};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        if (to->outward)            /* into the VM's own side */
            write_down(r, frames[i]->bytes, frames[i]->length, at);
    }
    for (int i = 0; i < n;) {
        int m = sendmmsg(to->socket, messages + i, n - i, 0);
        if (m <= 0)
            r->lost++;
        i += m > 0 ? m : 1;
    }
    for (int i = 0; i < n; i++)
        frames[i]->next = r->spare, r->spare = frames[i];
}

static void due(struct relay *r, struct side *to)
{
    struct frame *frames[BATCH];
    int n = 0;
    uint64_t last = now() / SLOT_NS;
    for (; to->done < last; to->done++) {
        struct slot *w = &to->wheel[(to->done + 1) % SLOTS];
        for (struct frame *f = w->first, *next; f; f = next) {
            next = f->next;
            frames[n++] = f;
            if (n == BATCH)
                sent(r, to, frames, n), n = 0;
        }
        w->first = w->last = NULL;
    }
    if (n)
        sent(r, to, frames, n);
}

static void dropped(struct relay *r, int s)
{
    struct tpacket_stats stats;
    socklen_t size = sizeof stats;
    if (!getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &stats, &size))
        r->lost += stats.tp_drops;
}

int main(int argc, char **argv)
{
    static struct relay r;
    uint32_t head[6] = {0xa1b23c4d, 4 << 16 | 2, 0, 0, SNAP, 1};
    if (argc != 7)
        return 2;
    r.vm.socket = opened(argv[1]), r.net.socket = opened(argv[2]);
    r.vm.outward = 1;
    r.rtt_min = atoi(argv[3]), r.rtt_max = atoi(argv[4]), r.loss = atoi(argv[5]), r.seed = 1;
    if (r.rtt_max < r.rtt_min || r.rtt_max / 2 * 1000ull >= (uint64_t)SLOTS * SLOT_NS - SLOT_NS)
        return 2;
    r.file = fopen(argv[6], "wb");
    struct frame *all = calloc(BUFFERS, sizeof *all);
    if (!r.file || !all)
        return 1;
    for (int i = 0; i < BUFFERS; i++)
        all[i].next = r.spare, r.spare = &all[i];
    fwrite(head, sizeof head, 1, r.file);
    uint64_t start = now();
    r.vm.done = r.net.done = start / SLOT_NS;
    puts("ready");
    fflush(stdout);
    struct pollfd waiting[3] = {{r.vm.socket, POLLIN, 0}, {r.net.socket, POLLIN, 0}, {0, POLLIN, 0}};
    struct timespec slot = {0, SLOT_NS};
    while (r.written < MOST && now() - start < LONGEST * 1000000000ull) {
        ppoll(waiting, 3, &slot, NULL);
        if (waiting[2].revents)
            break;
        if (waiting[0].revents)
            received(&r, &r.vm, &r.net);
        if (waiting[1].revents)
            received(&r, &r.net, &r.vm);
        due(&r, &r.vm);
        due(&r, &r.net);
    }
    dropped(&r, r.vm.socket);
    dropped(&r, r.net.socket);
    fclose(r.file);
    printf("%llu %llu\n", (unsigned long long)r.written, (unsigned long long)r.lost);
    return 0;
}
