/* SPDX-License-Identifier: Apache-2.0
 *
 * The lab's traffic: prepared frames sent through one interface by sendmmsg, paced. */
#define _GNU_SOURCE     /* sendmmsg */

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

#define BATCH 64
#define BURSTS_A_SECOND 2000    /* at low rates a burst is what falls due in half a millisecond */
#define SECOND 1000000000LL
#define LATE_MOST (SECOND / 20) /* an interruption longer than this is not caught up with */
#define FULL_PAUSE 20000        /* ns, when the queue towards the device is full */

int eg_sender_open(struct eg_sender *s, uint32_t ifindex, uint32_t offload)
{
    struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_ifindex = (int)ifindex};
    int one = 1, buffer = 4 << 20;

    s->offload = offload;
    s->next = 0;
    s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);  /* protocol 0: receives nothing */
    if (s->fd < 0)
        return -errno;
    /* both only make it faster */
    setsockopt(s->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if ((offload && setsockopt(s->fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0) ||
        bind(s->fd, (struct sockaddr *)&where, sizeof where) < 0) {
        int error = -errno;

        eg_sender_close(s);
        return error;
    }
    return 0;
}

void eg_sender_close(struct eg_sender *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static int64_t monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void sleep_until(int64_t at)
{
    struct timespec t = {at / SECOND, at % SECOND};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Frames are due one by one from `start`; `start` moves on after a long interruption. */
struct pace {
    int64_t start;
    uint64_t rate, sent;
};

static int64_t due(const struct pace *p)
{
    return p->start + (int64_t)(p->sent / p->rate * SECOND + p->sent % p->rate * SECOND / p->rate);
}

static void keep_pace(struct pace *p, int64_t deadline)
{
    int64_t now = monotonic(), at = due(p);

    if (now < at)
        sleep_until(at < deadline ? at : deadline);
    else if (now - at > LATE_MOST)
        p->start += now - at;
}

static uint32_t burst(uint64_t rate)
{
    uint64_t n = rate / BURSTS_A_SECOND;

    return rate == 0 || n > BATCH ? BATCH : n < 1 ? 1 : (uint32_t)n;
}

/* Send frames number `from` .. `from + n` of the cycle; how many went, 0 when the queue was full. */
static int send_batch(int fd, const uint8_t *bytes, const uint32_t *offsets, uint32_t frames,
                      uint64_t from, uint32_t n)
{
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    uint32_t frame = (uint32_t)(from % frames);
    int sent;

    memset(messages, 0, n * sizeof messages[0]);
    for (uint32_t i = 0; i < n; i++) {
        parts[i].iov_base = (void *)(bytes + offsets[frame]);
        parts[i].iov_len = offsets[frame + 1] - offsets[frame];
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        frame = frame + 1 == frames ? 0 : frame + 1;
    }
    sent = sendmmsg(fd, messages, n, 0);
    if (sent < 0 && (errno == ENOBUFS || errno == EAGAIN || errno == EINTR))
        return 0;
    return sent < 0 ? -errno : sent;
}

int64_t eg_sender_run(struct eg_sender *s, const uint8_t *bytes, const uint32_t *offsets, uint32_t n,
                      uint64_t count, uint64_t rate, int64_t deadline_ns, volatile int32_t *stop)
{
    struct pace p = {monotonic(), rate, 0};
    uint32_t batch = burst(rate);

    if (n == 0)
        return -EINVAL;
    while (p.sent < count && !*stop && monotonic() < deadline_ns) {
        uint64_t left = count - p.sent;
        int sent = send_batch(s->fd, bytes, offsets, n, s->next, left < batch ? (uint32_t)left : batch);

        if (sent < 0)
            return p.sent > 0 ? (int64_t)p.sent : sent;
        if (sent == 0)
            sleep_until(monotonic() + FULL_PAUSE);
        p.sent += (uint64_t)sent;
        s->next += (uint64_t)sent;
        if (rate)
            keep_pace(&p, deadline_ns);
    }
    return (int64_t)p.sent;
}
