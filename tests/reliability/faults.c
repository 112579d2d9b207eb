/* Lets what a process writes below a folder fail, or end it with SIGKILL, at a chosen call; for LD_PRELOAD.

   FAULT_ROOT  the folder
   FAULT_PLAN  kill N      SIGKILL in place of the N-th call that changes something
               tear N      the same, but if it is a write, half of it is done
               once N E    the N-th call fails with the error of number E
               from N E    so does every later one
               full B E    after so many bytes there is no room, for E says so
               stop N      SIGSTOP before the N-th call
   FAULT_SENDING  if it is there, connections and what goes over them are counted, too: `connect`, `send_write`, `recv`
   FAULT_LOG   a file to which each call is added: process, name, bytes, path

   Without a plan and a log it does nothing. Calls are counted from 1, in all threads together. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, KILL, TEAR, ONCE, FROM, FULL, STOP };
static int ready, plan, error_number, counts_sending, log_file = -1;
static long place, root_length;
static char root[PATH_MAX];
static atomic_long calls, bytes;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_ready(void) {
    if (!ready) {
        const char *folder = getenv("FAULT_ROOT");
        if (!folder) return 0;
        char kind[8] = "";
        const char *words = getenv("FAULT_PLAN"), *log = getenv("FAULT_LOG");
        if (words) sscanf(words, "%7s %ld %d", kind, &place, &error_number);
        plan = !strcmp(kind, "kill") ? KILL : !strcmp(kind, "tear") ? TEAR : !strcmp(kind, "once") ? ONCE
             : !strcmp(kind, "from") ? FROM : !strcmp(kind, "full") ? FULL : !strcmp(kind, "stop") ? STOP : NOTHING;
        counts_sending = getenv("FAULT_SENDING") != NULL;
        root_length = (long)strlen(strncpy(root, folder, sizeof root - 1));
        if (log) log_file = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        ready = 1;
    }
    return plan || log_file >= 0;
}

static int is_inside(int folder, const char *path, char *whole) {
    char link[64];
    long length = 0;
    if (!path || path[0] != '/') {
        if (folder == AT_FDCWD) strcpy(link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        length = syscall(SYS_readlinkat, AT_FDCWD, link, whole, PATH_MAX - 1);
        if (length < 0) return 0;
        whole[length] = 0;
        if (counts_sending && !strncmp(whole, "socket:", 7)) {
            snprintf(whole, PATH_MAX, "%s/(a connection)", root);
            return 1;
        }
    }
    if (path) snprintf(whole + length, (size_t)(PATH_MAX - length), "%s%s", length ? "/" : "", path);
    return !strncmp(whole, root, (size_t)root_length) && (whole[root_length] == '/' || !whole[root_length]);
}

static void end_at_once(void) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) pause(); }

/* Counts a call; returns the error that it fails with, 0 if none, and -1 if half of it is done before the end. */
static int due_of(const char *name, int folder, const char *path, int creates, size_t size) {
    char whole[PATH_MAX], line[PATH_MAX + 64];
    int before = errno;
    if (!is_ready() || !is_inside(folder, path, whole)) { errno = before; return 0; }
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (log_file >= 0) {
        int length = snprintf(line, sizeof line, "%d %s %zu %s\n", getpid(), name, size, whole + root_length);
        syscall(SYS_write, log_file, line, (size_t)length);
    }
    errno = before;
    if (plan == STOP && number == place) syscall(SYS_kill, getpid(), SIGSTOP);
    if (plan == KILL && number == place) end_at_once();
    if (plan == TEAR && number == place) { if (!strstr(name, "write")) end_at_once(); return -1; }
    if ((plan == ONCE && number == place) || (plan == FROM && number >= place)) return error_number;
    if (plan == FULL && creates && atomic_load(&bytes) >= place) return error_number;
    return 0;
}

static int due(const char *name, int folder, const char *path, int creates) { return due_of(name, folder, path, creates, 0); }

#define FAIL_IF_DUE(name, folder, path, creates) \
    do { int number = due(name, folder, path, creates); if (number > 0) { errno = number; return -1; } } while (0)

/* How many of the bytes of a write are to be written; -1 if it fails. */
static ssize_t room(const char *name, int file, size_t size) {
    int number = due_of(name, file, NULL, 0, size);
    if (number > 0) { errno = number; return -1; }
    if (number < 0) return (ssize_t)(size / 2);
    if (plan == FULL && size) {
        char whole[PATH_MAX];
        if (!is_inside(file, NULL, whole)) return (ssize_t)size;
        long left = place - atomic_fetch_add(&bytes, (long)size);
        if (left <= 0) { errno = error_number; return -1; }
        if ((size_t)left < size) return left;
    }
    return (ssize_t)size;
}

static void end_if_torn(ssize_t room, size_t size) { if (plan == TEAR && (size_t)room < size) end_at_once(); }

#define OPENS(name)                                                                  \
    int name(const char *path, int flags, ...) {                                     \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        if (flags & (O_CREAT | O_TRUNC)) FAIL_IF_DUE(#name, AT_FDCWD, path, 1);      \
        return REAL(name)(path, flags, mode);                                        \
    }
OPENS(open)
OPENS(open64)
#define OPENS_AT(name)                                                               \
    int name(int folder, const char *path, int flags, ...) {                         \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        if (flags & (O_CREAT | O_TRUNC)) FAIL_IF_DUE(#name, folder, path, 1);        \
        return REAL(name)(folder, path, flags, mode);                                \
    }
OPENS_AT(openat)
OPENS_AT(openat64)
#define OPENS_STREAM(name)                                                           \
    FILE *name(const char *path, const char *mode) {                                 \
        if (strpbrk(mode, "wa+")) {                                                  \
            int number = due(#name, AT_FDCWD, path, 1);                              \
            if (number > 0) { errno = number; return NULL; }                         \
        }                                                                            \
        return REAL(name)(path, mode);                                               \
    }
OPENS_STREAM(fopen)
OPENS_STREAM(fopen64)

ssize_t write(int file, const void *data, size_t size) {
    ssize_t some = room("write", file, size);
    if (some < 0) return -1;
    ssize_t written = REAL(write)(file, data, (size_t)some);
    end_if_torn(some, size);
    return written;
}
#define WRITES_AT(name, offset_t)                                                    \
    ssize_t name(int file, const void *data, size_t size, offset_t offset) {         \
        ssize_t some = room(#name, file, size);                                      \
        if (some < 0) return -1;                                                     \
        ssize_t written = REAL(name)(file, data, (size_t)some, offset);              \
        end_if_torn(some, size);                                                     \
        return written;                                                              \
    }
WRITES_AT(pwrite, off_t)
WRITES_AT(pwrite64, off64_t)
ssize_t writev(int file, const struct iovec *parts, int count) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    ssize_t some = room("writev", file, size);
    if (some < 0) return -1;
    ssize_t written = (size_t)some < size ? REAL(write)(file, parts[0].iov_base, (size_t)some < parts[0].iov_len ? (size_t)some : parts[0].iov_len)
                                          : REAL(writev)(file, parts, count);
    end_if_torn(some, size);
    return written;
}

int connect(int file, const struct sockaddr *to, socklen_t size) {
    if (is_ready() && counts_sending && (to->sa_family == AF_INET || to->sa_family == AF_INET6)) FAIL_IF_DUE("connect", file, NULL, 0);
    return REAL(connect)(file, to, size);
}
/* After an error a connection is at its end, in both directions. */
static ssize_t broken(int file, int number) { shutdown(file, SHUT_RDWR); errno = number; return -1; }

ssize_t send(int file, const void *data, size_t size, int flags) {
    ssize_t some = is_ready() && counts_sending ? room("send_write", file, size) : (ssize_t)size;
    if (some < 0) return broken(file, errno);
    ssize_t written = REAL(send)(file, data, (size_t)some, flags);
    end_if_torn(some, size);
    return written;
}
ssize_t recv(int file, void *data, size_t size, int flags) {
    int number = is_ready() && counts_sending ? due("recv", file, NULL, 0) : 0;
    if (number > 0) return broken(file, number);
    return REAL(recv)(file, data, size, flags);
}

#define ON_PATH(name)       int name(const char *path) { FAIL_IF_DUE(#name, AT_FDCWD, path, 0); return REAL(name)(path); }
#define ON_FILE(name)       int name(int file) { FAIL_IF_DUE(#name, file, NULL, 0); return REAL(name)(file); }
#define SIZES(name, off)    int name(int file, off size) { FAIL_IF_DUE(#name, file, NULL, 0); return REAL(name)(file, size); }
ON_PATH(unlink)
ON_PATH(rmdir)
ON_FILE(fsync)
ON_FILE(fdatasync)
SIZES(ftruncate, off_t)
SIZES(ftruncate64, off64_t)
int unlinkat(int folder, const char *path, int flags) {
    FAIL_IF_DUE("unlinkat", folder, path, 0);
    return REAL(unlinkat)(folder, path, flags);
}
int mkdir(const char *path, mode_t mode) { FAIL_IF_DUE("mkdir", AT_FDCWD, path, 1); return REAL(mkdir)(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) {
    FAIL_IF_DUE("mkdirat", folder, path, 1);
    return REAL(mkdirat)(folder, path, mode);
}
int rename(const char *from, const char *to) { FAIL_IF_DUE("rename", AT_FDCWD, to, 0); return REAL(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) {
    FAIL_IF_DUE("renameat", b, to, 0);
    return REAL(renameat)(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    FAIL_IF_DUE("renameat2", b, to, 0);
    return REAL(renameat2)(a, from, b, to, flags);
}
int link(const char *from, const char *to) { FAIL_IF_DUE("link", AT_FDCWD, to, 1); return REAL(link)(from, to); }
int symlink(const char *to, const char *path) { FAIL_IF_DUE("symlink", AT_FDCWD, path, 1); return REAL(symlink)(to, path); }
int chmod(const char *path, mode_t mode) { FAIL_IF_DUE("chmod", AT_FDCWD, path, 0); return REAL(chmod)(path, mode); }
int fchmod(int file, mode_t mode) { FAIL_IF_DUE("fchmod", file, NULL, 0); return REAL(fchmod)(file, mode); }
int fchmodat(int folder, const char *path, mode_t mode, int flags) {
    FAIL_IF_DUE("fchmodat", folder, path, 0);
    return REAL(fchmodat)(folder, path, mode, flags);
}
int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
    FAIL_IF_DUE("utimensat", folder, path, 0);
    return REAL(utimensat)(folder, path, times, flags);
}
int posix_fallocate(int file, off_t offset, off_t size) {
    int number = due("posix_fallocate", file, NULL, 0);
    return number > 0 ? number : REAL(posix_fallocate)(file, offset, size);
}
int posix_fallocate64(int file, off64_t offset, off64_t size) {
    int number = due("posix_fallocate64", file, NULL, 0);
    return number > 0 ? number : REAL(posix_fallocate64)(file, offset, size);
}
int fallocate(int file, int mode, off_t offset, off_t size) {
    FAIL_IF_DUE("fallocate", file, NULL, 0);
    return REAL(fallocate)(file, mode, offset, size);
}
int fallocate64(int file, int mode, off64_t offset, off64_t size) {
    FAIL_IF_DUE("fallocate64", file, NULL, 0);
    return REAL(fallocate64)(file, mode, offset, size);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
    ssize_t some = room("sendfile_write", to, size < 1 << 20 ? size : 1 << 20);
    if (some < 0) return -1;
    ssize_t written = REAL(sendfile)(to, from, offset, (size_t)some);
    end_if_torn(some, size < 1 << 20 ? size : 1 << 20);
    return written;
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t size) {
    ssize_t some = room("sendfile64_write", to, size < 1 << 20 ? size : 1 << 20);
    if (some < 0) return -1;
    ssize_t written = REAL(sendfile64)(to, from, offset, (size_t)some);
    end_if_torn(some, size < 1 << 20 ? size : 1 << 20);
    return written;
}
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags) {
    FAIL_IF_DUE("copy_file_range", to, NULL, 1);
    return REAL(copy_file_range)(from, a, to, b, size, flags);
}
