/* Records what a program does to a folder and what it promises meanwhile, in one true order.
 *
 * Preloaded (LD_PRELOAD) into an unmodified program. Environment:
 *   POWER_ROOT  the folder
 *   POWER_LOG   the log, outside the folder
 *   POWER_ACK   "stdout": what goes to standard output is a promise, too, beside what goes over AF_UNIX stream sockets
 *   POWER_LIE   "1": every sync says it was done and was not
 *   POWER_SYNC  "NORMAL" or "OFF": syncs of SQLite that this setting would leave out are left out (README.md)
 *
 * One lock, over all threads and processes, is held across each real call and its record. No table of descriptors is
 * kept: what a descriptor is, /proc/self/fd says at each call, so no dup, exec or passed descriptor can be missed.
 * What cannot be recorded ends the program with SIGABRT and leaves a record of that. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* The kinds of records; cuts.py has the same list. */
enum kind {
    K_CREATE = 1, /* path, ino */
    K_WRITE,      /* ino, offset, data */
    K_SIZE,       /* ino, offset: the new length */
    K_SYNC,       /* ino of a file or folder */
    K_SYNC_ALL,
    K_RENAME, /* path, second: from, to */
    K_UNLINK, /* path */
    K_MKDIR,  /* path, ino */
    K_RMDIR,  /* path */
    K_LINK,   /* path, second: the file, its new name */
    K_SYMLINK,/* path, second: the link, what it says */
    K_ACK,    /* ino of the socket or pipe, data */
    K_DROPPED,/* ino: a sync that was said to be done and was not */
    K_SPECIAL,/* path: a socket or device */
    K_START,  /* path: a process began */
    K_DIED,   /* path: why recording ended */
};

struct header {
    uint32_t kind, pid;
    uint64_t ino, offset;
    uint32_t path, second; /* lengths of what follows; data counts as `second` */
};

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1, lies, ack_stdout;
static enum { FULL, NORMAL, OFF } sync_mode;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sigset_t signals_before; /* guarded by the mutex */

static void locked(short type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    while (fcntl(log_fd, F_SETLKW, &lock) != 0)
        if (errno != EINTR) abort();
}

/* Signals wait meanwhile: a handler may write, too. */
static void enter(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&mutex);
    signals_before = before;
    locked(F_WRLCK);
}

static void leave(void) {
    int kept = errno;
    sigset_t before = signals_before;
    locked(F_UNLCK);
    pthread_mutex_unlock(&mutex);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = kept;
}

static void put(enum kind kind, uint64_t ino, uint64_t offset, const char *path, const void *second, size_t length) {
    int kept = errno;
    struct header header = {kind, (uint32_t)getpid(), ino, offset, path ? (uint32_t)strlen(path) : 0, (uint32_t)length};
    struct iovec parts[3] = {
        {&header, sizeof header}, {(void *)(uintptr_t)path, header.path}, {(void *)(uintptr_t)second, length}};
    size_t all = sizeof header + header.path + length;
    if (REAL(writev)(log_fd, parts, 3) != (ssize_t)all) {
        fprintf(stderr, "power recorder: cannot write the log: %s\n", strerror(errno));
        abort();
    }
    errno = kept;
}

static void die(const char *what, const char *path) {
    char why[PATH_MAX + 200];
    snprintf(why, sizeof why, "%s: %s", what, path);
    fprintf(stderr, "power recorder: cannot record %s\n", why);
    put(K_DIED, 0, 0, why, NULL, 0);
    abort();
}

static void before_fork(void) { pthread_mutex_lock(&mutex); }
static void after_fork(void) { pthread_mutex_unlock(&mutex); }

__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("POWER_ROOT"), *log = getenv("POWER_LOG"), *set;
    if (log_fd >= 0 || !folder || !log) return;
    if (!realpath(folder, root)) {
        fprintf(stderr, "power recorder: no folder POWER_ROOT\n");
        abort();
    }
    root_length = strlen(root);
    lies = (set = getenv("POWER_LIE")) && !strcmp(set, "1");
    ack_stdout = (set = getenv("POWER_ACK")) && !strcmp(set, "stdout");
    if ((set = getenv("POWER_SYNC")) && strcmp(set, "FULL") != 0) {
        if (strcmp(set, "NORMAL") != 0 && strcmp(set, "OFF") != 0) {
            fprintf(stderr, "power recorder: POWER_SYNC is FULL, NORMAL or OFF\n");
            abort();
        }
        sync_mode = strcmp(set, "OFF") ? NORMAL : OFF;
    }
    int low = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int high = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, 900);
    if (high < 0) {
        fprintf(stderr, "power recorder: cannot open the log: %s\n", strerror(errno));
        abort();
    }
    REAL(close)(low);
    log_fd = high;
    pthread_atfork(before_fork, after_fork, after_fork);
    char program[PATH_MAX];
    ssize_t length = REAL(readlink)("/proc/self/exe", program, sizeof program - 1);
    program[length < 0 ? 0 : length] = 0;
    enter();
    put(K_START, 0, 0, program, NULL, 0);
    leave();
}

static int recording(void) {
    if (log_fd < 0) start();
    return log_fd >= 0;
}

/* --- which files count --- */

/* The part of a path after the root; NULL if it is not in it. */
static const char *below(const char *path) {
    if (strncmp(path, root, root_length) != 0) return NULL;
    if (path[root_length] == 0) return "";
    return path[root_length] == '/' ? path + root_length + 1 : NULL;
}

/* SQLite's shared index of the WAL: made anew from the WAL after every start. */
static int volatile_name(const char *path) {
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    const char *shm = strstr(name, "-shm");
    return shm && (shm[4] == 0 || shm[4] == '.' || shm[4] == ' ');
}

static int has_suffix(const char *path, const char *suffix) {
    size_t length = strlen(path), wanted = strlen(suffix);
    return length >= wanted && !strcmp(path + length - wanted, suffix);
}

/* Where a descriptor leads, as the kernel says it. */
static void leads(int fd, char path[PATH_MAX]) {
    char link[40];
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = REAL(readlink)(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    char *gone = strstr(path, " (deleted)");
    if (gone && gone[10] == 0) *gone = 0;
    errno = kept;
}

/* The path below the root of an open file that is recorded, or NULL. */
static const char *recorded(int fd, char path[PATH_MAX]) {
    if (!recording()) return NULL;
    leads(fd, path);
    const char *short_path = below(path);
    return short_path && !volatile_name(short_path) ? short_path : NULL;
}

static uint64_t ino_of(int fd) {
    struct stat about;
    return REAL(fstat)(fd, &about) == 0 ? about.st_ino : 0;
}

/* The path below the root of a name in a folder, whether the name is there or not; NULL if it is outside. */
static const char *named(int folder, const char *name, char path[PATH_MAX]) {
    if (!recording()) return NULL;
    char copy[PATH_MAX];
    int kept = errno;
    if (!name || strlen(name) >= sizeof copy) return NULL;
    strcpy(copy, name);
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/') copy[--length] = 0;
    char *slash = strrchr(copy, '/'), *last = slash ? slash + 1 : copy;
    const char *parent = !slash ? "." : slash == copy ? "/" : copy;
    char base[NAME_MAX + 2];
    if (strlen(last) > NAME_MAX) return NULL;
    strcpy(base, last);
    if (slash) *slash = 0;
    int fd = REAL(openat)(folder, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    errno = kept;
    if (fd < 0) return NULL;
    leads(fd, path);
    REAL(close)(fd);
    errno = kept;
    if (strlen(path) + strlen(base) + 2 > PATH_MAX) return NULL;
    if (!below(path)) return NULL;
    if (!strcmp(base, ".") || !strcmp(base, "..") || !*base) return below(path);
    strcat(path, "/");
    strcat(path, base);
    return below(path);
}

/* --- opening --- */

typedef int opener(int folder, const char *path, int flags, mode_t mode);

static int opened(opener *call, int folder, const char *path, int flags, mode_t mode) {
    int changes = flags & (O_CREAT | O_TRUNC), temporary = (flags & O_TMPFILE) == O_TMPFILE;
    if (!recording() || !(changes || temporary)) return call(folder, path, flags, mode);
    enter();
    struct stat about;
    int kept = errno, there = REAL(fstatat)(folder, path, &about, 0) == 0;
    errno = kept;
    int fd = call(folder, path, flags, mode);
    char real_path[PATH_MAX];
    const char *name = fd >= 0 ? recorded(fd, real_path) : NULL;
    if (name) {
        if (temporary) die("a file without a name", name);
        if ((flags & O_CREAT) && !there) put(K_CREATE, ino_of(fd), 0, name, NULL, 0);
        else if ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY) put(K_SIZE, ino_of(fd), 0, NULL, NULL, 0);
    }
    leave();
    return fd;
}

static int real_openat(int folder, const char *path, int flags, mode_t mode) {
    return REAL(openat)(folder, path, flags, mode);
}

#define MODE(flags, last) \
    mode_t mode = 0; \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list more; \
        va_start(more, last); \
        mode = (mode_t)va_arg(more, int); \
        va_end(more); \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, flags)
    return opened(real_openat, AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags, flags)
    return opened(real_openat, AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags, flags)
    return opened(real_openat, folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags, flags)
    return opened(real_openat, folder, path, flags, mode);
}
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags) { return opened(real_openat, AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags) { return opened(real_openat, AT_FDCWD, path, flags, 0); }
int __openat_2(int folder, const char *path, int flags);
int __openat_2(int folder, const char *path, int flags) { return opened(real_openat, folder, path, flags, 0); }
int __openat64_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags) { return opened(real_openat, folder, path, flags, 0); }
int creat(const char *path, mode_t mode) {
    return opened(real_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) {
    return opened(real_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* stdio writes past the interposed calls. */
static void no_stdio(const char *path, const char *mode) {
    char real_path[PATH_MAX];
    const char *name = path && strpbrk(mode, "wa+") ? named(AT_FDCWD, path, real_path) : NULL;
    if (name) die("a file written with stdio", name);
}
FILE *fopen(const char *path, const char *mode) {
    no_stdio(path, mode);
    return REAL(fopen)(path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
    no_stdio(path, mode);
    return REAL(fopen64)(path, mode);
}
FILE *freopen(const char *path, const char *mode, FILE *stream) {
    no_stdio(path, mode);
    return REAL(freopen)(path, mode, stream);
}
FILE *freopen64(const char *path, const char *mode, FILE *stream) {
    no_stdio(path, mode);
    return REAL(freopen64)(path, mode, stream);
}
FILE *fdopen(int fd, const char *mode) {
    char path[PATH_MAX];
    const char *name = strpbrk(mode, "wa+") ? recorded(fd, path) : NULL;
    if (name) die("a file written with stdio", name);
    return REAL(fdopen)(fd, mode);
}

#define NO_TEMPORARY(call, pattern) \
    do { \
        char path[PATH_MAX]; \
        const char *name = named(AT_FDCWD, pattern, path); \
        if (name) die("a temporary name", name); \
        return call; \
    } while (0)
int mkstemp(char *pattern) { NO_TEMPORARY(REAL(mkstemp)(pattern), pattern); }
int mkstemp64(char *pattern) { NO_TEMPORARY(REAL(mkstemp64)(pattern), pattern); }
int mkostemp(char *pattern, int flags) { NO_TEMPORARY(REAL(mkostemp)(pattern, flags), pattern); }
int mkostemp64(char *pattern, int flags) { NO_TEMPORARY(REAL(mkostemp64)(pattern, flags), pattern); }
int mkstemps(char *pattern, int suffix) { NO_TEMPORARY(REAL(mkstemps)(pattern, suffix), pattern); }
int mkostemps(char *pattern, int suffix, int flags) { NO_TEMPORARY(REAL(mkostemps)(pattern, suffix, flags), pattern); }
char *mkdtemp(char *pattern) { NO_TEMPORARY(REAL(mkdtemp)(pattern), pattern); }

/* --- writing --- */

/* WAL files with frames since their last sync: what tells a commit's sync from a checkpoint's. */
static struct { uint64_t ino; int frames; } wals[64];

static int *wal_frames(uint64_t ino) {
    for (size_t index = 0; index < sizeof wals / sizeof *wals; index++) {
        if (wals[index].ino == 0) wals[index].ino = ino;
        if (wals[index].ino == ino) return &wals[index].frames;
    }
    die("so many WAL files", "");
    return NULL;
}

static void wrote(const char *name, uint64_t ino, off_t offset, const void *data, size_t length) {
    put(K_WRITE, ino, (uint64_t)offset, NULL, data, length);
    if (has_suffix(name, "-wal") && !(offset == 0 && length == 32)) *wal_frames(ino) = 1;
}

/* Where a write that has just been made began. */
static off_t began(int fd, ssize_t length, int at_position, off_t offset) {
    if (at_position) return lseek(fd, 0, SEEK_CUR) - length;
    struct stat about;
    if (fcntl(fd, F_GETFL) & O_APPEND) return REAL(fstat)(fd, &about) == 0 ? about.st_size - length : 0;
    return offset;
}

static int promises(int fd) {
    if (!recording()) return 0;
    if (fd == STDOUT_FILENO && ack_stdout) return 1;
    int kept = errno, domain = 0, type = 0;
    socklen_t size = sizeof domain;
    int unix_stream = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
    size = sizeof type;
    unix_stream = unix_stream && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
    errno = kept;
    return unix_stream;
}

/* Waits until a blocking write would not block: the lock is not held over a wait for a reader. */
static void until_writable(int fd) {
    int kept = errno;
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    if (!(fcntl(fd, F_GETFL) & O_NONBLOCK))
        while (poll(&wait, 1, -1) < 0 && errno == EINTR) {}
    errno = kept;
}

static char *gathered(const struct iovec *parts, int count, size_t length) {
    char *all = malloc(length ? length : 1);
    if (!all) abort();
    size_t at = 0;
    for (int index = 0; index < count && at < length; index++) {
        size_t take = parts[index].iov_len < length - at ? parts[index].iov_len : length - at;
        if (take) memcpy(all + at, parts[index].iov_base, take);
        at += take;
    }
    return all;
}

#define WRITES(call, at_position, offset, data) \
    do { \
        char path[PATH_MAX]; \
        const char *name = recorded(fd, path); \
        int promise = !name && promises(fd); \
        if (!name && !promise) return call; \
        if (promise) until_writable(fd); \
        enter(); \
        ssize_t done = call; \
        if (done > 0 && name) wrote(name, ino_of(fd), began(fd, done, at_position, offset), data, (size_t)done); \
        if (done > 0 && promise) put(K_ACK, ino_of(fd), 0, NULL, data, (size_t)done); \
        leave(); \
        return done; \
    } while (0)
#define WRITES_PARTS(call, at_position, offset) \
    do { \
        char path[PATH_MAX]; \
        const char *name = recorded(fd, path); \
        int promise = !name && promises(fd); \
        if (!name && !promise) return call; \
        if (promise) until_writable(fd); \
        enter(); \
        ssize_t done = call; \
        if (done > 0) { \
            char *data = gathered(parts, count, (size_t)done); \
            if (name) wrote(name, ino_of(fd), began(fd, done, at_position, offset), data, (size_t)done); \
            else put(K_ACK, ino_of(fd), 0, NULL, data, (size_t)done); \
            free(data); \
        } \
        leave(); \
        return done; \
    } while (0)

ssize_t write(int fd, const void *data, size_t length) { WRITES(REAL(write)(fd, data, length), 1, 0, data); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    WRITES(REAL(pwrite)(fd, data, length, offset), 0, offset, data);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    WRITES(REAL(pwrite64)(fd, data, length, offset), 0, offset, data);
}
ssize_t writev(int fd, const struct iovec *parts, int count) { WRITES_PARTS(REAL(writev)(fd, parts, count), 1, 0); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    WRITES_PARTS(REAL(pwritev)(fd, parts, count, offset), 0, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    WRITES_PARTS(REAL(pwritev64)(fd, parts, count, offset), 0, offset);
}
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    char where[PATH_MAX];
    const char *file = recorded(fd, where);
    if (file && flags) die("pwritev2 with flags", file);
    WRITES_PARTS(REAL(pwritev2)(fd, parts, count, offset, flags), offset == -1, offset);
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags) {
    char where[PATH_MAX];
    const char *file = recorded(fd, where);
    if (file && flags) die("pwritev64v2 with flags", file);
    WRITES_PARTS(REAL(pwritev64v2)(fd, parts, count, offset, flags), offset == -1, offset);
}

/* What the kernel copied into a file, read back. */
static void copied(int fd, const char *name, off_t offset, size_t length) {
    char link[40], *data = malloc(length);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = REAL(openat)(AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    if (!data || again < 0 || REAL(pread)(again, data, length, offset) != (ssize_t)length) die("a copy", name);
    REAL(close)(again);
    wrote(name, ino_of(fd), offset, data, length);
    free(data);
}
ssize_t copy_file_range(int from, off64_t *from_at, int fd, off64_t *to_at, size_t length, unsigned flags) {
    char path[PATH_MAX];
    const char *name = recorded(fd, path);
    if (!name) return REAL(copy_file_range)(from, from_at, fd, to_at, length, flags);
    enter();
    ssize_t done = REAL(copy_file_range)(from, from_at, fd, to_at, length, flags);
    if (done > 0) copied(fd, name, to_at ? *to_at - done : lseek(fd, 0, SEEK_CUR) - done, (size_t)done);
    leave();
    return done;
}
static ssize_t sent(int fd, int from, off_t *at, size_t length) {
    char path[PATH_MAX];
    const char *name = recorded(fd, path);
    if (!name) {
        if (promises(fd)) die("a file sent as a promise", "");
        return REAL(sendfile)(fd, from, at, length);
    }
    enter();
    ssize_t done = REAL(sendfile)(fd, from, at, length);
    if (done > 0) copied(fd, name, lseek(fd, 0, SEEK_CUR) - done, (size_t)done);
    leave();
    return done;
}
ssize_t sendfile(int fd, int from, off_t *at, size_t length) { return sent(fd, from, at, length); }
ssize_t sendfile64(int fd, int from, off64_t *at, size_t length) { return sent(fd, from, at, length); }
ssize_t splice(int from, off64_t *from_at, int fd, off64_t *to_at, size_t length, unsigned flags) {
    char path[PATH_MAX];
    const char *name = recorded(fd, path);
    if (name || promises(fd)) die("splice", name ? name : "a promise");
    return REAL(splice)(from, from_at, fd, to_at, length, flags);
}

/* --- lengths --- */

static void resized(int fd, int done) {
    struct stat about;
    if (done == 0 && REAL(fstat)(fd, &about) == 0) put(K_SIZE, about.st_ino, (uint64_t)about.st_size, NULL, NULL, 0);
}
static int truncated(int fd, off_t length) {
    char path[PATH_MAX];
    if (!recorded(fd, path)) return REAL(ftruncate)(fd, length);
    enter();
    int done = REAL(ftruncate)(fd, length);
    resized(fd, done);
    leave();
    return done;
}
int ftruncate(int fd, off_t length) { return truncated(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncated(fd, length); }
static int truncated_path(const char *path, off_t length) {
    struct stat about;
    char real_path[PATH_MAX];
    if (!recording() || !realpath(path, real_path) || !below(real_path) || volatile_name(real_path))
        return REAL(truncate)(path, length);
    enter();
    int done = REAL(truncate)(path, length);
    if (done == 0 && REAL(stat)(path, &about) == 0) put(K_SIZE, about.st_ino, (uint64_t)length, NULL, NULL, 0);
    leave();
    return done;
}
int truncate(const char *path, off_t length) { return truncated_path(path, length); }
int truncate64(const char *path, off64_t length) { return truncated_path(path, length); }
static int allocated(int fd, int mode, off_t offset, off_t length) {
    char path[PATH_MAX];
    const char *name = recorded(fd, path);
    if (!name) return REAL(fallocate)(fd, mode, offset, length);
    if (mode & ~FALLOC_FL_KEEP_SIZE) die("fallocate that changes content", name);
    enter();
    int done = REAL(fallocate)(fd, mode, offset, length);
    resized(fd, done);
    leave();
    return done;
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return allocated(fd, mode, offset, length); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return allocated(fd, mode, offset, length); }
static int allocated_posix(int fd, off_t offset, off_t length) {
    char path[PATH_MAX];
    if (!recorded(fd, path)) return REAL(posix_fallocate)(fd, offset, length);
    enter();
    int done = REAL(posix_fallocate)(fd, offset, length);
    resized(fd, done);
    leave();
    return done;
}
int posix_fallocate(int fd, off_t offset, off_t length) { return allocated_posix(fd, offset, length); }
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return allocated_posix(fd, offset, length); }

/* --- syncing --- */

/* Whether a database of SQLite or its folder is synced: what OFF leaves out. */
static int of_sqlite(int fd, const char *name) {
    static const char *const ends[] = {".db", ".db-wal", ".db-journal"};
    for (size_t index = 0; index < sizeof ends / sizeof *ends; index++)
        if (has_suffix(name, ends[index])) return 1;
    struct stat about;
    return REAL(fstat)(fd, &about) == 0 && S_ISDIR(about.st_mode) && faccessat(fd, "hilum.db", F_OK, 0) == 0;
}

static int left_out(int fd, const char *name) {
    if (lies) return 1;
    if (sync_mode == OFF) return of_sqlite(fd, name);
    if (sync_mode != NORMAL || !has_suffix(name, "-wal")) return 0;
    int *frames = wal_frames(ino_of(fd)), commit = *frames;
    *frames = 0;
    return commit;
}

static int synced(int fd, int data_only) {
    char path[PATH_MAX];
    const char *name = recorded(fd, path);
    if (!name) return data_only ? REAL(fdatasync)(fd) : REAL(fsync)(fd);
    enter();
    int kept = errno, drop = left_out(fd, name);
    errno = kept;
    int done = drop ? 0 : data_only ? REAL(fdatasync)(fd) : REAL(fsync)(fd);
    if (done == 0) put(drop ? K_DROPPED : K_SYNC, ino_of(fd), 0, NULL, NULL, 0);
    leave();
    return done;
}
int fsync(int fd) { return synced(fd, 0); }
int fdatasync(int fd) { return synced(fd, 1); }
int syncfs(int fd) {
    char path[PATH_MAX];
    if (!recorded(fd, path)) return REAL(syncfs)(fd);
    enter();
    int done = lies ? 0 : REAL(syncfs)(fd);
    if (done == 0) put(lies ? K_DROPPED : K_SYNC_ALL, 0, 0, NULL, NULL, 0);
    leave();
    return done;
}
void sync(void) {
    if (!recording()) {
        REAL(sync)();
        return;
    }
    enter();
    if (!lies) REAL(sync)();
    put(lies ? K_DROPPED : K_SYNC_ALL, 0, 0, NULL, NULL, 0);
    leave();
}
/* Promises nothing: its manual page says so. Interposed to be seen as such. */
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags) {
    return REAL(sync_file_range)(fd, offset, length, flags);
}
int msync(void *at, size_t length, int flags) { return REAL(msync)(at, length, flags); }

/* --- names --- */

static int renamed(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    char from_path[PATH_MAX], to_path[PATH_MAX];
    if (!recording()) return REAL(renameat2)(from_folder, from, to_folder, to, flags);
    enter();
    const char *old = named(from_folder, from, from_path), *new = named(to_folder, to, to_path);
    int done = flags ? REAL(renameat2)(from_folder, from, to_folder, to, flags)
                     : REAL(renameat)(from_folder, from, to_folder, to);
    if (done == 0 && (old || new)) {
        if (!old || !new) die("a file that is moved over the root's edge", old ? old : new);
        if (volatile_name(old) != volatile_name(new)) die("a volatile file that becomes another", old);
        if (flags & ~(unsigned)RENAME_NOREPLACE) die("an exchange of names", old);
        if (!volatile_name(old)) put(K_RENAME, 0, 0, old, new, strlen(new));
    }
    leave();
    return done;
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renamed(from_folder, from, to_folder, to, 0);
}
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    return renamed(from_folder, from, to_folder, to, flags);
}

static int removed(int folder, const char *path, int flags) {
    char real_path[PATH_MAX];
    if (!recording()) return REAL(unlinkat)(folder, path, flags);
    enter();
    const char *name = named(folder, path, real_path);
    int done = REAL(unlinkat)(folder, path, flags);
    if (done == 0 && name && !volatile_name(name)) put(flags & AT_REMOVEDIR ? K_RMDIR : K_UNLINK, 0, 0, name, NULL, 0);
    leave();
    return done;
}
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return removed(folder, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    struct stat about;
    int kept = errno, folder = REAL(lstat)(path, &about) == 0 && S_ISDIR(about.st_mode);
    errno = kept;
    return removed(AT_FDCWD, path, folder ? AT_REMOVEDIR : 0);
}

static int made(int folder, const char *path, mode_t mode) {
    char real_path[PATH_MAX];
    struct stat about;
    if (!recording()) return REAL(mkdirat)(folder, path, mode);
    enter();
    const char *name = named(folder, path, real_path);
    int done = REAL(mkdirat)(folder, path, mode);
    if (done == 0 && name) {
        if (REAL(fstatat)(folder, path, &about, AT_SYMLINK_NOFOLLOW) != 0) die("a new folder", name);
        put(K_MKDIR, about.st_ino, 0, name, NULL, 0);
    }
    leave();
    return done;
}
int mkdir(const char *path, mode_t mode) { return made(AT_FDCWD, path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return made(folder, path, mode); }

static int linked(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    char from_path[PATH_MAX], to_path[PATH_MAX];
    if (!recording()) return REAL(linkat)(from_folder, from, to_folder, to, flags);
    enter();
    const char *old = named(from_folder, from, from_path), *new = named(to_folder, to, to_path);
    int done = REAL(linkat)(from_folder, from, to_folder, to, flags);
    if (done == 0 && new) {
        if (!old || (flags & (AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))) die("a link from outside", new);
        if (volatile_name(old) != volatile_name(new)) die("a volatile file that becomes another", old);
        if (!volatile_name(old)) put(K_LINK, 0, 0, old, new, strlen(new));
    }
    leave();
    return done;
}
int link(const char *from, const char *to) { return linked(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    return linked(from_folder, from, to_folder, to, flags);
}

int symlinkat(const char *says, int folder, const char *path) {
    char real_path[PATH_MAX];
    if (!recording()) return REAL(symlinkat)(says, folder, path);
    enter();
    const char *name = named(folder, path, real_path);
    int done = REAL(symlinkat)(says, folder, path);
    if (done == 0 && name) put(K_SYMLINK, 0, 0, name, says, strlen(says));
    leave();
    return done;
}
int symlink(const char *says, const char *path) { return symlinkat(says, AT_FDCWD, path); }

int mknodat(int folder, const char *path, mode_t mode, dev_t device) {
    char real_path[PATH_MAX];
    const char *name = named(folder, path, real_path);
    if (name) die("a device", name);
    return REAL(mknodat)(folder, path, mode, device);
}
int mknod(const char *path, mode_t mode, dev_t device) { return mknodat(AT_FDCWD, path, mode, device); }
int mkfifo(const char *path, mode_t mode) { return mknodat(AT_FDCWD, path, mode | S_IFIFO, 0); }
int mkfifoat(int folder, const char *path, mode_t mode) { return mknodat(folder, path, mode | S_IFIFO, 0); }

int bind(int fd, const struct sockaddr *address, socklen_t size) {
    char real_path[PATH_MAX];
    if (!recording() || !address || address->sa_family != AF_UNIX) return REAL(bind)(fd, address, size);
    const struct sockaddr_un *socket = (const struct sockaddr_un *)(const void *)address;
    char wanted[sizeof socket->sun_path + 1] = {0};
    size_t head = offsetof(struct sockaddr_un, sun_path);
    if (size > head) memcpy(wanted, socket->sun_path, size - head < sizeof wanted ? size - head : sizeof wanted - 1);
    enter();
    const char *name = *wanted ? named(AT_FDCWD, wanted, real_path) : NULL;
    int done = REAL(bind)(fd, address, size);
    if (done == 0 && name) put(K_SPECIAL, 0, 0, name, NULL, 0);
    leave();
    return done;
}

/* --- promises --- */

#define SENDS(call, bytes) \
    do { \
        if (!promises(fd)) return call; \
        if (!(flags & MSG_DONTWAIT)) until_writable(fd); \
        enter(); \
        ssize_t done = call; \
        if (done > 0) { \
            char *promised = bytes; \
            put(K_ACK, ino_of(fd), 0, NULL, promised, (size_t)done); \
            free(promised); \
        } \
        leave(); \
        return done; \
    } while (0)
static char *same(const void *data, size_t length) {
    struct iovec part = {(void *)(uintptr_t)data, length};
    return gathered(&part, 1, length);
}
ssize_t send(int fd, const void *data, size_t length, int flags) {
    SENDS(REAL(send)(fd, data, length, flags), same(data, (size_t)done));
}
ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    SENDS(REAL(sendto)(fd, data, length, flags, to, size), same(data, (size_t)done));
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    SENDS(REAL(sendmsg)(fd, message, flags), gathered(message->msg_iov, (int)message->msg_iovlen, (size_t)done));
}
int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
    if (promises(fd)) die("sendmmsg", "a promise");
    return REAL(sendmmsg)(fd, messages, count, flags);
}

/* --- ways around --- */

static void no_mapping(int protection, int flags, int fd) {
    char path[PATH_MAX];
    if (fd < 0 || !(protection & PROT_WRITE) || !(flags & MAP_SHARED)) return;
    const char *name = recorded(fd, path);
    if (name) die("a file that is written through memory", name);
}
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    no_mapping(protection, flags, fd);
    return REAL(mmap)(at, length, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
    no_mapping(protection, flags, fd);
    return REAL(mmap64)(at, length, protection, flags, fd, offset);
}

/* A call by number that could change the folder or give a promise is refused, wherever it leads. */
long syscall(long number, ...) {
    long words[6];
    va_list more;
    va_start(more, number);
    for (int index = 0; index < 6; index++) words[index] = va_arg(more, long);
    va_end(more);
    static const long refused[] = {
        SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_ftruncate, SYS_truncate, SYS_fallocate,
        SYS_fsync, SYS_fdatasync, SYS_syncfs, SYS_sync, SYS_renameat2, SYS_unlinkat, SYS_mkdirat, SYS_linkat, SYS_symlinkat,
        SYS_mknodat, SYS_copy_file_range, SYS_sendfile, SYS_splice, SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_openat2,
        SYS_openat, SYS_io_uring_setup, SYS_io_submit, SYS_mmap,
#ifdef SYS_open
        SYS_open, SYS_creat, SYS_rename, SYS_unlink, SYS_mkdir, SYS_rmdir, SYS_link, SYS_symlink, SYS_mknod,
#endif
#ifdef SYS_renameat
        SYS_renameat,
#endif
    };
    if (recording())
        for (size_t index = 0; index < sizeof refused / sizeof *refused; index++)
            if (refused[index] == number) {
                char what[40];
                snprintf(what, sizeof what, "number %ld", number);
                die("a call by number", what);
            }
    return REAL(syscall)(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    char path[PATH_MAX];
    /* FICLONE and FICLONERANGE write without a write. */
    int clones = (request & 0xff00) == 0x9400 && ((request & 0xff) == 9 || (request & 0xff) == 13);
    const char *name = clones ? recorded(fd, path) : NULL;
    if (name) die("a clone of a file", name);
    return REAL(ioctl)(fd, request, argument);
}
