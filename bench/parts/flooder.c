/* SPDX-License-Identifier: Apache-2.0
 *
 * The load of bench/live.py: frames made by the kernel itself, as live frames of BPF_PROG_TEST_RUN
 * (kernel: Documentation/bpf/bpf_prog_run.rst), redirected into the VMs' ends of two veth pairs.
 * No part of the package: compiled when the bench runs.
 *
 *     flooder FRAME-IN-HEX IFINDEX-A IFINDEX-B TARGETS      TARGETS: a power of two up to 32768
 *
 * Says "ready", or "refused: why". Then each line "RATE SECONDS" (RATE 0: as fast as it goes) floods
 * once and is answered "SENT SECONDS". Every frame is given another VM, target, source port and
 * protocol (TCP SYN or UDP) at random; the IP identification makes up for what that changes in the
 * header's checksum. Pacing is the program's too: a frame that comes early is dropped, not sent,
 * so that a slow flood is as even as a fast one is.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FRAME 60
#define REPEAT 65536            /* frames a system call: 30 ms of a fast flood */
#define FRACTION 6              /* times in the program are ns << FRACTION; LATE_MOST so must fit 31 bits */
#define LATE_MOST 20000000ULL   /* ns; more is not caught up with */
#define SECOND 1000000000ULL

struct state {                  /* shared with the program; the offsets below */
    uint64_t next, interval, sent;
};
enum { NEXT = 0, INTERVAL = 8, SENT = 16 };
enum { SOURCE_MAC_END = 11, IP_ID = 18, PROTOCOL = 23, SOURCE_END = 29, TARGET_LOW = 32, PORT = 34 };
enum { TCP = 6, UDP = 17 };
enum { UNPACED = 18, DROP = 55, SECOND_VM = 57 };      /* places in the program */

struct flooder {
    int map, program;
    volatile struct state *state;
    uint8_t frame[FRAME];
};

#define INSN(op, d, s, o, i) ((struct bpf_insn){.code = (op), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOVE(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define WITH(op, d, i) INSN(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define WITH_REG(op, d, s) INSN(BPF_ALU64 | (op) | BPF_X, d, s, 0, 0)
#define LOAD(size, d, s, o) INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, o, s) INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define JUMP(op, d, s, o) INSN(BPF_JMP | (op) | BPF_X, d, s, o, 0)
#define JUMP_IF(op, d, i, o) INSN(BPF_JMP | (op) | BPF_K, d, 0, o, i)
#define CALL(f) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static long bpf(int command, union bpf_attr *attr) { return syscall(SYS_bpf, command, attr, sizeof *attr); }

static int refused(const char *what, const char *more)
{
    printf("refused: %s: %s %s\n", what, strerror(errno), more);
    fflush(stdout);
    return 1;
}

static int make_map(struct flooder *f)
{
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = sizeof(struct state),
                           .max_entries = 1, .map_flags = BPF_F_MMAPABLE};
    void *map;

    f->map = (int)bpf(BPF_MAP_CREATE, &attr);
    if (f->map < 0)
        return -1;
    map = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, f->map, 0);
    f->state = map;
    return map == MAP_FAILED ? -1 : 0;
}

/* r7 frame, r8 state, r9 the frame's random number: bits 0..14 target, 15 VM, 16 protocol, 17.. port */
static int load(struct flooder *f, int a, int b, int targets)
{
    struct bpf_insn code[] = {
        LOAD(BPF_W, 7, 1, 0),
        LOAD(BPF_W, 2, 1, 4),
        MOVE(3, 7),
        WITH(BPF_ADD, 3, FRAME),
        JUMP(BPF_JGT, 3, 2, DROP - 5),              /* never; the verifier wants it asked */
        INSN(BPF_LD | BPF_DW | BPF_IMM, 8, BPF_PSEUDO_MAP_VALUE, 0, f->map),
        INSN(0, 0, 0, 0, 0),
        LOAD(BPF_DW, 6, 8, INTERVAL),
        JUMP_IF(BPF_JEQ, 6, 0, UNPACED - 9),
        CALL(BPF_FUNC_ktime_get_ns),
        WITH(BPF_LSH, 0, FRACTION),
        LOAD(BPF_DW, 1, 8, NEXT),
        JUMP(BPF_JGT, 1, 0, DROP - 13),             /* too early */
        WITH(BPF_SUB, 0, LATE_MOST << FRACTION),
        JUMP(BPF_JGE, 1, 0, 1),                     /* not very late */
        MOVE(1, 0),
        WITH_REG(BPF_ADD, 1, 6),
        STORE(BPF_DW, 8, NEXT, 1),
        CALL(BPF_FUNC_get_prandom_u32),             /* UNPACED */
        MOVE(9, 0),
        LOAD(BPF_DW, 1, 8, SENT),
        WITH(BPF_ADD, 1, 1),
        STORE(BPF_DW, 8, SENT, 1),
        SET(4, 0xffff),                             /* r4: the identification */
        MOVE(1, 9),                                 /* target */
        WITH(BPF_AND, 1, targets - 1),
        STORE(BPF_H, 7, TARGET_LOW, 1),
        WITH_REG(BPF_SUB, 4, 1),
        MOVE(1, 9),                                 /* VM: last byte of its MAC and its address */
        WITH(BPF_RSH, 1, 15),
        WITH(BPF_AND, 1, 1),
        MOVE(6, 1),
        MOVE(2, 1),
        WITH(BPF_ADD, 2, f->frame[SOURCE_MAC_END]),
        STORE(BPF_B, 7, SOURCE_MAC_END, 2),
        MOVE(2, 1),
        WITH(BPF_ADD, 2, f->frame[SOURCE_END]),
        STORE(BPF_B, 7, SOURCE_END, 2),
        WITH(BPF_LSH, 1, 8),
        WITH_REG(BPF_SUB, 4, 1),
        MOVE(1, 9),                                 /* protocol */
        WITH(BPF_RSH, 1, 16),
        WITH(BPF_AND, 1, 1),
        WITH(BPF_MUL, 1, UDP - TCP),
        MOVE(2, 1),
        WITH(BPF_ADD, 2, TCP),
        STORE(BPF_B, 7, PROTOCOL, 2),
        WITH(BPF_LSH, 1, 8),
        WITH_REG(BPF_SUB, 4, 1),
        STORE(BPF_H, 7, IP_ID, 4),
        WITH(BPF_RSH, 9, 17),
        STORE(BPF_H, 7, PORT, 9),
        JUMP_IF(BPF_JNE, 6, 0, SECOND_VM - 53),
        SET(1, a),
        INSN(BPF_JMP | BPF_JA, 0, 0, SECOND_VM + 1 - 55, 0),
        SET(0, XDP_DROP),                           /* DROP */
        EXIT,
        SET(1, b),                                  /* SECOND_VM */
        SET(2, 0),
        CALL(BPF_FUNC_redirect),
        EXIT,
    };
    static char said[65536];
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP, .insns = (uintptr_t)code,
                           .insn_cnt = sizeof code / sizeof *code, .license = (uintptr_t) "GPL",
                           .log_buf = (uintptr_t)said, .log_size = sizeof said, .log_level = 1};

    f->program = (int)bpf(BPF_PROG_LOAD, &attr);
    return f->program < 0 ? refused("a BPF program", errno == EPERM ? "" : said) : 0;
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static int send_some(struct flooder *f)
{
    union bpf_attr attr = {.test = {.prog_fd = (uint32_t)f->program, .data_in = (uintptr_t)f->frame,
                                    .data_size_in = FRAME, .repeat = REPEAT, .flags = BPF_F_TEST_XDP_LIVE_FRAMES}};

    return bpf(BPF_PROG_TEST_RUN, &attr) < 0 && errno != EINTR ? -1 : 0;
}

static int flood(struct flooder *f, double rate, double seconds)
{
    uint64_t start = now(), end = start + (uint64_t)(seconds * SECOND), last;

    f->state->sent = 0;
    f->state->next = start << FRACTION;
    f->state->interval = rate > 0 ? (uint64_t)((SECOND << FRACTION) / rate) : 0;
    while (now() < end)
        if (send_some(f) < 0)
            return refused("BPF_PROG_TEST_RUN with live frames", "");
    last = now();
    printf("%llu %.6f\n", (unsigned long long)f->state->sent, (double)(last - start) / SECOND);
    fflush(stdout);
    return 0;
}

static int read_frame(struct flooder *f, const char *hex)
{
    if (strlen(hex) != 2 * FRAME)
        return -1;
    for (int i = 0; i < FRAME; i++) {
        unsigned byte;

        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return -1;
        f->frame[i] = (uint8_t)byte;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct flooder f = {0};
    double rate, seconds;

    if (argc != 5 || read_frame(&f, argv[1]) < 0) {
        fprintf(stderr, "usage: flooder FRAME-IN-HEX IFINDEX-A IFINDEX-B TARGETS\n");
        return 2;
    }
    if (make_map(&f) < 0)
        return refused("a BPF map", "");
    if (load(&f, atoi(argv[2]), atoi(argv[3]), atoi(argv[4])))
        return 1;
    printf("ready\n");
    fflush(stdout);
    while (scanf("%lf %lf", &rate, &seconds) == 2)
        if (flood(&f, rate, seconds))
            return 1;
    return 0;
}
