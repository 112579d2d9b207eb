#include "matrices.h"

/* ---- Orthogonal matrices ---- */

/* A step of the optimizer for the gradients of matrices; `training/optimizers.py` says why. Two of its three
products are symmetric, so only half of each is computed. */

typedef struct {
    int64_t count, rows, columns; /* number and shape of the matrices; no more rows than columns */
    float *matrices;              /* (count, rows, columns), changed in place */
    int64_t iterations;
    float a, b, c; /* X becomes a X + b (XX')X + c (XX')(XX')X */
    int64_t is_out_of_memory;
} Orthogonalisation;

/* Packs a matrix, (K, N), whose columns are the outputs of a product, into the memory of `right`. */
static void pack_columns(const Matrix *right, const float *values)
{
    for (int64_t panel = 0; panel < panels_of(right); panel++)
        for (int64_t k = 0; k < right->inputs; k++)
            for (int64_t half = 0; half < 2; half++) {
                int64_t place = panel * PANEL + half * WIDTH;
                Floats line = load_partial(values + k * right->units + place, right->units - place);
                store((float *)right->weights + (panel * right->inputs + k) * PANEL + half * WIDTH, line);
            }
}

/* Computes outputs = alpha * left * right + beta * added, for left (M, K) and packed right (K, N); NULL adds
nothing. A symmetric result is computed left of the diagonal, and copied to the right of it. */
static void gemm(const float *left, int64_t rows, const Matrix *right, float alpha, const float *added, float beta, int is_symmetric, float *outputs)
{
    float sums[CHUNK * MAX_GATES * PANEL];
    int64_t width = right->units;
    Inputs inputs = {left, right->inputs, NULL};
    for (int64_t panel = 0; panel < panels_of(right); panel++) {
        int64_t start = panel * PANEL, columns = width - start < PANEL ? width - start : PANEL;
        for (int64_t first = is_symmetric ? start : 0; first < rows; first += CHUNK) {
            int64_t here = rows - first < CHUNK ? rows - first : CHUNK;
            multiply_panels(right, panel, 1, inputs, first, here, 0, sums);
            for (int64_t row = first; row < first + here; row++)
                for (int64_t half = 0; half < 2; half++) {
                    int64_t count = columns - half * WIDTH, place = row * width + start + half * WIDTH;
                    float *own = sums + (row - first) * MAX_GATES * PANEL + half * WIDTH;
                    Floats values = load(own) * alpha;
                    if (added && count > 0)
                        values += load_partial(added + place, count) * beta;
                    store(own, values);
                    store_partial(outputs + place, values, count);
                }
            for (int64_t lane = 0; is_symmetric && lane < columns; lane++)
                for (int64_t row = 0; row < here; row++)
                    if (first + row > start + lane)
                        outputs[(start + lane) * width + first + row] = sums[row * MAX_GATES * PANEL + lane];
        }
    }
}

static void orthogonalise_each(const void *context, int64_t begin, int64_t end)
{
    Orthogonalisation *job = (Orthogonalisation *)context;
    int64_t rows = job->rows, columns = job->columns, size = rows * columns;
    int64_t panels = round_up(rows, PANEL) > round_up(columns, PANEL) ? round_up(rows, PANEL) : round_up(columns, PANEL);
    int64_t depth = rows > columns ? rows : columns;
    char *memory = malloc((size_t)(2 * rows * rows + size + panels * depth) * sizeof(float) + LINE);
    if (!memory) {
        __atomic_store_n(&job->is_out_of_memory, 1, __ATOMIC_RELAXED);
        return;
    }
    float *packed = (float *)(memory + (LINE - (uintptr_t)memory % LINE));
    float *gram = packed + panels * depth, *polynomial = gram + rows * rows, *before = polynomial + rows * rows;
    Matrix packed_transpose = {1, 1, rows, columns, 0, packed, NULL, NULL, NULL};
    Matrix packed_gram = {1, 1, rows, rows, 0, packed, NULL, NULL, NULL};
    Matrix packed_x = {1, 1, columns, rows, 0, packed, NULL, NULL, NULL};
    for (int64_t each = begin; each < end; each++)
        for (int64_t i = 0; i < job->iterations; i++) {
            float *now = job->matrices + each * size;
            memcpy(before, now, (size_t)size * sizeof(float));
            pack(&packed_transpose, before);
            gemm(before, rows, &packed_transpose, 1, NULL, 0, 1, gram);
            pack(&packed_gram, gram);
            gemm(gram, rows, &packed_gram, job->c, gram, job->b, 1, polynomial);
            pack_columns(&packed_x, before);
            gemm(polynomial, rows, &packed_x, 1, before, job->a, 0, now);
        }
    free(memory);
}

/* Makes matrices with singular values of at most 1 nearly orthogonal. Returns 0, or 1 if out of memory. */
EXPORT int orthogonalise(Orthogonalisation *job, int64_t threads)
{
    job->is_out_of_memory = 0;
    int64_t products = job->count * job->iterations * 2 * job->rows * job->rows * job->columns;
    parallel_for(orthogonalise_each, job, job->count, products, threads);
    return (int)job->is_out_of_memory;
}
