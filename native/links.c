/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's own counters of every link, by one RTM_GETSTATS dump (net/core/rtnetlink.c,
 * rtnl_stats_dump). Needs no right. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "native.h"

#define BUFFER 32768    /* the kernel fills at most this much for one read of a dump */

struct list {
    struct eg_link_counter *out;
    uint32_t room;
    int64_t n;          /* written, or negative: an error */
};

static int ask(int fd)
{
    struct {
        struct nlmsghdr header;
        struct if_stats_msg body;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETSTATS,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 1},
        .body = {.family = AF_UNSPEC, .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)},
    };

    return send(fd, &request, sizeof request, 0) < 0 ? -errno : 0;
}

static void copy(struct eg_link_counter *to, uint32_t ifindex, const struct rtattr *attribute)
{
    struct rtnl_link_stats64 from = {0};
    size_t have = RTA_PAYLOAD(attribute);

    memcpy(&from, RTA_DATA(attribute), have < sizeof from ? have : sizeof from);
    *to = (struct eg_link_counter){
        .ifindex = ifindex,
        .rx_frames = from.rx_packets, .tx_frames = from.tx_packets,
        .rx_bytes = from.rx_bytes, .tx_bytes = from.tx_bytes,
        .rx_dropped = from.rx_dropped, .tx_dropped = from.tx_dropped,
    };
}

static void take_link(struct list *l, struct nlmsghdr *message)
{
    struct if_stats_msg *body = NLMSG_DATA(message);
    struct rtattr *attribute = (struct rtattr *)((char *)body + NLMSG_ALIGN(sizeof *body));
    int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(NLMSG_ALIGN(sizeof *body));

    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type != IFLA_STATS_LINK_64)
            continue;
        if (l->n == l->room) {
            l->n = -ENOSPC;
            return;
        }
        copy(&l->out[l->n++], body->ifindex, attribute);
    }
}

/* 1 while more is to come; an error lands in l->n. */
static int take_reply(struct list *l, struct nlmsghdr *message, int length)
{
    for (; NLMSG_OK(message, (uint32_t)length); message = NLMSG_NEXT(message, length)) {
        if (message->nlmsg_type == NLMSG_DONE)
            return 0;
        if (message->nlmsg_type == NLMSG_ERROR)
            l->n = ((struct nlmsgerr *)NLMSG_DATA(message))->error;
        else if (message->nlmsg_type == RTM_NEWSTATS)
            take_link(l, message);
        if (l->n < 0)
            return 0;
    }
    return 1;
}

static void receive(int fd, struct list *l)
{
    char buffer[BUFFER] __attribute__((aligned(NLMSG_ALIGNTO)));
    int more = 1;

    while (more) {
        ssize_t length = recv(fd, buffer, sizeof buffer, 0);

        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0) {
            l->n = length < 0 ? -errno : -EIO;
            return;
        }
        more = take_reply(l, (struct nlmsghdr *)buffer, (int)length);
    }
}

int64_t eg_link_counters(struct eg_link_counter *out, uint32_t room)
{
    struct list l = {out, room, 0};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), error;

    if (fd < 0)
        return -errno;
    if ((error = ask(fd)) < 0)
        l.n = error;
    else
        receive(fd, &l);
    close(fd);
    return l.n;
}
