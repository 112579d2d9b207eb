#pragma once

#include "platform.h"

/* ---- Matrices ---- */

/* A packed matrix of K inputs, in fp32 or rounded to eight bits. A block-diagonal matrix has several groups
of outputs, each of which reads its own group of inputs. The outputs of a layer are its gates, with `units`
outputs in each group. */
typedef struct {
    int64_t gates, groups, units, inputs; /* units and inputs of one group; M = gates * groups * units */
    int64_t is_int8;
    const void *weights;        /* [group][block of P units][gate][K][P], or [...][K/4][P][4] of eight bits */
    const float *bias;          /* [gate][group][unit], or NULL */
    const float *scales;        /* [group][block][gate][P]: the scale of each output's 8-bit weights */
    const int32_t *corrections; /* [group][block][gate][P]: what ZERO_POINT, added to each input, adds to the sum */
} Matrix;

INLINE int64_t round_up(int64_t number, int64_t step) { return (number + step - 1) / step * step; }
INLINE int64_t blocks_of(const Matrix *matrix) { return round_up(matrix->units, PANEL) / PANEL; }
INLINE int64_t panels_of(const Matrix *matrix) { return matrix->groups * blocks_of(matrix) * matrix->gates; }
INLINE int64_t depth_of(const Matrix *matrix) { return matrix->is_int8 ? round_up(matrix->inputs, QUAD) : matrix->inputs; }

EXPORT int64_t packed_bytes(const Matrix *matrix)
{
    return panels_of(matrix) * PANEL * depth_of(matrix) * (matrix->is_int8 ? 1 : (int64_t)sizeof(float));
}

EXPORT int64_t packed_outputs(const Matrix *matrix) { return panels_of(matrix) * PANEL; }

/* Added to the inputs of a rounded matrix, where the processor's product needs them unsigned. */
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
enum { ZERO_POINT = 128 };
#else
enum { ZERO_POINT = 0 };
#endif

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
            if (!matrix->is_int8) {
                float *to = (float *)matrix->weights + panel * depth * PANEL + lane;
                for (int64_t k = 0; k < depth; k++)
                    to[k * PANEL] = is_there ? row[k] : 0;
                continue;
            }
            float most = is_there ? max_abs(row, matrix->inputs) : 0;
            float scale = (most > SMALLEST ? most : SMALLEST) / 127;
            int8_t *to = (int8_t *)matrix->weights + panel * depth * PANEL + lane * QUAD;
            int32_t sum = 0;
            for (int64_t k = 0; k < depth; k++) {
                int32_t weight = is_there && k < matrix->inputs ? (int32_t)(row[k] / scale + ROUNDING - ROUNDING) : 0;
                to[k / QUAD * PANEL * QUAD + k % QUAD] = (int8_t)weight;
                sum += weight;
            }
            ((float *)matrix->scales)[place] = scale;
            ((int32_t *)matrix->corrections)[place] = ZERO_POINT * sum;
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
    Floats totals[8][MAX_GATES][2] = {{{{0}}}};
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
                store(sums + (r * MAX_GATES + p) * PANEL + half * WIDTH, totals[r][p][half]);
}

INLINE void tile_int8(const Matrix *matrix, int64_t panel, Inputs inputs, int64_t row, int64_t group, float *sums, const int panels, const int rows)
{
    Ints totals[8][MAX_GATES][2] = {{{{0}}}};
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
                Ints exact = totals[r][p][half] - *(const Ints *)(matrix->corrections + place);
                Floats scales = load(matrix->scales + place) * inputs.scales[(row + r) * matrix->groups + group];
                store(sums + (r * MAX_GATES + p) * PANEL + half * WIDTH, as_floats(exact) * scales);
            }
}

INLINE void tile(const Matrix *matrix, int64_t panel, Inputs inputs, int64_t row, int64_t group, float *sums, const int panels, const int rows)
{
    if (matrix->is_int8)
        tile_int8(matrix, panel, inputs, row, group, sums, panels, rows);
    else
        tile_fp32(matrix, panel, inputs, row, group, sums, panels, rows);
}

/* Multiplies up to four neighbouring panels of a group with up to CHUNK rows: sums [row][gate][P]. Many rows
are multiplied with one panel after the other, which stays in the cache; a single row with all panels at once,
as there is nothing to reuse. */
static void multiply_panels(const Matrix *matrix, int64_t panel, int64_t panels, Inputs inputs, int64_t first, int64_t rows, int64_t group, float *sums)
{
    int64_t row = first, end = first + rows;
    for (; row + TILE <= end; row += TILE, sums += TILE * MAX_GATES * PANEL)
        for (int64_t p = 0; p < panels; p++)
            tile(matrix, panel + p, inputs, row, group, sums + p * PANEL, 1, TILE);
    for (; row + 2 <= end; row += 2, sums += 2 * MAX_GATES * PANEL) {
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
static void quantise(int8_t *to, const float *from, int64_t size, int64_t depth, float scale)
{
    typedef VECTOR(int8_t, WIDTH) Bytes;
    for (int64_t k = 0; k < depth; k += WIDTH) {
        Floats sums = load_partial(from + k, size - k) / scale + ROUNDING;
        Bytes bytes = __builtin_convertvector((Ints)sums + ZERO_POINT, Bytes);
        memcpy(to + k, &bytes, (size_t)(depth - k < WIDTH ? depth - k : WIDTH));
    }
}

/* Returns inputs in the form that a matrix multiplies: as they are, or rounded into `bytes` and `scales`. */
static Inputs prepare_inputs(const Matrix *matrix, const float *inputs, int64_t rows, int8_t *bytes, float *scales)
{
    int64_t size = matrix->inputs, width = matrix->groups * size, depth = depth_of(matrix);
    if (!matrix->is_int8)
        return (Inputs){inputs, width, NULL};
    for (int64_t row = 0; row < rows; row++)
        for (int64_t group = 0; group < matrix->groups; group++) {
            const float *from = inputs + row * width + group * size;
            int64_t place = row * matrix->groups + group;
            float most = max_abs(from, size);
            most = most > SMALLEST ? most : SMALLEST;
            scales[place] = most / 127;
            quantise(bytes + place * depth, from, size, depth, scales[place]);
        }
    return (Inputs){bytes, matrix->groups * depth, scales};
}

/* Returns how many bytes `prepare_inputs` writes for a matrix and a number of rows. */
INLINE int64_t quantised_bytes(const Matrix *matrix, int64_t rows) { return matrix->is_int8 ? rows * matrix->groups * depth_of(matrix) : 0; }

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
    float sums[CHUNK * MAX_GATES * PANEL];
    for (int64_t span = begin; span < end; span++) {
        int64_t panel = span * MAX_GATES, rest = blocks_of(matrix) - panel;
        int64_t panels = rest < MAX_GATES ? rest : MAX_GATES;
        for (int64_t first = 0; first < own->rows; first += CHUNK) {
            int64_t rows = own->rows - first < CHUNK ? own->rows - first : CHUNK;
            multiply_panels(matrix, panel, panels, own->inputs, first, rows, 0, sums);
            for (int64_t row = 0; row < rows; row++)
                for (int64_t half = 0; half < 2 * panels; half++) {
                    int64_t unit = panel * PANEL + half * WIDTH, count = matrix->units - unit;
                    Floats values = load(sums + row * MAX_GATES * PANEL + half * WIDTH);
                    if (matrix->bias && count > 0)
                        values += load_partial(matrix->bias + unit, count);
                    store_partial(own->outputs + (first + row) * matrix->units + unit, values, count);
                }
        }
    }
}

/* Multiplies inputs, (B, K), with a matrix of one gate and one group: outputs, (B, M). Returns 0, or 1 if out
of memory. */
EXPORT int multiply(const Matrix *matrix, const float *inputs, int64_t rows, float *outputs, int64_t threads)
{
    int8_t *bytes = malloc((size_t)(quantised_bytes(matrix, rows) + 1));
    float *scales = malloc((size_t)rows * sizeof(float) + 1);
    int is_done = bytes && scales;
    if (is_done) {
        Multiplication own = {matrix, prepare_inputs(matrix, inputs, rows, bytes, scales), rows, outputs};
        int64_t spans = round_up(blocks_of(matrix), MAX_GATES) / MAX_GATES;
        parallel_for(multiply_spans, &own, spans, rows * matrix->units * matrix->inputs, threads);
    }
    free(bytes);
    free(scales);
    return !is_done;
}
