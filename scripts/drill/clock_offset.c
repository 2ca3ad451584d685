/* A wall clock that is off by a number of nanoseconds in a shared file, for one process tree.
 *
 * Preloaded into every process of a drill, PostgreSQL included; changing the file makes the wall
 * clock of all of them jump at once, as a corrected system clock does. CLOCK_MONOTONIC and sleeping
 * stay as they are, as on a real machine. Waits until an absolute wall time are translated.
 *
 *   cc -shared -fPIC -O2 -o clock_offset.so clock_offset.c -ldl -lpthread
 *   PRECOG_DRILL_CLOCK=/path/offset LD_PRELOAD=./clock_offset.so date
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000LL
/* An absolute wall time; what a monotonic clock shows is smaller for the next thirty years. */
#define IS_WALL(t) ((t)->tv_sec > BILLION)

static const volatile int64_t *shared;

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("PRECOG_DRILL_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *map = mmap(NULL, sizeof *shared, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED)
        shared = map;
}

static struct timespec moved(struct timespec at, int64_t by) {
    int64_t nanoseconds = at.tv_sec * BILLION + at.tv_nsec + by;
    return (struct timespec){nanoseconds / BILLION, nanoseconds % BILLION};
}

static int64_t offset(void) { return shared ? *shared : 0; }

int clock_gettime(clockid_t clock, struct timespec *at) {
    int result = syscall(SYS_clock_gettime, clock, at);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        *at = moved(*at, offset());
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m,
                           const struct timespec *restrict until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real)
        real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    struct timespec at = IS_WALL(until) ? moved(*until, -offset()) : *until;
    return real(c, m, &at);
}

int sem_timedwait(sem_t *restrict s, const struct timespec *restrict until) {
    static int (*real)(sem_t *, const struct timespec *);
    if (!real)
        real = dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec at = IS_WALL(until) ? moved(*until, -offset()) : *until;
    return real(s, &at);
}
