/* Sets the clock on the wall wrong for a process that reads it through the C library; for LD_PRELOAD.

   CLOCK_SHIFT  S    it is S seconds ahead
                S N  it is so in every second stretch of N readings, and right in between

   Clocks that nobody can set stay what they are, and so do the times that the system gives to files. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int ready;
static long seconds, stretch;
static atomic_long readings;

static long shift(void) {
    if (!ready) {
        const char *words = getenv("CLOCK_SHIFT");
        if (words) sscanf(words, "%ld %ld", &seconds, &stretch);
        ready = 1;
    }
    long reading = atomic_fetch_add(&readings, 1);
    return stretch && reading / stretch % 2 == 0 ? 0 : seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    int failed = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *kept) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept) *kept = now.tv_sec;
    return now.tv_sec;
}
