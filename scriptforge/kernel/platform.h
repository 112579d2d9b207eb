#pragma once

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#else
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#include <pthread.h>
#define EXPORT __attribute__((visibility("default")))
#endif

/* ---- Processors ---- */

#if defined(__x86_64__)
/* Returns whether the operating system saves these kinds of registers, given as bits of the register XCR0. */
static int saves(unsigned kinds)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & kinds) == kinds;
}
#endif

/* Returns the variants of the kernel that the processor can run, the fastest first. Only the variant `plain`,
which runs everywhere, is asked. All that a compiler may use for `-march=x86-64-v3` is checked: a virtual
machine may lack a part of it. */
EXPORT const char *supported_variants(void)
{
#if defined(__x86_64__)
    enum { FMA = 1 << 12, MOVBE = 1 << 22, OSXSAVE = 1 << 27, AVX = 1 << 28, F16C = 1 << 29 };
    enum { BMI1 = 1 << 3, AVX2 = 1 << 5, BMI2 = 1 << 8, LZCNT = 1 << 5, VNNI = 1 << 11, AVX_VNNI = 1 << 4 };
    const unsigned v3_basic = FMA | MOVBE | OSXSAVE | AVX | F16C, v3_wide = BMI1 | AVX2 | BMI2;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31; /* F, DQ, CD, BW, VL */
    unsigned a, wide, c, d, basic = 0, extended = 0, more = 0;
    __get_cpuid(1, &a, &d, &basic, &c);
    __get_cpuid(0x80000001, &a, &d, &extended, &c);
    if ((basic & v3_basic) != v3_basic || !(extended & LZCNT) || !saves(0x6))
        return "plain";
    if (!__get_cpuid_count(7, 0, &a, &wide, &c, &d) || (wide & v3_wide) != v3_wide)
        return "plain";
    if ((wide & avx512) == avx512 && c & VNNI && saves(0xe6))
        return "avx512vnni avx2 plain";
    __get_cpuid_count(7, 1, &more, &wide, &c, &d);
    return more & AVX_VNNI ? "avxvnni avx2 plain" : "avx2 plain";
#elif defined(__linux__)
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? "dotprod plain" : "plain";
#elif defined(__APPLE__)
    return "dotprod plain";
#else
    return "plain";
#endif
}

/* ---- Vectors ---- */

#if defined(__AVX512F__)
enum { WIDTH = 16, TILE = 8 }; /* numbers in a vector; rows that share the load of a weight */
#elif defined(__AVX__)
enum { WIDTH = 8, TILE = 6 };
#elif defined(__x86_64__)
enum { WIDTH = 4, TILE = 4 };
#else
enum { WIDTH = 4, TILE = 8 };
#endif

enum {
    PANEL = 2 * WIDTH,
    MAX_GATES = 4,  /* most gates of a unit, and most panels computed at a time */
    CHUNK = 48,     /* rows whose sums are held at a time; a multiple of TILE */
    QUAD = 4,       /* inputs that an 8-bit product takes at a time */
    LINE = 64,      /* bytes of a cache line, to which buffers are aligned */
};

#define VECTOR(type, size) type __attribute__((vector_size(size), aligned(sizeof(type)), may_alias))
typedef VECTOR(float, 4 * WIDTH) Floats;
typedef VECTOR(int32_t, 4 * WIDTH) Ints;
typedef VECTOR(uint32_t, 4 * WIDTH) Bits;

#define INLINE static inline __attribute__((always_inline))

INLINE Floats load(const float *from) { return *(const Floats *)from; }
INLINE void store(float *to, Floats values) { *(Floats *)to = values; }
INLINE Floats broadcast(float value) { return value - (Floats){0}; }
INLINE Floats blend(Ints where, Floats yes, Floats no) { return (Floats)((where & (Ints)yes) | (~where & (Ints)no)); }
INLINE Floats clamp(Floats values, float least, float most)
{
    values = blend(values < least, broadcast(least), values);
    return blend(values > most, broadcast(most), values);
}

/* Loads the first `count` numbers of a vector, and zeros for the rest. */
INLINE Floats load_partial(const float *from, int64_t count)
{
    if (count >= WIDTH)
        return load(from);
    Floats values = {0};
    if (count > 0)
        memcpy(&values, from, (size_t)count * sizeof(float));
    return values;
}

INLINE void store_partial(float *to, Floats values, int64_t count)
{
    if (count >= WIDTH)
        store(to, values);
    else if (count > 0)
        memcpy(to, &values, (size_t)count * sizeof(float));
}

/* Returns the greater of two numbers in each lane; the second one where the first is NaN. */
INLINE Floats larger(Floats one, Floats other) { return blend(one > other, one, other); }

/* Returns the greatest of some numbers and `least`; NaN does not count. */
static float maximum(const float *values, int64_t count, float least)
{
    Floats best = broadcast(least), others[3] = {best, best, best};
    int64_t i = 0;
    for (; i + 4 * WIDTH <= count; i += 4 * WIDTH) {
        best = larger(load(values + i), best);
        for (int n = 0; n < 3; n++)
            others[n] = larger(load(values + i + (n + 1) * WIDTH), others[n]);
    }
    for (int n = 0; n < 3; n++)
        best = larger(others[n], best);
    for (; i + WIDTH <= count; i += WIDTH)
        best = larger(load(values + i), best);
    for (int lane = 0; lane < WIDTH; lane++)
        least = best[lane] > least ? best[lane] : least;
    for (; i < count; i++)
        least = values[i] > least ? values[i] : least;
    return least;
}

/* Returns the largest absolute value. */
static float max_abs(const float *values, int64_t count)
{
    Floats most = {0};
    for (int64_t i = 0; i < count; i += WIDTH) {
        Floats here = load_partial(values + i, count - i);
        Floats sizes = blend(here < 0, -here, here);
        most = blend(sizes > most, sizes, most);
    }
    return maximum((const float *)&most, WIDTH, 0);
}

/* ---- Functions ---- */

static const float SMALLEST = 1e-30f; /* lower limit of the maximum that a scale is computed from */
static const float ROUNDING = 0x1.8p23f; /* adding it leaves a whole number in the lowest bits */

/* e^x for -87 <= x < 88, with a relative error below 2e-7: 2^n e^r with |r| <= ln 2 / 2, by Taylor series. */
INLINE Floats exp_vector(Floats x)
{
    Floats sum = x * 0x1.715476p0f + ROUNDING;
    Floats n = sum - ROUNDING;
    Floats r = x - n * 0x1.62e4p-1f - n * 0x1.7f7d1cp-20f; /* ln 2 in two parts, the first of few bits */
    Floats series = broadcast(1.0f / 5040);
    series = series * r + 1.0f / 720;
    series = series * r + 1.0f / 120;
    series = series * r + 1.0f / 24;
    series = series * r + 1.0f / 6;
    series = series * r + 0.5f;
    series = series * r + 1.0f;
    series = series * r + 1.0f;
    return (Floats)((Bits)series + ((Bits)sum << 23));
}

INLINE Floats tanh_vector(Floats x) { return 1.0f - 2.0f / (exp_vector(2.0f * clamp(x, -10, 10)) + 1.0f); }
INLINE Floats sigmoid_vector(Floats x) { return 1.0f / (1.0f + exp_vector(clamp(-x, -40, 40))); }

/* e^x for x <= 0; 0 if x is very low or NaN. */
INLINE Floats exp_nonpositive(Floats x) { return blend(x >= -87, exp_vector(clamp(x, -87, 0)), broadcast(0)); }

static void exp_array(const float *from, float *to, int64_t count)
{
    for (int64_t i = 0; i < count; i += WIDTH)
        store_partial(to + i, exp_nonpositive(load_partial(from + i, count - i)), count - i);
}

/* ---- Threads ---- */

enum { MAX_THREADS = 16, WORTH = 1 << 22 }; /* multiplications for which starting a thread pays */

typedef struct {
    void (*body)(const void *context, int64_t begin, int64_t end);
    const void *context;
    int64_t count, grain, next; /* iterations, how many are taken at a time, the first one left */
} ParallelLoop;

static void *run_chunks(void *argument)
{
    ParallelLoop *loop = argument;
    for (;;) {
        int64_t begin = __atomic_fetch_add(&loop->next, loop->grain, __ATOMIC_RELAXED);
        if (begin >= loop->count)
            return NULL;
        loop->body(loop->context, begin, begin + loop->grain < loop->count ? begin + loop->grain : loop->count);
    }
}

/* Divides iterations among threads, which end with them; a thread that is done takes the next ones. products:
number of multiplications. */
static void parallel_for(void (*body)(const void *, int64_t, int64_t), const void *context, int64_t count, int64_t products, int64_t threads)
{
    int64_t worth = products / WORTH, most = worth < MAX_THREADS ? worth : MAX_THREADS;
    threads = threads < most ? threads : most;
    if (threads < 2) {
        body(context, 0, count);
        return;
    }
    ParallelLoop shared = {body, context, count, count / (8 * threads) + 1, 0};
#if !defined(_WIN32)
    pthread_t others[MAX_THREADS];
    int64_t begun = 1;
    while (begun < threads && !pthread_create(&others[begun], NULL, run_chunks, &shared))
        begun++;
    run_chunks(&shared);
    while (--begun)
        pthread_join(others[begun], NULL);
#else
    run_chunks(&shared);
#endif
}
