/* SPDX-License-Identifier: Apache-2.0
 *
 * Giving up rights for good, in every thread of the process.
 *
 * Capabilities belong to threads, and numpy's libraries start some at import. So, as glibc does
 * for setuid(), each other thread is sent a signal whose handler makes the same system calls. */
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

#define SIGNAL (SIGRTMAX - 2)
#define WAIT_MS 1000            /* for a thread to take its signal */
#define ROUNDS 16               /* thread lists to go through until one shows nobody new */
#define THREADS 1024

#ifndef PR_SET_MDWE             /* linux/prctl.h of Linux 6.3 */
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/* What the signal handler works on: the one file-level state, for a handler gets no argument. */
static uint64_t kept;
static int failed;
static uint32_t done;

static int set_capabilities(uint64_t keep)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];

    if (syscall(SYS_capget, &header, sets) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        sets[i].permitted &= (uint32_t)(keep >> (32 * i));
        sets[i].effective = sets[i].permitted;
        sets[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

/* The bounding set can only be cut with CAP_SETPCAP. Without that right EPERM is no failure: with
 * no_new_privs a program started later gains nothing from the set. */
static int cut_bounds(void)
{
    for (unsigned long c = 0; c < 64; c++)
        if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 && errno != EPERM)
            return errno == EINVAL ? 0 : -errno;    /* EINVAL: past the last capability */
    return 0;
}

/* One thread's part. Only system calls: it also runs in a signal handler. */
static int give_up(uint64_t keep)
{
    int error;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return -errno;
    if ((error = cut_bounds()) < 0)
        return error;
    return set_capabilities(keep);
}

static void on_signal(int number)
{
    int before = errno, error = give_up(kept);

    if (error < 0)
        __atomic_store_n(&failed, error, __ATOMIC_RELAXED);
    __atomic_add_fetch(&done, 1, __ATOMIC_RELEASE);
    errno = before;
}

static int wait_for(uint32_t answers)
{
    struct timespec millisecond = {0, 1000000};

    for (int i = 0; i < WAIT_MS; i++) {
        if (__atomic_load_n(&done, __ATOMIC_ACQUIRE) >= answers)
            return __atomic_load_n(&failed, __ATOMIC_RELAXED);
        nanosleep(&millisecond, NULL);
    }
    return -ETIMEDOUT;
}

struct told {
    pid_t threads[THREADS];
    uint32_t n;
};

static int is_told(const struct told *t, pid_t thread)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->threads[i] == thread)
            return 1;
    return 0;
}

/* Tell one thread and wait; 1 if it was told, 0 if it had ended or knew already. */
static int tell(struct told *t, pid_t thread)
{
    uint32_t answers = __atomic_load_n(&done, __ATOMIC_RELAXED) + 1;
    int error;

    if (thread <= 0 || is_told(t, thread))
        return 0;
    if (t->n == THREADS)
        return -EAGAIN;
    if (syscall(SYS_tgkill, getpid(), thread, SIGNAL) < 0)
        return errno == ESRCH ? 0 : -errno;
    error = wait_for(answers);
    t->threads[t->n++] = thread;
    return error < 0 ? error : 1;
}

/* One walk over the threads there are; how many had to be told. */
static int tell_round(struct told *t)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0, told;

    if (!tasks)
        return -errno;
    while (count >= 0 && (entry = readdir(tasks)))
        count = (told = tell(t, (pid_t)atoi(entry->d_name))) < 0 ? told : count + told;
    closedir(tasks);
    return count;
}

static int tell_others(struct told *t)
{
    int count = 1;

    for (int i = 0; i < ROUNDS && count > 0; i++)
        count = tell_round(t);
    return count > 0 ? -EAGAIN : count;
}

int eg_rights_keep(uint64_t keep)
{
    struct told t = {.threads = {(pid_t)syscall(SYS_gettid)}, .n = 1};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    int error;

    kept = keep;
    failed = 0;
    done = 0;
    sigfillset(&action.sa_mask);
    if (sigaction(SIGNAL, &action, &before) < 0)
        return -errno;
    error = tell_others(&t);
    sigaction(SIGNAL, &before, NULL);
    return error < 0 ? error : give_up(keep);
}

int eg_code_freeze(void)
{
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) < 0 && errno != EINVAL)
        return -errno;
    return 0;
}
