/* The kernel, which `kernel.py` loads: recurrent networks that read token by token, operations on scores, the memory
of what was said lately, who may speak next, the tokens that extend a word, automata over tokens, and orthogonal
matrices.

It knows numbers only: no Python, no files. Callers have checked all sizes; the indices of table rows are
checked here. The file is compiled once for each kind of processor (`hatch_build.py`); the variants differ in
the width of a vector and in one operation, `dot`.

A matrix is packed into panels of PANEL neighbouring outputs, whose weights lie together input by input, so
that a step reads memory from front to back. Every sum is computed in the order of its inputs, whatever is
computed beside it: a row's results never depend on the rows that are read with it.

Shape letters: B rows, T steps, L layers, H hidden, K inputs, M outputs; a panel is P outputs wide. */

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

/* Returns the variants of this file that the processor can run, the fastest first. Only the variant `plain`,
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
    MOST_GATES = 4, /* most gates of a unit, and most panels computed at a time */
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
INLINE Floats all(float value) { return value - (Floats){0}; }
INLINE Floats choose(Ints where, Floats yes, Floats no) { return (Floats)((where & (Ints)yes) | (~where & (Ints)no)); }
INLINE Floats between(Floats values, float least, float most)
{
    values = choose(values < least, all(least), values);
    return choose(values > most, all(most), values);
}

/* Loads the first `count` numbers of a vector, and zeros for the rest. */
INLINE Floats load_part(const float *from, int64_t count)
{
    if (count >= WIDTH)
        return load(from);
    Floats values = {0};
    if (count > 0)
        memcpy(&values, from, (size_t)count * sizeof(float));
    return values;
}

INLINE void store_part(float *to, Floats values, int64_t count)
{
    if (count >= WIDTH)
        store(to, values);
    else if (count > 0)
        memcpy(to, &values, (size_t)count * sizeof(float));
}

/* Returns the greater of two numbers in each lane; the second one where the first is NaN. */
INLINE Floats greater(Floats one, Floats other) { return choose(one > other, one, other); }

/* Returns the greatest of some numbers and `least`; NaN does not count. */
static float highest(const float *values, int64_t count, float least)
{
    Floats best = all(least), others[3] = {best, best, best};
    int64_t i = 0;
    for (; i + 4 * WIDTH <= count; i += 4 * WIDTH) {
        best = greater(load(values + i), best);
        for (int n = 0; n < 3; n++)
            others[n] = greater(load(values + i + (n + 1) * WIDTH), others[n]);
    }
    for (int n = 0; n < 3; n++)
        best = greater(others[n], best);
    for (; i + WIDTH <= count; i += WIDTH)
        best = greater(load(values + i), best);
    for (int lane = 0; lane < WIDTH; lane++)
        least = best[lane] > least ? best[lane] : least;
    for (; i < count; i++)
        least = values[i] > least ? values[i] : least;
    return least;
}

/* ---- Functions ---- */

static const float SMALLEST = 1e-30f; /* lower limit of the maximum that a scale is computed from */
static const float ROUNDING = 0x1.8p23f; /* adding it leaves a whole number in the lowest bits */

/* e^x for -87 <= x < 88, with a relative error below 2e-7: 2^n e^r with |r| <= ln 2 / 2, by Taylor series. */
INLINE Floats exponential(Floats x)
{
    Floats sum = x * 0x1.715476p0f + ROUNDING;
    Floats n = sum - ROUNDING;
    Floats r = x - n * 0x1.62e4p-1f - n * 0x1.7f7d1cp-20f; /* ln 2 in two parts, the first of few bits */
    Floats series = all(1.0f / 5040);
    series = series * r + 1.0f / 720;
    series = series * r + 1.0f / 120;
    series = series * r + 1.0f / 24;
    series = series * r + 1.0f / 6;
    series = series * r + 0.5f;
    series = series * r + 1.0f;
    series = series * r + 1.0f;
    return (Floats)((Bits)series + ((Bits)sum << 23));
}

INLINE Floats hyperbolic_tangent(Floats x) { return 1.0f - 2.0f / (exponential(2.0f * between(x, -10, 10)) + 1.0f); }
INLINE Floats logistic(Floats x) { return 1.0f / (1.0f + exponential(between(-x, -40, 40))); }

/* ---- Matrices ---- */

/* A packed matrix of K inputs, in fp32 or rounded to eight bits. A block-diagonal matrix has several groups
of outputs, each of which reads its own group of inputs. The outputs of a layer are its gates, with `units`
outputs in each group. */
typedef struct {
    int64_t gates, groups, units, inputs; /* units and inputs of one group; M = gates * groups * units */
    int64_t is_rounded;
    const void *weights;   /* [group][block of P units][gate][K][P], or [...][K/4][P][4] of eight bits */
    const float *bias;     /* [gate][group][unit], or NULL */
    const float *scales;   /* [group][block][gate][P]: the scale of each output's 8-bit weights */
    const int32_t *shifts; /* [group][block][gate][P]: what OFFSET, added to each input, adds to the sum */
} Matrix;

INLINE int64_t ceiling(int64_t number, int64_t step) { return (number + step - 1) / step * step; }
INLINE int64_t blocks_of(const Matrix *matrix) { return ceiling(matrix->units, PANEL) / PANEL; }
INLINE int64_t panels_of(const Matrix *matrix) { return matrix->groups * blocks_of(matrix) * matrix->gates; }
INLINE int64_t depth_of(const Matrix *matrix) { return matrix->is_rounded ? ceiling(matrix->inputs, QUAD) : matrix->inputs; }

EXPORT int64_t packed_bytes(const Matrix *matrix)
{
    return panels_of(matrix) * PANEL * depth_of(matrix) * (matrix->is_rounded ? 1 : (int64_t)sizeof(float));
}

EXPORT int64_t packed_outputs(const Matrix *matrix) { return panels_of(matrix) * PANEL; }

/* Added to the inputs of a rounded matrix, where the processor's product needs them unsigned. */
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
enum { OFFSET = 128 };
#else
enum { OFFSET = 0 };
#endif

/* Returns the largest absolute value. */
static float largest(const float *values, int64_t count)
{
    Floats most = {0};
    for (int64_t i = 0; i < count; i += WIDTH) {
        Floats here = load_part(values + i, count - i);
        Floats sizes = choose(here < 0, -here, here);
        most = choose(sizes > most, sizes, most);
    }
    return highest((const float *)&most, WIDTH, 0);
}

/* Packs weights, (gates * groups * units, groups * inputs), into the memory that a matrix points to. */
EXPORT void pack(const Matrix *matrix, const float *weights)
{
    int64_t depth = depth_of(matrix), row_size = matrix->groups * matrix->inputs;
    for (int64_t panel = 0; panel < panels_of(matrix); panel++) {
        int64_t gate = panel % matrix->gates, block = panel / matrix->gates;
        int64_t group = block / blocks_of(matrix), first = block % blocks_of(matrix) * PANEL;
        for (int64_t lane = 0; lane < PANEL; lane++) {
            int64_t unit = first + lane, place = panel * PANEL + lane;
            int is_there = unit < matrix->units;
            const float *row = weights + (((gate * matrix->groups) + group) * matrix->units + unit) * row_size + group * matrix->inputs;
            if (!matrix->is_rounded) {
                float *to = (float *)matrix->weights + panel * depth * PANEL + lane;
                for (int64_t k = 0; k < depth; k++)
                    to[k * PANEL] = is_there ? row[k] : 0;
                continue;
            }
            float most = is_there ? largest(row, matrix->inputs) : 0;
            float scale = (most > SMALLEST ? most : SMALLEST) / 127;
            int8_t *to = (int8_t *)matrix->weights + panel * depth * PANEL + lane * QUAD;
            int32_t sum = 0;
            for (int64_t k = 0; k < depth; k++) {
                int32_t weight = is_there && k < matrix->inputs ? (int32_t)(row[k] / scale + ROUNDING - ROUNDING) : 0;
                to[k / QUAD * PANEL * QUAD + k % QUAD] = (int8_t)weight;
                sum += weight;
            }
            ((float *)matrix->scales)[place] = scale;
            ((int32_t *)matrix->shifts)[place] = OFFSET * sum;
        }
    }
}

/* ---- Products ---- */

/* Rows of inputs as they are multiplied: in fp32, or rounded with a scale for each group of each row. */
typedef struct {
    const void *values; /* floats, (B, groups * K); or bytes, (B, groups * depth) */
    int64_t stride;     /* from one row to the next */
    const float *scales;
} Inputs;

INLINE Floats as_floats(Ints values) { return __builtin_convertvector(values, Floats); }

/* Adds four 8-bit products to each sum: those of the next four weights of its output with four inputs. */
INLINE Ints dot(Ints sums, const int8_t *weights, int32_t inputs)
{
#if defined(__AVX512VNNI__)
    return (Ints)_mm512_dpbusd_epi32((__m512i)sums, _mm512_set1_epi32(inputs), _mm512_loadu_si512(weights));
#elif defined(__AVXVNNI__)
    __m256i each = _mm256_loadu_si256((const __m256i *)weights);
    return (Ints)_mm256_dpbusd_avx_epi32((__m256i)sums, _mm256_set1_epi32(inputs), each);
#elif defined(__AVX2__)
    __m256i each = _mm256_loadu_si256((const __m256i *)weights);
    __m256i signed_inputs = _mm256_sign_epi8(_mm256_set1_epi32(inputs), each);
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(each), signed_inputs); /* 2 * 127 * 127 fits 16 bits */
    return sums + (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#elif defined(__SSSE3__)
    __m128i each = _mm_loadu_si128((const __m128i *)weights);
    __m128i signed_inputs = _mm_sign_epi8(_mm_set1_epi32(inputs), each);
    __m128i pairs = _mm_maddubs_epi16(_mm_abs_epi8(each), signed_inputs);
    return sums + (Ints)_mm_madd_epi16(pairs, _mm_set1_epi16(1));
#elif defined(__ARM_FEATURE_DOTPROD)
    return (Ints)vdotq_s32((int32x4_t)sums, vld1q_s8(weights), vreinterpretq_s8_s32(vdupq_n_s32(inputs)));
#else
    int8x16_t each = vld1q_s8(weights), own = vreinterpretq_s8_s32(vdupq_n_s32(inputs));
    int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(each), vget_low_s8(own)));
    int32x4_t high = vpaddlq_s16(vmull_high_s8(each, own));
    return sums + (Ints)vpaddq_s32(low, high);
#endif
}

/* Multiplies panels with rows, and writes the sums: [row][gate][P]. The numbers of panels and rows are
constants in every call, so that the compiler unrolls the loops. `tile_int8` does the same in eight bits. */
INLINE void tile_fp32(const Matrix *matrix, int64_t panel, Inputs inputs, int64_t row, int64_t group, float *sums, const int panels, const int rows)
{
    Floats totals[8][MOST_GATES][2] = {{{{0}}}};
    int64_t depth = matrix->inputs;
    const float *weights = (const float *)matrix->weights + panel * depth * PANEL;
    const float *values = (const float *)inputs.values + row * inputs.stride + group * matrix->inputs;
    for (int64_t k = 0; k < depth; k++)
        for (int p = 0; p < panels; p++) {
            const float *line = weights + (p * depth + k) * PANEL;
            Floats first = load(line), second = load(line + WIDTH);
            for (int r = 0; r < rows; r++) {
                float value = values[r * inputs.stride + k];
                totals[r][p][0] += first * value;
                totals[r][p][1] += second * value;
            }
        }
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++)
            for (int half = 0; half < 2; half++)
                store(sums + (r * MOST_GATES + p) * PANEL + half * WIDTH, totals[r][p][half]);
}

INLINE void tile_int8(const Matrix *matrix, int64_t panel, Inputs inputs, int64_t row, int64_t group, float *sums, const int panels, const int rows)
{
    Ints totals[8][MOST_GATES][2] = {{{{0}}}};
    int64_t depth = depth_of(matrix);
    const int8_t *weights = (const int8_t *)matrix->weights + panel * depth * PANEL;
    const int8_t *values = (const int8_t *)inputs.values + row * inputs.stride + group * depth;
    for (int64_t k = 0; k < depth; k += QUAD)
        for (int p = 0; p < panels; p++) {
            const int8_t *line = weights + (p * depth + k) * PANEL;
            for (int r = 0; r < rows; r++) {
                int32_t four;
                memcpy(&four, values + r * inputs.stride + k, sizeof four);
                totals[r][p][0] = dot(totals[r][p][0], line, four);
                totals[r][p][1] = dot(totals[r][p][1], line + QUAD * WIDTH, four);
            }
        }
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++)
            for (int half = 0; half < 2; half++) {
                int64_t place = (panel + p) * PANEL + half * WIDTH;
                Ints exact = totals[r][p][half] - *(const Ints *)(matrix->shifts + place);
                Floats scales = load(matrix->scales + place) * inputs.scales[(row + r) * matrix->groups + group];
                store(sums + (r * MOST_GATES + p) * PANEL + half * WIDTH, as_floats(exact) * scales);
            }
}

INLINE void tile(const Matrix *matrix, int64_t panel, Inputs inputs, int64_t row, int64_t group, float *sums, const int panels, const int rows)
{
    if (matrix->is_rounded)
        tile_int8(matrix, panel, inputs, row, group, sums, panels, rows);
    else
        tile_fp32(matrix, panel, inputs, row, group, sums, panels, rows);
}

/* Multiplies up to four neighbouring panels of a group with up to CHUNK rows: sums [row][gate][P]. Many rows
are multiplied with one panel after the other, which stays in the cache; a single row with all panels at once,
as there is nothing to reuse. */
static void product(const Matrix *matrix, int64_t panel, int64_t panels, Inputs inputs, int64_t first, int64_t rows, int64_t group, float *sums)
{
    int64_t row = first, end = first + rows;
    for (; row + TILE <= end; row += TILE, sums += TILE * MOST_GATES * PANEL)
        for (int64_t p = 0; p < panels; p++)
            tile(matrix, panel + p, inputs, row, group, sums + p * PANEL, 1, TILE);
    for (; row + 2 <= end; row += 2, sums += 2 * MOST_GATES * PANEL) {
        int64_t p = 0;
        for (; p + 2 <= panels; p += 2)
            tile(matrix, panel + p, inputs, row, group, sums + p * PANEL, 2, 2);
        if (p < panels)
            tile(matrix, panel + p, inputs, row, group, sums + p * PANEL, 1, 2);
    }
    if (row == end)
        return;
    switch (panels) {
    case 4: tile(matrix, panel, inputs, row, group, sums, 4, 1); break;
    case 3: tile(matrix, panel, inputs, row, group, sums, 3, 1); break;
    case 2: tile(matrix, panel, inputs, row, group, sums, 2, 1); break;
    default: tile(matrix, panel, inputs, row, group, sums, 1, 1);
    }
}

/* Divides `size` numbers by a scale, rounds them to bytes, and pads them to `depth`. */
static void round_to(int8_t *to, const float *from, int64_t size, int64_t depth, float scale)
{
    typedef VECTOR(int8_t, WIDTH) Bytes;
    for (int64_t k = 0; k < depth; k += WIDTH) {
        Floats sums = load_part(from + k, size - k) / scale + ROUNDING;
        Bytes bytes = __builtin_convertvector((Ints)sums + OFFSET, Bytes);
        memcpy(to + k, &bytes, (size_t)(depth - k < WIDTH ? depth - k : WIDTH));
    }
}

/* Returns inputs in the form that a matrix multiplies: as they are, or rounded into `bytes` and `scales`. */
static Inputs prepared(const Matrix *matrix, const float *inputs, int64_t rows, int8_t *bytes, float *scales)
{
    int64_t size = matrix->inputs, width = matrix->groups * size, depth = depth_of(matrix);
    if (!matrix->is_rounded)
        return (Inputs){inputs, width, NULL};
    for (int64_t row = 0; row < rows; row++)
        for (int64_t group = 0; group < matrix->groups; group++) {
            const float *from = inputs + row * width + group * size;
            int64_t place = row * matrix->groups + group;
            float most = largest(from, size);
            most = most > SMALLEST ? most : SMALLEST;
            scales[place] = most / 127;
            round_to(bytes + place * depth, from, size, depth, scales[place]);
        }
    return (Inputs){bytes, matrix->groups * depth, scales};
}

/* Returns how many bytes `prepared` writes for a matrix and a number of rows. */
INLINE int64_t prepared_bytes(const Matrix *matrix, int64_t rows) { return matrix->is_rounded ? rows * matrix->groups * depth_of(matrix) : 0; }

/* ---- Threads ---- */

enum { MOST_THREADS = 16, WORTH = 1 << 22 }; /* multiplications for which starting a thread pays */

typedef struct {
    void (*work)(const void *context, int64_t begin, int64_t end);
    const void *context;
    int64_t count, portion, next; /* parts of the work, parts taken at a time, first part left */
} Work;

static void *take_parts(void *argument)
{
    Work *own = argument;
    for (;;) {
        int64_t begin = __atomic_fetch_add(&own->next, own->portion, __ATOMIC_RELAXED);
        if (begin >= own->count)
            return NULL;
        own->work(own->context, begin, begin + own->portion < own->count ? begin + own->portion : own->count);
    }
}

/* Divides work among threads, which end with it; a thread that is done takes the next portion. products:
number of multiplications. */
static void divide(void (*work)(const void *, int64_t, int64_t), const void *context, int64_t count, int64_t products, int64_t threads)
{
    int64_t worth = products / WORTH, most = worth < MOST_THREADS ? worth : MOST_THREADS;
    threads = threads < most ? threads : most;
    if (threads < 2) {
        work(context, 0, count);
        return;
    }
    Work shared = {work, context, count, count / (8 * threads) + 1, 0};
#if !defined(_WIN32)
    pthread_t others[MOST_THREADS];
    int64_t begun = 1;
    while (begun < threads && !pthread_create(&others[begun], NULL, take_parts, &shared))
        begun++;
    take_parts(&shared);
    while (--begun)
        pthread_join(others[begun], NULL);
#else
    take_parts(&shared);
#endif
}

/* ---- Scores ---- */

typedef struct {
    const Matrix *matrix;
    Inputs inputs;
    int64_t rows;
    float *outputs;
} Multiplication;

static void multiply_spans(const void *context, int64_t begin, int64_t end)
{
    const Multiplication *own = context;
    const Matrix *matrix = own->matrix;
    float sums[CHUNK * MOST_GATES * PANEL];
    for (int64_t span = begin; span < end; span++) {
        int64_t panel = span * MOST_GATES, rest = blocks_of(matrix) - panel;
        int64_t panels = rest < MOST_GATES ? rest : MOST_GATES;
        for (int64_t first = 0; first < own->rows; first += CHUNK) {
            int64_t rows = own->rows - first < CHUNK ? own->rows - first : CHUNK;
            product(matrix, panel, panels, own->inputs, first, rows, 0, sums);
            for (int64_t row = 0; row < rows; row++)
                for (int64_t half = 0; half < 2 * panels; half++) {
                    int64_t unit = panel * PANEL + half * WIDTH, count = matrix->units - unit;
                    Floats values = load(sums + row * MOST_GATES * PANEL + half * WIDTH);
                    if (matrix->bias && count > 0)
                        values += load_part(matrix->bias + unit, count);
                    store_part(own->outputs + (first + row) * matrix->units + unit, values, count);
                }
        }
    }
}

/* Multiplies inputs, (B, K), with a matrix of one gate and one group: outputs, (B, M). Returns 0, or 1 if out
of memory. */
EXPORT int multiply(const Matrix *matrix, const float *inputs, int64_t rows, float *outputs, int64_t threads)
{
    int8_t *bytes = malloc((size_t)(prepared_bytes(matrix, rows) + 1));
    float *scales = malloc((size_t)rows * sizeof(float) + 1);
    int is_done = bytes && scales;
    if (is_done) {
        Multiplication own = {matrix, prepared(matrix, inputs, rows, bytes, scales), rows, outputs};
        int64_t spans = ceiling(blocks_of(matrix), MOST_GATES) / MOST_GATES;
        divide(multiply_spans, &own, spans, rows * matrix->units * matrix->inputs, threads);
    }
    free(bytes);
    free(scales);
    return !is_done;
}

/* ---- Layers ---- */

enum { LSTM, GRU, PLAIN };

typedef struct {
    int64_t kind;
    const Matrix *below; /* weight of the layer below; NULL for the first layer, which reads a table */
    const Matrix *own;   /* weight of the layer's own hidden state */
} Layer;

/* A text, and the state before and after it. */
typedef struct {
    int64_t steps, rows, layers, height;
    const float *table;        /* (height, gates * H): what tokens add to the gates of the first layer */
    const int64_t *indices;    /* (T, B): the row of each token in the table */
    const float *added;        /* (T, B, gates * H): what else is added, or NULL */
    const float *hidden;       /* (L, B, H) */
    const float *cells;        /* (L, B, H); of an LSTM only */
    float *hidden_after;
    float *cells_after;
    float *outputs; /* (B, T, H), of the last layer */
    int64_t threads;
} Reading;

/* A layer's step: what it reads, and where its state goes. */
typedef struct {
    const Layer *layer;
    const Reading *reading;
    const int64_t *indices; /* (B) */
    const float *added;     /* (B, gates * H), or NULL */
    Inputs below, own;
    const float *hidden; /* (B, H) */
    float *hidden_after;
    float *cells;
} Step;

/* Cells return the hidden state. given: sums of the gates from below; own: sums from the layer's own hidden
state; before: the hidden state before. */
INLINE Floats lstm_cell(const Floats *given, const Floats *own, Floats *cell)
{
    Floats input = logistic(given[0] + own[0]), forget = logistic(given[1] + own[1]);
    Floats candidate = hyperbolic_tangent(given[2] + own[2]), output = logistic(given[3] + own[3]);
    *cell = forget * *cell + input * candidate;
    return output * hyperbolic_tangent(*cell);
}

INLINE Floats gru_cell(const Floats *given, const Floats *own, Floats before)
{
    Floats reset = logistic(given[0] + own[0]), update = logistic(given[1] + own[1]);
    Floats candidate = hyperbolic_tangent(given[2] + reset * own[2]);
    return candidate + update * (before - candidate);
}

INLINE Floats biased(const Matrix *matrix, const float *sums, int64_t place, int64_t count)
{
    return load(sums) + load_part(matrix->bias + place, count);
}

/* Steps WIDTH units of one row, of which only the first `count` exist. */
INLINE void step_units(const Step *step, int64_t row, int64_t unit, int64_t count, const float *below_sums, const float *own_sums)
{
    const Layer *layer = step->layer;
    const Reading *reading = step->reading;
    int64_t gates = layer->own->gates, size = layer->own->groups * layer->own->units;
    Floats given[MOST_GATES] = {{0}}, own[MOST_GATES] = {{0}};
    for (int64_t gate = 0; gate < gates; gate++) {
        int64_t place = gate * size + unit;
        own[gate] = biased(layer->own, own_sums + gate * PANEL, place, count);
        if (layer->below)
            given[gate] = biased(layer->below, below_sums + gate * PANEL, place, count);
        else
            given[gate] = load_part(reading->table + step->indices[row] * gates * size + place, count);
        if (!layer->below && step->added)
            given[gate] += load_part(step->added + row * gates * size + place, count);
    }
    Floats cell, after;
    switch (layer->kind) {
    case LSTM:
        cell = load_part(step->cells + row * size + unit, count);
        after = lstm_cell(given, own, &cell);
        store_part(step->cells + row * size + unit, cell, count);
        break;
    case GRU:
        after = gru_cell(given, own, load_part(step->hidden + row * size + unit, count));
        break;
    default:
        after = hyperbolic_tangent(given[0] + own[0]);
    }
    store_part(step->hidden_after + row * size + unit, after, count);
}

/* Steps spans of units: all gates of P units, or of up to four times as many where there is only one gate. */
static void step_spans(const void *context, int64_t begin, int64_t end)
{
    const Step *step = context;
    const Layer *layer = step->layer;
    const Matrix *matrix = layer->own;
    int64_t width = matrix->gates > 1 ? 1 : MOST_GATES, blocks = blocks_of(matrix), spans = ceiling(blocks, width) / width;
    float below_sums[CHUNK * MOST_GATES * PANEL], own_sums[CHUNK * MOST_GATES * PANEL];
    for (int64_t span = begin; span < end; span++) {
        int64_t group = span / spans, block = span % spans * width, rest = blocks - block;
        int64_t here = rest < width ? rest : width;
        int64_t panel = (group * blocks + block) * matrix->gates, panels = here * matrix->gates;
        for (int64_t first = 0; first < step->reading->rows; first += CHUNK) {
            int64_t rest_of_rows = step->reading->rows - first, rows = rest_of_rows < CHUNK ? rest_of_rows : CHUNK;
            product(matrix, panel, panels, step->own, first, rows, group, own_sums);
            if (layer->below)
                product(layer->below, panel, panels, step->below, first, rows, group, below_sums);
            for (int64_t row = 0; row < rows; row++)
                for (int64_t half = 0; half < 2 * here; half++) {
                    int64_t unit = block * PANEL + half * WIDTH, place = row * MOST_GATES * PANEL + half * WIDTH;
                    if (unit < matrix->units)
                        step_units(step, first + row, group * matrix->units + unit, matrix->units - unit, below_sums + place, own_sums + place);
                }
        }
    }
}

/* Returns whether all indices are those of rows of the table. */
static int are_known(const Reading *reading)
{
    for (int64_t i = 0; i < reading->steps * reading->rows; i++)
        if (reading->indices[i] < 0 || reading->indices[i] >= reading->height)
            return 0;
    return 1;
}

static void read_step(const Layer *layers, const Reading *reading, int64_t t, const float *hidden, float *hidden_after, int8_t *bytes, float *scales)
{
    int64_t rows = reading->rows, size = layers->own->groups * layers->own->units;
    int8_t *own_bytes = bytes + rows * QUAD * size; /* enough even for groups of one input */
    for (int64_t l = 0; l < reading->layers; l++) {
        const Layer *layer = &layers[l];
        Step step = {
            .layer = layer,
            .reading = reading,
            .indices = reading->indices + t * rows,
            .added = reading->added ? reading->added + t * rows * layer->own->gates * size : NULL,
            .own = prepared(layer->own, hidden + l * rows * size, rows, own_bytes, scales),
            .hidden = hidden + l * rows * size,
            .hidden_after = hidden_after + l * rows * size,
            .cells = reading->cells_after ? reading->cells_after + l * rows * size : NULL,
        };
        if (layer->below)
            step.below = prepared(layer->below, hidden_after + (l - 1) * rows * size, rows, bytes, scales + rows * size);
        int64_t width = layer->own->gates > 1 ? 1 : MOST_GATES;
        int64_t spans = layer->own->groups * (ceiling(blocks_of(layer->own), width) / width);
        int64_t products = rows * size * layer->own->inputs * layer->own->gates * (layer->below ? 2 : 1);
        divide(step_spans, &step, spans, products, reading->threads);
    }
    const float *last = hidden_after + (reading->layers - 1) * rows * size;
    for (int64_t row = 0; row < rows; row++)
        memcpy(reading->outputs + (row * reading->steps + t) * size, last + row * size, (size_t)size * sizeof(float));
}

/* Reads a text. Returns 0, 1 if out of memory, or 2 if an index is out of range. */
EXPORT int read_text(const Layer *layers, const Reading *reading)
{
    int64_t rows = reading->rows, size = layers->own->groups * layers->own->units;
    size_t state = (size_t)(reading->layers * rows * size) * sizeof(float);
    if (!are_known(reading))
        return 2;
    float *other = malloc(state + 1), *scales = malloc((size_t)(2 * rows * size) * sizeof(float) + 1);
    int8_t *bytes = malloc((size_t)(2 * rows * QUAD * size) + 1);
    int is_done = other && scales && bytes;
    if (is_done) {
        if (reading->cells_after)
            memcpy(reading->cells_after, reading->cells, state);
        const float *before = reading->hidden;
        for (int64_t t = 0; t < reading->steps; t++) { /* the last step writes `hidden_after` */
            float *after = (reading->steps - t) % 2 ? reading->hidden_after : other;
            read_step(layers, reading, t, before, after, bytes, scales);
            before = after;
        }
        if (!reading->steps)
            memcpy(reading->hidden_after, reading->hidden, state);
    }
    free(other);
    free(scales);
    free(bytes);
    return !is_done;
}

/* ---- Orthogonal matrices ---- */

/* A step of the optimizer for the gradients of matrices; `training/optimizers.py` says why. Two of its three
products are symmetric, so only half of each is computed. */

typedef struct {
    int64_t count, rows, columns; /* number and shape of the matrices; no more rows than columns */
    float *matrices;              /* (count, rows, columns), changed in place */
    int64_t iterations;
    float once, cubed, fifth; /* X becomes once X + cubed (XX')X + fifth (XX')(XX')X */
    int64_t lacks_memory;
} Orthogonalisation;

/* Packs a matrix, (K, N), whose columns are the outputs of a product, into the memory of `right`. */
static void pack_columns(const Matrix *right, const float *values)
{
    for (int64_t panel = 0; panel < panels_of(right); panel++)
        for (int64_t k = 0; k < right->inputs; k++)
            for (int64_t half = 0; half < 2; half++) {
                int64_t place = panel * PANEL + half * WIDTH;
                Floats line = load_part(values + k * right->units + place, right->units - place);
                store((float *)right->weights + (panel * right->inputs + k) * PANEL + half * WIDTH, line);
            }
}

/* Computes outputs = factor * left * right + share * added, for left (M, K) and packed right (K, N); NULL
adds nothing. A symmetric result is computed left of the diagonal, and copied to the right of it. */
static void combine(const float *left, int64_t rows, const Matrix *right, float factor, const float *added, float share, int is_symmetric, float *outputs)
{
    float sums[CHUNK * MOST_GATES * PANEL];
    int64_t width = right->units;
    Inputs inputs = {left, right->inputs, NULL};
    for (int64_t panel = 0; panel < panels_of(right); panel++) {
        int64_t start = panel * PANEL, columns = width - start < PANEL ? width - start : PANEL;
        for (int64_t first = is_symmetric ? start : 0; first < rows; first += CHUNK) {
            int64_t here = rows - first < CHUNK ? rows - first : CHUNK;
            product(right, panel, 1, inputs, first, here, 0, sums);
            for (int64_t row = first; row < first + here; row++)
                for (int64_t half = 0; half < 2; half++) {
                    int64_t count = columns - half * WIDTH, place = row * width + start + half * WIDTH;
                    float *own = sums + (row - first) * MOST_GATES * PANEL + half * WIDTH;
                    Floats values = load(own) * factor;
                    if (added && count > 0)
                        values += load_part(added + place, count) * share;
                    store(own, values);
                    store_part(outputs + place, values, count);
                }
            for (int64_t lane = 0; is_symmetric && lane < columns; lane++)
                for (int64_t row = 0; row < here; row++)
                    if (first + row > start + lane)
                        outputs[(start + lane) * width + first + row] = sums[row * MOST_GATES * PANEL + lane];
        }
    }
}

static void orthogonalise_each(const void *context, int64_t begin, int64_t end)
{
    Orthogonalisation *own = (Orthogonalisation *)context;
    int64_t rows = own->rows, columns = own->columns, size = rows * columns;
    int64_t panels = ceiling(rows, PANEL) > ceiling(columns, PANEL) ? ceiling(rows, PANEL) : ceiling(columns, PANEL);
    int64_t depth = rows > columns ? rows : columns;
    char *memory = malloc((size_t)(2 * rows * rows + size + panels * depth) * sizeof(float) + LINE);
    if (!memory) {
        __atomic_store_n(&own->lacks_memory, 1, __ATOMIC_RELAXED);
        return;
    }
    float *packed = (float *)(memory + (LINE - (uintptr_t)memory % LINE));
    float *gram = packed + panels * depth, *factor = gram + rows * rows, *before = factor + rows * rows;
    Matrix of_itself = {1, 1, rows, columns, 0, packed, NULL, NULL, NULL};
    Matrix of_gram = {1, 1, rows, rows, 0, packed, NULL, NULL, NULL};
    Matrix of_columns = {1, 1, columns, rows, 0, packed, NULL, NULL, NULL};
    for (int64_t each = begin; each < end; each++)
        for (int64_t i = 0; i < own->iterations; i++) {
            float *now = own->matrices + each * size;
            memcpy(before, now, (size_t)size * sizeof(float));
            pack(&of_itself, before);
            combine(before, rows, &of_itself, 1, NULL, 0, 1, gram);
            pack(&of_gram, gram);
            combine(gram, rows, &of_gram, own->fifth, gram, own->cubed, 1, factor);
            pack_columns(&of_columns, before);
            combine(factor, rows, &of_columns, 1, before, own->once, 0, now);
        }
    free(memory);
}

/* Makes matrices with singular values of at most 1 nearly orthogonal. Returns 0, or 1 if out of memory. */
EXPORT int orthogonalise(Orthogonalisation *own, int64_t threads)
{
    own->lacks_memory = 0;
    int64_t products = own->count * own->iterations * 2 * own->rows * own->rows * own->columns;
    divide(orthogonalise_each, own, own->count, products, threads);
    return (int)own->lacks_memory;
}

/* ---- Drawing ---- */

/* A row has the scores of V tokens, of which the first ones are layout and the others text; forbidden tokens
score minus infinity. What is computed, and in which order, is defined in `generation/sampling.py`. */

static const float LARGEST = 1e30f;

/* e^x for x <= 0; 0 if x is very low or NaN. */
INLINE Floats weight(Floats x) { return choose(x >= -87, exponential(between(x, -87, 0)), all(0)); }

static void exponentials(const float *from, float *to, int64_t count)
{
    for (int64_t i = 0; i < count; i += WIDTH)
        store_part(to + i, weight(load_part(from + i, count - i)), count - i);
}

/* Returns a mask of the first `count` lanes of a vector. */
INLINE Ints in_range(int64_t count)
{
    Ints lanes;
    for (int lane = 0; lane < WIDTH; lane++)
        lanes[lane] = lane < count ? -1 : 0;
    return lanes;
}

INLINE float exponential_of(float x)
{
    exponentials(&x, &x, 1);
    return x;
}

/* Returns the log-sum-exp of scores; very low if all tokens are forbidden. */
static double logarithm_of_sum(const float *scores, int64_t count)
{
    enum { PIECE = 8 * WIDTH }; /* summed in single precision */
    float best = highest(scores, count, -LARGEST);
    double sum = 0;
    for (int64_t first = 0; first < count; first += PIECE) {
        Floats piece = {0};
        int64_t i = first;
        for (; i < first + PIECE && i + WIDTH <= count; i += WIDTH)
            piece += weight(load(scores + i) - best);
        if (i < first + PIECE && i < count)
            piece += weight(choose(in_range(count - i), load_part(scores + i, count - i) - best, all(-INFINITY)));
        for (int lane = 0; lane < WIDTH; lane++)
            sum += piece[lane];
    }
    double least = 1 / (double)LARGEST;
    return best + log(sum > least ? sum : least);
}

INLINE float sound(float score)
{
    return score != score ? 0 : score > LARGEST ? LARGEST : score < -LARGEST ? -LARGEST : score;
}

/* What `allow` is given. */
typedef struct {
    const float *logits, *raised;
    const uint8_t *forbidden;
    int64_t size, layout;
    float *scores;
    double *text;
} Allowing;

enum { COST_OF_SCORE = 64 }; /* to allow one, in multiplications, for `divide` */

static void allow_rows(const void *context, int64_t begin, int64_t end)
{
    const Allowing *own = context;
    int64_t size = own->size, layout = own->layout;
    for (int64_t row = begin; row < end; row++) {
        const float *logits = own->logits + row * size, *opening = own->raised ? own->raised + row * layout : logits;
        const uint8_t *forbidden = own->forbidden + row * size;
        float *scores = own->scores + row * size;
        Ints sound_lanes = ~(Ints){0};
        for (int64_t i = 0; i < size; i += WIDTH) {
            typedef VECTOR(uint8_t, WIDTH) Bytes;
            Bytes mask = {0};
            if (size - i >= WIDTH)
                memcpy(&mask, forbidden + i, WIDTH);
            else
                memcpy(&mask, forbidden + i, (size_t)(size - i));
            Ints must_not = __builtin_convertvector(mask, Ints) != 0;
            Floats allowed = choose(must_not, all(-INFINITY), load_part(logits + i, size - i));
            sound_lanes &= allowed < INFINITY; /* false for NaN */
            store_part(scores + i, allowed, size - i);
        }
        int is_sound = 1;
        for (int lane = 0; lane < WIDTH; lane++)
            is_sound &= sound_lanes[lane] != 0;
        for (int64_t i = 0; own->raised && i < layout; i++) {
            scores[i] = forbidden[i] ? -INFINITY : opening[i];
            is_sound &= scores[i] < INFINITY;
        }
        if (!is_sound || highest(scores, size, -INFINITY) == -INFINITY)
            for (int64_t i = 0; i < size; i++)
                scores[i] = forbidden[i] ? -INFINITY : sound(i < layout ? opening[i] : logits[i]);
        own->text[row] = logarithm_of_sum(scores + layout, size - layout);
    }
}

/* Writes the scores, (B, V), with minus infinity for forbidden tokens, and each row's `logarithm_of_sum` of
text. If the highest score of a row is infinite or any is NaN, its allowed scores are made finite. raised:
(B, layout), in place of the logits of layout tokens, or NULL. */
EXPORT void allow(const float *logits, const float *raised, const uint8_t *forbidden, int64_t rows, int64_t size, int64_t layout, float *scores, double *text, int64_t threads)
{
    Allowing own = {logits, raised, forbidden, size, layout, scores, text};
    divide(allow_rows, &own, rows, COST_OF_SCORE * rows * size, threads);
}

/* Returns the log-sum-exp of the selected scores; minus infinity if none is. */
static double logarithm_of_selected(const float *scores, const uint8_t *is_selected, int64_t count)
{
    float best = -INFINITY;
    for (int64_t i = 0; i < count; i++)
        best = is_selected[i] && scores[i] > best ? scores[i] : best;
    if (best == -INFINITY)
        return best;
    double sum = 0;
    for (int64_t first = 0; first < count; first += WIDTH) {
        float piece[WIDTH] = {0};
        for (int64_t i = first; i < first + WIDTH && i < count; i++)
            piece[i - first] = is_selected[i] ? scores[i] - best : -INFINITY;
        exponentials(piece, piece, count - first < WIDTH ? count - first : WIDTH);
        for (int lane = 0; lane < WIDTH; lane++)
            sum += piece[lane];
    }
    return best + log(sum);
}

/* Writes the scores of layout tokens, (rows, layout), after giving the probability of those that are forbidden
afterwards to the allowed cues, or without any to all allowed ones; see `generation/layout.py`. before, after: (rows,
size), forbidden tokens; is_cue: (layout). Returns 0, or 1 if out of memory. */
EXPORT int redistribute_layout(const float *logits, const uint8_t *before, const uint8_t *after, const uint8_t *is_cue, int64_t rows, int64_t size, int64_t layout, float *raised)
{
    uint8_t *gives = malloc(2 * (size_t)layout + 1), *gains = gives + layout;
    if (!gives)
        return 1;
    for (int64_t row = 0; row < rows; row++, logits += size, before += size, after += size, raised += layout) {
        memcpy(raised, logits, (size_t)layout * sizeof(float));
        if (!memcmp(before, after, (size_t)layout))
            continue;
        int has_cue = 0;
        for (int64_t i = 0; i < layout; i++)
            has_cue |= is_cue[i] && !after[i];
        for (int64_t i = 0; i < layout; i++) {
            gains[i] = !after[i] && (is_cue[i] || !has_cue);
            gives[i] = !before[i] && (after[i] || gains[i]);
        }
        double given = logarithm_of_selected(raised, gives, layout), own = logarithm_of_selected(raised, gains, layout);
        for (int64_t i = 0; i < layout && given > -INFINITY; i++)
            raised[i] += gains[i] ? (float)(given - own) : 0;
    }
    free(gives);
    return 0;
}

/* How tokens are drawn. */
typedef struct {
    int64_t size, layout;
    const uint8_t *is_spoken; /* (layout): tokens that min-p applies to */
    float minimum;            /* min-p, or 0 for none */
    float logarithm;          /* of min-p, or minus infinity for none */
    float temperature;
} Rule;

/* Returns the first place at which the cumulative sum of the weights exceeds a target; or `count`. */
static int64_t place_of(const float *weights, int64_t count, double target)
{
    double reached = 0;
    for (int64_t i = 0; i < count; i++) {
        reached += weights[i];
        if (!(reached <= target))
            return i;
    }
    return count;
}

static double sum_of(const float *weights, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += weights[i];
    return sum;
}

/* Returns the layout token that is drawn, or the number of layout tokens if text is to be drawn. */
static int64_t pick_layout(const Rule *rule, const float *scores, double text, float best, double roll, float *weights)
{
    float top = highest(scores, rule->layout, best);
    for (int64_t i = 0; i < rule->layout; i++)
        weights[i] = scores[i] - top;
    exponentials(weights, weights, rule->layout);
    float least = rule->minimum * highest(weights, rule->layout, 0);
    for (int64_t i = 0; i < rule->layout; i++)
        weights[i] = weights[i] < least && rule->is_spoken[i] ? 0 : weights[i];
    double sum = sum_of(weights, rule->layout);
    if (!(sum >= rule->minimum * exponential_of(best - top)))
        return rule->layout;
    return place_of(weights, rule->layout, roll * (sum + exp(text - top)));
}

/* Returns where the next PANEL of `size` scores ends; where it begins if all of it is below `least`. */
INLINE int64_t panel_end(const float *scores, int64_t first, int64_t size, float least)
{
    if (first + PANEL > size)
        return size;
    Ints reached = ~(load(scores + first) < least) | ~(load(scores + first + WIDTH) < least);
    int64_t lanes[WIDTH / 2], any = 0;
    memcpy(lanes, &reached, sizeof lanes);
    for (int n = 0; n < WIDTH / 2; n++)
        any |= lanes[n];
    return any ? first + PANEL : first;
}

/* Returns the text token that is drawn, by its place among text. */
static int64_t pick_text(const Rule *rule, const float *scores, float best, double roll, float *weights, int32_t *places)
{
    float slack = 1e-6f * (best < 0 ? -best : best);
    float surely_not = best + 1.001f * rule->temperature * rule->logarithm - slack; /* as in sampling.py */
    int64_t count = 0, size = rule->size - rule->layout;
    for (int64_t first = 0; first < size; first += PANEL) {
        int64_t end = panel_end(scores, first, size, surely_not);
        for (int64_t i = first; i < end; i++) {
            float scaled = (scores[i] - best) / rule->temperature;
            if (!(scores[i] < surely_not) && scaled >= rule->logarithm) {
                weights[count] = scaled;
                places[count++] = (int32_t)i;
            }
        }
    }
    exponentials(weights, weights, count);
    int64_t place = place_of(weights, count, roll * sum_of(weights, count));
    return place < count ? places[place] : 0;
}

/* Draws a token in each row, by two random numbers in 0 <= x < 1. Returns 0, or 1 if out of memory. */
EXPORT int pick(const Rule *rule, const float *scores, const double *text, const double *rolls, const double *layout_rolls, int64_t rows, int64_t *ids)
{
    float *weights = malloc((size_t)rule->size * sizeof(float) + 1);
    int32_t *places = malloc((size_t)rule->size * sizeof(int32_t) + 1);
    int is_done = weights && places;
    for (int64_t row = 0; is_done && row < rows; row++, scores += rule->size) {
        float best = highest(scores + rule->layout, rule->size - rule->layout, -INFINITY);
        ids[row] = rule->layout ? pick_layout(rule, scores, text[row], best, layout_rolls[row], weights) : 0;
        if (ids[row] == rule->layout)
            ids[row] += pick_text(rule, scores + rule->layout, best, rolls[row], weights, places);
    }
    free(weights);
    free(places);
    return !is_done;
}

/* ---- Shifting probability ---- */

/* Adds offsets to the scores of some tokens, and a constant that keeps their total probability. room: (2, S). */
static void shift(float *scores, const int32_t *ids, const float *offsets, int64_t count, float *room)
{
    float *weights = room, *factors = room + count, best = -INFINITY, top = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        best = scores[ids[i]] > best ? scores[ids[i]] : best;
        top = offsets[i] > top ? offsets[i] : top;
    }
    for (int64_t i = 0; i < count; i++) {
        weights[i] = scores[ids[i]] - best;
        factors[i] = offsets[i] - top;
    }
    exponentials(room, room, 2 * count);
    double before = 0, after = 0;
    for (int64_t i = 0; i < count; i++) {
        before += weights[i];
        after += (double)weights[i] * factors[i];
    }
    double change = log(before / after) - top;
    for (int64_t i = 0; i < count; i++)
        scores[ids[i]] += (float)(offsets[i] + change);
}

/* Lowers the scores of some tokens, (S), by offsets for each row, (B, S); see `generation/turn_taking.py`.
Returns 0, or 1 if out of memory. */
EXPORT int lower(float *scores, int64_t rows, int64_t size, const int32_t *ids, int64_t count, const float *offsets)
{
    float *room = malloc(2 * (size_t)count * sizeof(float) + 1);
    for (int64_t row = 0; room && row < rows; row++)
        if (largest(offsets + row * count, count) > 0)
            shift(scores + row * size, ids, offsets + row * count, count, room);
    free(room);
    return !room;
}

/* ---- Turn-taking ---- */

/* Explained in `generation/turn_taking.py`: S speakers, and the rates of people's text. */
typedef struct {
    int64_t speakers;        /* S */
    const float *companions; /* (S, S): 1 for each two who are companions, else 0 */
    const double *newcomers; /* (N): how many lines of newcomers are expected, by the number of lines so far */
    double busiest, same_again, pseudocount, next, least, least_company;
    double busiest_power, same_power, newcomer_power, stranger_power;
} TurnRates;

/* Returns the log ratio of expected to observed lines; 0 if there are no more than expected. */
static double excess(const TurnRates *rates, double share, double came, int64_t lines)
{
    double expected = share * ((double)lines + rates->pseudocount), present = came + share * rates->pseudocount;
    return present > expected ? log((expected > rates->least ? expected : rates->least) / present) : 0;
}

/* Writes the offsets of all cues, (S + 1), the last one's that of the cue before a spelled name.

spoken: (S), how many of the latest lines each speaker said; current: who spoke last, or below 0; lines: the
number of the latest lines; count: index into `newcomers`; going_on, new: at how many of them the same speaker goes
on, and somebody is new; room: (S). */
EXPORT void weigh_cues(const TurnRates *rates, const int32_t *spoken, int64_t current, int64_t lines, int64_t count, int64_t going_on, int64_t new, float *offsets, float *room)
{
    int64_t speakers = rates->speakers, all_spoken = 0;
    memset(offsets, 0, (size_t)(speakers + 1) * sizeof(float));
    if (!lines)
        return;
    memset(room, 0, (size_t)speakers * sizeof(float));
    for (int64_t i = 0; i < speakers; i++)
        if (spoken[i]) {
            all_spoken += spoken[i];
            for (int64_t n = 0; n < speakers; n++)
                room[n] += (float)spoken[i] * rates->companions[i * speakers + n];
        }
    double of_others = rates->newcomer_power * excess(rates, rates->newcomers[count] / (double)lines, (double)new + rates->next, lines);
    offsets[speakers] = (float)of_others;
    for (int64_t i = 0; i < speakers; i++) {
        if (spoken[i])
            offsets[i] = (float)(rates->busiest_power * excess(rates, rates->busiest, spoken[i], lines));
        else {
            double company = all_spoken ? room[i] / (double)all_spoken : 1;
            offsets[i] = (float)(of_others + rates->stranger_power * log(company > rates->least_company ? company : rates->least_company));
        }
    }
    if (current >= 0 && spoken[current])
        offsets[current] += (float)(rates->same_power * excess(rates, rates->same_again, (double)going_on + rates->next, lines));
}

/* ---- Guidance ---- */

INLINE float inner_product(const float *left, const float *right, int64_t count)
{
    Floats sums = {0};
    int64_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH)
        sums += load(left + i) * load(right + i);
    if (i < count)
        sums += load_part(left + i, count - i) * load_part(right + i, count - i);
    float sum = 0;
    for (int lane = 0; lane < WIDTH; lane++)
        sum += sums[lane];
    return sum;
}

/* Guides each row towards the text tokens that its features expect and its contrast's do not, among plausible
ones: those whose scores are at most `distance` below the best; see `generation/voice.py`. Returns 0, or 1 if
out of memory.

weights: (V, E), of the head; differences: (B, E), inputs of the head minus the contrast's; strengths: (B). */
EXPORT int strengthen(float *scores, int64_t rows, int64_t size, int64_t layout, float distance, const float *weights, int64_t width, const float *differences, const float *strengths)
{
    int32_t *ids = malloc((size_t)size * sizeof(int32_t) + 1);
    float *offsets = malloc((size_t)size * sizeof(float) + 1), *room = malloc(2 * (size_t)size * sizeof(float) + 1);
    int is_done = ids && offsets && room;
    for (int64_t row = 0; is_done && row < rows; row++, scores += size, differences += width) {
        float best = highest(scores + layout, size - layout, -INFINITY);
        int64_t count = 0;
        for (int64_t first = layout; first < size && strengths[row] != 0; first += PANEL)
            for (int64_t id = first, end = panel_end(scores, first, size, best - distance); id < end; id++)
                if (scores[id] >= best - distance) {
                    offsets[count] = inner_product(weights + id * width, differences, width) * strengths[row];
                    ids[count++] = (int32_t)id;
                }
        shift(scores, ids, offsets, count, room);
    }
    free(ids);
    free(offsets);
    free(room);
    return !is_done;
}

/* ---- Echoes and overuse ---- */

/* Explained in `text_statistics/repetition.py`, `generation/echoes.py` and `generation/overuse.py`. */

enum { LENGTHS = 3, MOST_LENGTH = 32 };
enum { APART = -1, NO_TEXT = -2, NOTHING = -3 }; /* in place of an id: no text; not text; no token */

/* By how much the odds of what came too often are lowered. */
typedef struct {
    double pseudocount; /* added to what came and to what is expected */
    double power;       /* exponent of expected / came */
    double max_penalty; /* upper limit, in nats */
} Penalty;

/* The latest tokens and lines of B texts, and where the tokens match the ends of the texts. */
typedef struct {
    int64_t rows, size, layout; /* B, V, L */
    int64_t cue;                /* the cue before a spelled name, or -1 */
    int64_t capacity, window;   /* C, and how many tokens back echoes are looked for */
    int64_t remembered;         /* R: how many lines back */
    int32_t *ids;               /* (B, C), APART where there is no text */
    uint8_t *matches;           /* (B, C): how many tokens up to this one match the end of the text */
    double *came, *expected;    /* (B, LENGTHS): how many echoes of each length came; are expected of people */
    const double *run_shares;   /* (P, LENGTHS): share of people's tokens that end an echo, by place */
    uint64_t *lines;            /* (B): a hash of the line so far; 0 where it has no text */
    uint64_t *said;             /* (B, R): hashes of the latest lines, in a ring */
    int64_t *line_counts;       /* (B): number of lines so far */
    double *lines_came, *lines_expected; /* (B): how many lines are echoes; are expected to be */
    const double *line_shares;  /* (P): share of people's lines that are echoes, by place */
    int64_t *waited;            /* (B): number of steps at which no token came */
    int32_t *latest;            /* (B): the latest token, as in `own_id` */
    uint8_t *is_named;          /* (B): whether a name is being spelled */
    int64_t lengths[LENGTHS];
    double token_decay, line_decay; /* factors by which the counts decay per token or line */
    Penalty penalty;            /* for one length, and for lines */
} Recent;

/* How often each token came in B texts. */
typedef struct {
    double *counts;       /* (B, V) */
    float *factors;       /* (B, V): added to the scores, 0 or less; 0 for layout */
    double *totals;       /* (B): the sum of the counts */
    int64_t *steps;       /* (B): number of text tokens so far */
    const double *shares; /* (V): each token's share of people's text */
    int64_t decay_interval; /* number of tokens after which the counts decay */
    double decay;           /* factor by which they then decay */
    Penalty penalty;
    double power_growth;    /* the power grows by this factor of itself per expected token */
} Usage;

/* Returns the term to add to the score of something, given how often it came and was expected. */
INLINE double factor_of(const Penalty *penalty, double came, double expected, double power)
{
    double factor = came > expected ? power * log((expected + penalty->pseudocount) / (came + penalty->pseudocount)) : 0;
    return factor < -penalty->max_penalty ? -penalty->max_penalty : factor;
}

/* Returns whether the line so far was said among the latest ones. */
INLINE int would_echo(const Recent *recent, int64_t row)
{
    const uint64_t *said = recent->said + row * recent->remembered;
    int64_t count = recent->line_counts[row] < recent->remembered ? recent->line_counts[row] : recent->remembered;
    int found = 0;
    for (int64_t i = 0; i < count; i++)
        found |= said[i] == recent->lines[row];
    return found;
}

static void end_line(const Recent *recent, int64_t row, int64_t place)
{
    recent->lines_came[row] = recent->lines_came[row] * recent->line_decay + would_echo(recent, row);
    recent->lines_expected[row] = recent->lines_expected[row] * recent->line_decay + recent->line_shares[place];
    recent->said[row * recent->remembered + recent->line_counts[row]++ % recent->remembered] = recent->lines[row];
    recent->lines[row] = 0;
}

/* Takes a token into the line of a row; returns its id, NO_TEXT for layout and names, or NOTHING. */
static int32_t own_id(const Recent *recent, int64_t row, int32_t id, int64_t place)
{
    if (id < 0) {
        recent->waited[row]++;
        return NOTHING;
    }
    if (id >= recent->layout) {
        if (recent->is_named[row])
            return NO_TEXT;
        uint64_t hash = (recent->lines[row] + (uint64_t)id + 1) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
        recent->lines[row] = hash ? hash : 1;
        return id;
    }
    recent->is_named[row] = id == recent->cue;
    if (recent->lines[row])
        end_line(recent, row, place);
    return NO_TEXT;
}

enum { BLOCK = 16 }; /* places that are skipped together, as nearly all of them match nothing */

INLINE int has_match(const uint8_t *matches)
{
    uint64_t both[2];
    memcpy(both, matches, sizeof both);
    return (both[0] | both[1]) != 0;
}

INLINE int has_id(const int32_t *ids, int32_t id)
{
    int32_t found = 0;
    for (int n = 0; n < BLOCK; n++)
        found |= ids[n] == id;
    return found;
}

/* Appends a token to a row, after the `stop` tokens before it, and counts the echoes that it ends. */
static void match_token(const Recent *recent, int64_t row, int64_t stop, int32_t id, int64_t place)
{
    int64_t start = stop > recent->window ? stop - recent->window : 0;
    uint8_t most = (uint8_t)recent->lengths[LENGTHS - 1], longest = 0;
    int32_t *ids = recent->ids + row * recent->capacity;
    uint8_t *matches = recent->matches + row * recent->capacity;
    for (int64_t end = stop; end > start; end -= BLOCK) { /* backwards: reads the place before */
        int64_t first = end - BLOCK > start ? end - BLOCK : start;
        if (end - first == BLOCK && !has_match(matches + first) && !has_id(ids + first, id))
            continue;
        for (int64_t n = end - 1; n >= first; n--) {
            uint8_t before = n ? matches[n - 1] : 0, length = before < most ? before + 1 : most;
            matches[n] = ids[n] == id ? length : 0;
            longest = matches[n] > longest ? matches[n] : longest;
        }
    }
    if (start) /* nothing before the window matches, not even if `stop` is set back later */
        matches[start - 1] = 0;
    ids[stop] = id > APART ? id : APART;
    double decay = id == NOTHING ? 1 : recent->token_decay;
    const double *shares = recent->run_shares + place * LENGTHS;
    for (int64_t i = 0; i < LENGTHS; i++) {
        double *came = &recent->came[row * LENGTHS + i], *expected = &recent->expected[row * LENGTHS + i];
        *came = *came * decay + (longest >= recent->lengths[i]);
        *expected = *expected * decay + (id >= 0 ? shares[i] : 0);
    }
}

INLINE void note_usage(const Usage *usage, int64_t row, int64_t size, int64_t id)
{
    double expected = usage->totals[row] * usage->shares[id], came = usage->counts[row * size + id];
    double power = usage->penalty.power * (1 + usage->power_growth * expected);
    usage->factors[row * size + id] = (float)factor_of(&usage->penalty, came, expected, power);
}

/* Counts a text token in a row. */
static void count_usage(const Usage *usage, const Recent *recent, int64_t row, int32_t id)
{
    double *counts = usage->counts + row * recent->size;
    counts[id] += 1;
    usage->totals[row] += 1;
    if (++usage->steps[row] % usage->decay_interval) {
        note_usage(usage, row, recent->size, id);
        return;
    }
    usage->totals[row] *= usage->decay;
    for (int64_t n = recent->layout; n < recent->size; n++)
        if (counts[n] > 0) {
            counts[n] *= usage->decay;
            note_usage(usage, row, recent->size, n);
        }
}

/* Appends a token to each row, after the `stop` tokens before it. usage: NULL if it is not counted; ids: below 0 for a
row without a token; place: how much text came before, as an index of people's shares. */
EXPORT void take_tokens(const Recent *recent, const Usage *usage, const int32_t *ids, int64_t stop, int64_t place)
{
    for (int64_t row = 0; row < recent->rows; row++) {
        int32_t id = own_id(recent, row, ids[row], place);
        recent->latest[row] = id;
        match_token(recent, row, stop, id, place);
        if (usage && id >= 0 && id < recent->size)
            count_usage(usage, recent, row, id);
    }
}

/* Returns a place before `end` and not after the next match. */
INLINE int64_t next_match(const uint8_t *matches, int64_t place, int64_t end)
{
    while (place + BLOCK < end && !has_match(matches + place))
        place += BLOCK;
    return place;
}

/* Returns by how much all text must be raised to stay as likely as it was, given the probability that some has lost. */
INLINE float compensation(double lost, double max_penalty)
{
    double most = 1 - exp(-max_penalty);
    return (float)-log1p(-(lost < most ? lost : most));
}

/* Lowers the scores of a row's tokens that would end an echo, and raises all text so that it stays as likely.

lengths: (V), a scratch buffer of zeros, zeros again at the end; text: the row's `logarithm_of_sum`. */
static void lower_echoes(const Recent *recent, int64_t row, int64_t stop, float *scores, double text, uint8_t *lengths)
{
    const int32_t *ids = recent->ids + row * recent->capacity;
    const uint8_t *matches = recent->matches + row * recent->capacity;
    double factors[MOST_LENGTH + 2] = {0}; /* by the length of the echo */
    int64_t start = stop > recent->window ? stop - 1 - recent->window : 0, longest = recent->lengths[LENGTHS - 1] + 1, shortest = 0;
    for (int64_t i = LENGTHS - 1; i >= 0; i--) {
        int64_t place = row * LENGTHS + i;
        double factor = factor_of(&recent->penalty, recent->came[place], recent->expected[place], recent->penalty.power);
        shortest = factor < 0 ? recent->lengths[i] : shortest;
        for (int64_t length = recent->lengths[i]; length <= longest; length++)
            factors[length] += factor;
    }
    if (!shortest)
        return;
    double lost = 0;
    for (int64_t place = start; place < stop - 1; place++) {
        place = next_match(matches, place, stop - 1);
        int32_t id = ids[place + 1];
        if (matches[place] >= shortest - 1 && id >= recent->layout && id < recent->size && matches[place] >= lengths[id])
            lengths[id] = matches[place] + 1;
    }
    for (int64_t place = start; place < stop - 1; place++) {
        place = next_match(matches, place, stop - 1);
        int32_t id = ids[place + 1];
        if (matches[place] < shortest - 1 || id < recent->layout || id >= recent->size || !lengths[id])
            continue; /* lengths[id] is 0 if the token has been lowered already */
        double factor = factors[lengths[id]];
        lost += exp(scores[id] - text) * -expm1(factor);
        scores[id] += (float)factor;
        lengths[id] = 0;
    }
    float raised = compensation(lost, LENGTHS * recent->penalty.max_penalty);
    for (int64_t id = recent->layout; id < recent->size; id++)
        scores[id] += raised;
}

/* Lowers the scores of a row's tokens that came too often, and raises all text so that it stays as likely. */
static void lower_overused(const Usage *usage, const Recent *recent, int64_t row, float *scores, double text)
{
    const float *factors = usage->factors + row * recent->size;
    Floats piece = {0};
    for (int64_t i = recent->layout; i < recent->size; i += WIDTH) {
        int64_t count = recent->size - i;
        Floats factor = load_part(factors + i, count), share = weight(load_part(scores + i, count) - (float)text);
        piece += choose(factor < 0, share * (1 - weight(factor)), all(0));
    }
    double lost = 0;
    for (int lane = 0; lane < WIDTH; lane++)
        lost += piece[lane];
    float raised = compensation(lost, usage->penalty.max_penalty);
    for (int64_t i = recent->layout; i < recent->size; i += WIDTH) {
        int64_t count = recent->size - i;
        store_part(scores + i, load_part(scores + i, count) + load_part(factors + i, count) + raised, count);
    }
}

/* Lowers the scores of what would be said too often in each row. stop: number of tokens so far; text: the
`logarithm_of_sum` of each row. Returns 0, or 1 if out of memory. */
EXPORT int hold_back(const Recent *recent, const Usage *usage, int64_t stop, float *scores, const double *text)
{
    uint8_t *lengths = calloc((size_t)recent->size + 1, 1);
    for (int64_t row = 0; lengths && row < recent->rows; row++, scores += recent->size) {
        lower_echoes(recent, row, stop, scores, text[row], lengths);
        if (usage)
            lower_overused(usage, recent, row, scores, text[row]);
        double factor = factor_of(&recent->penalty, recent->lines_came[row], recent->lines_expected[row], recent->penalty.power);
        if (factor < 0 && recent->latest[row] >= 0 && would_echo(recent, row))
            for (int64_t id = 0; id < recent->layout; id++)
                scores[id] = (float)(scores[id] + factor);
    }
    free(lengths);
    return !lengths;
}

/* ---- Words ---- */

/* Explained in `generation/extensions.py`. Texts lie one after the other in memory, in order. */
typedef struct {
    const uint8_t *spellings;
    const int64_t *spelling_starts; /* and the end of the last one */
    const uint8_t *tokens;
    const int64_t *token_starts;    /* and the end of the last one */
    const int32_t *ids;             /* of the tokens */
    int64_t count, longest;         /* number of tokens, and bytes of the longest */
} Words;

/* Returns the first of the tokens `low` … `high`, alike up to a depth, whose byte there is at least `least`. A token
that ends there comes before all that go on. */
static int64_t first_with(const Words *words, int64_t low, int64_t high, int64_t depth, int least)
{
    while (low < high) {
        int64_t middle = (low + high) / 2, place = words->token_starts[middle] + depth;
        if (place < words->token_starts[middle + 1] && words->tokens[place] >= least)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Allows the tokens that come after the first `begun` bytes in any of the spellings `first` … `last`, which all begin
with these. Returns whether there are any, or -1 if out of memory.

Spellings are followed byte by byte, each from where it leaves the one before; bounds: the tokens that begin with the
bytes so far, by their number. */
EXPORT int64_t allow_extensions(const Words *words, int64_t first, int64_t last, int64_t begun, uint8_t *forbidden)
{
    int64_t (*bounds)[2] = malloc((size_t)(words->longest + 1) * sizeof *bounds), found = 0, reached = 0, size_before = 0;
    if (!bounds)
        return -1;
    bounds[0][0] = 0, bounds[0][1] = words->count;
    const uint8_t *before = words->spellings;
    for (int64_t row = first; row < last; row++) {
        const uint8_t *rest = words->spellings + words->spelling_starts[row] + begun;
        int64_t size = words->spelling_starts[row + 1] - words->spelling_starts[row] - begun, depth = 0;
        while (depth < size && depth < size_before && rest[depth] == before[depth])
            depth++;
        if (depth > reached)
            continue; /* no token begins like it that does not begin like the one before */
        for (; depth < size && depth < words->longest; depth++) {
            int64_t low = first_with(words, bounds[depth][0], bounds[depth][1], depth, rest[depth]);
            int64_t high = first_with(words, low, bounds[depth][1], depth, rest[depth] + 1);
            if (low == high)
                break;
            bounds[depth + 1][0] = low, bounds[depth + 1][1] = high;
            for (; low < high && words->token_starts[low + 1] - words->token_starts[low] == depth + 1; low++) {
                forbidden[words->ids[low]] = 0;
                found = 1;
            }
        }
        reached = depth, before = rest, size_before = size;
    }
    free(bounds);
    return found;
}

/* ---- Automata ---- */

/* Explained in `generation/automata.py`. States have numbers from 0. */

/* What is forbidden in a state. */
typedef struct {
    const uint8_t *mask;      /* (V) */
    const uint8_t *otherwise; /* (V): in place of a mask that leaves no token; or NULL */
    int64_t replaces;         /* whether the mask stands in place of what is forbidden before it */
    int64_t is_idle;          /* whether `after_idle` tells the state after */
    int64_t after_passing;    /* the state after an idle one and a token that passes; or UNDECIDED */
} Forbidden;

enum { PASSING = -2, UNDECIDED = -1 }; /* in place of the state after a token */

/* The states of B texts in some automata. */
typedef struct {
    int64_t size, rows;         /* V, B */
    int64_t count, rules;       /* number of automata, and how many of them come before the others */
    const Forbidden *forbidden; /* by state */
    const int32_t *after_idle;  /* (count, V): the state after a token and any idle state */
    uint64_t *keys;             /* (slots): a transition's `key_of`, or 0 */
    int32_t *after;             /* (slots): the state after it */
    int64_t slots;              /* a power of two, and more than there are transitions */
    int32_t *states;            /* (count, B) */
    const int64_t *ids;         /* (B): the next tokens, below 0 for none */
    int64_t *unknown;           /* (count * B): places in `states` */
    uint8_t *well_formed;       /* (B, V): tokens that are forbidden by the first automata */
    uint8_t *constrained;       /* (B, V): and by the others, too, if there are any */
} Automata;

INLINE uint64_t key_of(int64_t state, int64_t id)
{
    return (uint64_t)(state + 1) << 32 | (uint64_t)id;
}

/* Returns where a transition is, or where it can be put. */
INLINE uint64_t slot_of(const Automata *automata, uint64_t key)
{
    uint64_t last = (uint64_t)automata->slots - 1, hash = key * 0x9E3779B97F4A7C15u, slot = (hash ^ hash >> 32) & last;
    while (automata->keys[slot] && automata->keys[slot] != key)
        slot = (slot + 1) & last;
    return slot;
}

EXPORT void learn_transition(const Automata *automata, int64_t state, int64_t id, int64_t after)
{
    uint64_t key = key_of(state, id), slot = slot_of(automata, key);
    automata->keys[slot] = key;
    automata->after[slot] = (int32_t)after;
}

/* Takes the next token of each text, and updates its states where the transition is known. Writes the places in
`states` where it is not into `unknown`, and returns how many there are. */
EXPORT int64_t follow(const Automata *automata)
{
    int64_t found = 0;
    for (int64_t place = 0; place < automata->count * automata->rows; place++) {
        int32_t *state = automata->states + place;
        int64_t id = automata->ids[place % automata->rows];
        if (id < 0)
            continue;
        const Forbidden *own = automata->forbidden + *state;
        int32_t after = own->is_idle ? automata->after_idle[place / automata->rows * automata->size + id] : UNDECIDED;
        if (after == PASSING)
            after = (int32_t)own->after_passing;
        else if (after == UNDECIDED) {
            uint64_t key = key_of(*state, id), slot = slot_of(automata, key);
            if (automata->keys[slot])
                after = automata->after[slot];
        }
        if (after == UNDECIDED)
            automata->unknown[found++] = place;
        else
            *state = after;
    }
    return found;
}

INLINE void unite(uint8_t *restrict mask, const uint8_t *restrict other, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        mask[i] |= other[i];
}

/* Forbids tokens of a text by its states in the automata `first` to `last`. before, after: (V). */
static void forbid_by(const Automata *automata, int64_t row, int64_t first, int64_t last, const uint8_t *before, uint8_t *after)
{
    size_t size = (size_t)automata->size;
    memcpy(after, before, size);
    for (int64_t n = first; n < last; n++) {
        const Forbidden *forbidden = automata->forbidden + automata->states[n * automata->rows + row];
        if (forbidden->replaces)
            memcpy(after, forbidden->mask, size);
        else
            unite(after, forbidden->mask, automata->size);
        if (forbidden->otherwise && !memchr(after, 0, size))
            memcpy(after, forbidden->otherwise, size);
    }
}

/* Forbids tokens of each text by its states. before: (B, V), tokens that are forbidden already. */
EXPORT void forbid(const Automata *automata, const uint8_t *before)
{
    for (int64_t row = 0; row < automata->rows; row++) {
        uint8_t *well_formed = automata->well_formed + row * automata->size;
        forbid_by(automata, row, 0, automata->rules, before + row * automata->size, well_formed);
        if (automata->count > automata->rules)
            forbid_by(automata, row, automata->rules, automata->count, well_formed, automata->constrained + row * automata->size);
    }
}
