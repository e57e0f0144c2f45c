/* SPDX-License-Identifier: Apache-2.0
 *
 * System calls that neither process needs once it runs, denied for good in every thread.
 *
 * A list of what is denied, not of what is allowed: the C library, SQLite and numba choose their
 * calls by their version, and a new one of them must not end a daemon that guards customers. The
 * list is what somebody would need who runs code of his own in here: other programs, other
 * processes' memory, other namespaces, the kernel itself. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "native.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define FOREIGN 0x40000000u     /* __X32_SYSCALL_BIT: the same calls under other numbers */
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define FOREIGN 0xffffffffu     /* there are none */
#endif

/* Namespaces that clone() could make: one of users would bring every capability with it. */
#define NAMESPACES                                                                                \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)

static const uint32_t denied[] = {
    /* other programs */
    SYS_execve, SYS_execveat,
    /* other processes */
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_pidfd_getfd,
    SYS_kcmp,
    /* namespaces and mounts */
    SYS_setns, SYS_unshare, SYS_chroot, SYS_pivot_root, SYS_mount, SYS_umount2, SYS_move_mount,
    SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr,
    /* files by handle: past every path that this process may see */
    SYS_open_by_handle_at, SYS_name_to_handle_at,
    /* the kernel: modules, another kernel, programs inside it, what has had most of its holes */
    SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load,
    SYS_reboot, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup,
    SYS_io_uring_enter, SYS_io_uring_register, SYS_keyctl, SYS_add_key, SYS_request_key,
    SYS_syslog, SYS_fanotify_init, SYS_personality,
    /* the machine's own state */
    SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl, SYS_sethostname, SYS_setdomainname,
    SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_vhangup,
#ifdef __x86_64__
    SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS_create_module, SYS__sysctl,
#endif
};

#define DENIED (sizeof denied / sizeof *denied)
#define HEAD 7                  /* instructions before the list */
#define TAIL 5                  /* behind it */
#define LENGTH (HEAD + DENIED + TAIL)
_Static_assert(LENGTH < 256, "a jump of BPF reaches 255 instructions");

#ifdef ARCH

static struct sock_filter load(uint32_t offset)
{
    return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
}

static struct sock_filter answer(uint32_t value)
{
    return (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value);
}

static struct sock_filter when(uint16_t test, uint32_t value, size_t yes, size_t no)
{
    return (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, (uint8_t)yes, (uint8_t)no);
}

/* Calls of another architecture end the process: nothing of ours makes one. */
static size_t write_head(struct sock_filter *program, size_t deny)
{
    size_t n = 0;

    program[n++] = load(offsetof(struct seccomp_data, arch));
    program[n++] = when(BPF_JEQ, ARCH, 1, 0);
    program[n++] = answer(SECCOMP_RET_KILL_PROCESS);
    program[n++] = load(offsetof(struct seccomp_data, nr));
    program[n] = when(BPF_JGE, FOREIGN, deny - n - 1, 0);
    n++;
    /* clone3 keeps its flags in memory, where no filter can look: without it the C library takes clone */
    program[n++] = when(BPF_JEQ, SYS_clone3, 0, 1);
    program[n++] = answer(SECCOMP_RET_ERRNO | ENOSYS);
    return n;
}

static void write_program(struct sock_filter *program)
{
    size_t deny = LENGTH - 1, n = write_head(program, deny);

    for (size_t i = 0; i < DENIED; i++, n++)
        program[n] = when(BPF_JEQ, denied[i], deny - n - 1, 0);
    program[n++] = when(BPF_JEQ, SYS_clone, 0, 2);
    program[n++] = load(offsetof(struct seccomp_data, args[0]));    /* little-endian: its lower half */
    program[n] = when(BPF_JSET, NAMESPACES, deny - n - 1, 0);
    n++;
    program[n++] = answer(SECCOMP_RET_ALLOW);
    program[n] = answer(SECCOMP_RET_ERRNO | EPERM);
}

int eg_calls_deny(void)
{
    struct sock_filter program[LENGTH];
    struct sock_fprog loaded;
    long thread;

    write_program(program);
    loaded = (struct sock_fprog){.len = LENGTH, .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    thread = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &loaded);
    if (thread < 0)
        return -errno;
    return thread > 0 ? -EBUSY : 0; /* a thread has a filter of its own, which none of ours has */
}

#else

int eg_calls_deny(void)
{
    return -EOPNOTSUPP;
}

#endif
