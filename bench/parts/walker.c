/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit of bench/live.py: a TPACKET_V3 ring over all interfaces whose frames are walked and
 * given back. It looks at nothing but each frame's header in the ring, and no capture that copies
 * through such a ring can do less. No part of the package: compiled when the bench runs.
 *
 *     walker BLOCK-BYTES BLOCKS RETIRE-MS
 *
 * Says "ready"; each line that it is sent is answered "RECEIVED LOST WALKED BYTES", totals so far.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct walker {
    int fd;
    uint32_t block_bytes, blocks, at;
    uint8_t *map;
    uint64_t received, lost, walked, bytes;
};

static int make(struct walker *w, unsigned retire_ms)
{
    int version = TPACKET_V3;
    struct tpacket_req3 ring = {.tp_block_size = w->block_bytes, .tp_block_nr = w->blocks, .tp_frame_size = 2048,
                                .tp_frame_nr = (unsigned)((uint64_t)w->block_bytes * w->blocks / 2048),
                                .tp_retire_blk_tov = retire_ms};
    struct sockaddr_ll all = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

    w->fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (w->fd < 0 || setsockopt(w->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0 ||
        setsockopt(w->fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) < 0)
        return -1;
    w->map = mmap(NULL, (size_t)w->block_bytes * w->blocks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                  w->fd, 0);
    return w->map == MAP_FAILED ? -1 : bind(w->fd, (struct sockaddr *)&all, sizeof all);
}

/* 1 if there was a block. */
static int walk(struct walker *w)
{
    struct tpacket_block_desc *block = (void *)(w->map + (size_t)w->at * w->block_bytes);
    uint8_t *cursor;
    uint32_t left;

    if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
        return 0;
    cursor = (uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
    for (left = block->hdr.bh1.num_pkts; left > 0; left--) {
        const struct tpacket3_hdr *header = (const void *)cursor;

        w->bytes += header->tp_len;
        w->walked++;
        cursor += header->tp_next_offset;
    }
    __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    w->at = w->at + 1 == w->blocks ? 0 : w->at + 1;
    return 1;
}

static void tell(struct walker *w)
{
    struct tpacket_stats_v3 since;
    socklen_t length = sizeof since;

    if (getsockopt(w->fd, SOL_PACKET, PACKET_STATISTICS, &since, &length) == 0) {
        w->received += since.tp_packets - since.tp_drops;
        w->lost += since.tp_drops;
    }
    printf("%llu %llu %llu %llu\n", (unsigned long long)w->received, (unsigned long long)w->lost,
           (unsigned long long)w->walked, (unsigned long long)w->bytes);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct walker w = {0};
    struct pollfd ready[2] = {{.events = POLLIN}, {.events = POLLIN}};
    char line[64];

    if (argc != 4)
        return 2;
    w.block_bytes = (uint32_t)atoi(argv[1]);
    w.blocks = (uint32_t)atoi(argv[2]);
    if (make(&w, (unsigned)atoi(argv[3])) < 0) {
        perror("walker");
        return 1;
    }
    ready[0].fd = w.fd;
    ready[1].fd = STDIN_FILENO;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        while (walk(&w))
            ;
        poll(ready, 2, -1);
        if (ready[1].revents) {
            if (read(STDIN_FILENO, line, sizeof line) <= 0)
                return 0;
            tell(&w);
        }
    }
}
