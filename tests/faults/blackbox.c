/* Preloaded into a process that writes a database: keeps a record of every write, truncation and sync of
 * its files, in the order in which the kernel was asked, and of marks that the process makes itself.
 *
 *     record: u8 kind, u8 file, u64 offset, u32 length, then `length` bytes
 *     kind:   'w' write, 't' truncate to offset, 's' sync, 'u' unlink, 'm' mark with number `offset`
 *     file:   0 the database, 1 its write-ahead log
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;

static int which(const char *path)
{
    size_t n = strlen(path);
    if (n >= 4 && !strcmp(path + n - 4, "-wal"))
        return 1;
    return n >= 7 && !strcmp(path + n - 7, ".sqlite") ? 0 : -1;
}

static int file_of(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return -1;
    path[n] = 0;
    return which(path);
}

static void keep(char kind, int file, uint64_t offset, const void *bytes, uint32_t length)
{
    if (out < 0) {
        const char *path = getenv("BLACKBOX");
        out = path ? open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600) : -1;
    }
    uint8_t head[14] = {(uint8_t)kind, (uint8_t)file};
    memcpy(head + 2, &offset, 8);
    memcpy(head + 10, &length, 4);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)bytes, length}};
    if (writev(out, parts, 2) != (ssize_t)(sizeof head + length))
        abort();
}

void blackbox_mark(uint64_t number)
{
    pthread_mutex_lock(&lock);
    keep('m', 0, number, NULL, 0);
    pthread_mutex_unlock(&lock);
}

static ssize_t written(const char *name, int fd, const void *bytes, size_t length, off_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, name);
    int file = file_of(fd);
    if (file < 0)
        return real(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    ssize_t done = real(fd, bytes, length, offset);
    if (done > 0)
        keep('w', file, (uint64_t)offset, bytes, (uint32_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset)
{
    return written("pwrite64", fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return written("pwrite", fd, bytes, length, offset);
}

static int one(const char *name, int fd, char kind)
{
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    int file = file_of(fd);
    if (file < 0)
        return real(fd);
    pthread_mutex_lock(&lock);
    int done = real(fd);
    if (done == 0)
        keep(kind, file, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int fsync(int fd)
{
    return one("fsync", fd, 's');
}

int fdatasync(int fd)
{
    return one("fdatasync", fd, 's');
}

static int cut(const char *name, int fd, off_t length)
{
    int (*real)(int, off_t) = dlsym(RTLD_NEXT, name);
    int file = file_of(fd);
    if (file < 0)
        return real(fd, length);
    pthread_mutex_lock(&lock);
    int done = real(fd, length);
    if (done == 0)
        keep('t', file, (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int fd, off_t length)
{
    return cut("ftruncate", fd, length);
}

int ftruncate64(int fd, off_t length)
{
    return cut("ftruncate64", fd, length);
}
