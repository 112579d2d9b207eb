#include "matrices.h"

/* ---- Layers ---- */

enum { LSTM, GRU, PLAIN };

typedef struct {
    int64_t kind;
    const Matrix *ih; /* weight of the layer below; NULL for the first layer, which reads a table */
    const Matrix *hh; /* weight of the layer's own hidden state */
} Layer;

/* A text, and the state before and after it. */
typedef struct {
    int64_t steps, rows, layers, table_rows;
    const float *table;     /* (table_rows, gates * H): what tokens add to the gates of the first layer */
    const int64_t *indices; /* (T, B): the row of each token in the table */
    const float *added;     /* (T, B, gates * H): what else is added, or NULL */
    const float *hidden;    /* (L, B, H) */
    const float *cells;     /* (L, B, H); of an LSTM only */
    float *hidden_after;
    float *cells_after;
    float *outputs; /* (B, T, H), of the last layer */
    int64_t threads;
} ForwardPass;

/* A layer's step: what it reads, and where its state goes. */
typedef struct {
    const Layer *layer;
    const ForwardPass *pass;
    const int64_t *indices; /* (B) */
    const float *added;     /* (B, gates * H), or NULL */
    Inputs ih, hh;
    const float *hidden; /* (B, H) */
    float *hidden_after;
    float *cells;
} Step;

/* Cells return the hidden state. ih, hh: sums of the gates from the layer below and from the layer's own hidden
state; before: the hidden state before. */
INLINE Floats lstm_cell(const Floats *ih, const Floats *hh, Floats *cell)
{
    Floats input = sigmoid_vector(ih[0] + hh[0]), forget = sigmoid_vector(ih[1] + hh[1]);
    Floats candidate = tanh_vector(ih[2] + hh[2]), output = sigmoid_vector(ih[3] + hh[3]);
    *cell = forget * *cell + input * candidate;
    return output * tanh_vector(*cell);
}

INLINE Floats gru_cell(const Floats *ih, const Floats *hh, Floats before)
{
    Floats reset = sigmoid_vector(ih[0] + hh[0]), update = sigmoid_vector(ih[1] + hh[1]);
    Floats candidate = tanh_vector(ih[2] + reset * hh[2]);
    return candidate + update * (before - candidate);
}

INLINE Floats load_biased(const Matrix *matrix, const float *sums, int64_t place, int64_t count)
{
    return load(sums) + load_partial(matrix->bias + place, count);
}

/* Steps WIDTH units of one row, of which only the first `count` exist. */
INLINE void step_units(const Step *step, int64_t row, int64_t unit, int64_t count, const float *ih_sums, const float *hh_sums)
{
    const Layer *layer = step->layer;
    const ForwardPass *pass = step->pass;
    int64_t gates = layer->hh->gates, size = layer->hh->groups * layer->hh->units;
    Floats ih[MAX_GATES] = {{0}}, hh[MAX_GATES] = {{0}};
    for (int64_t gate = 0; gate < gates; gate++) {
        int64_t place = gate * size + unit;
        hh[gate] = load_biased(layer->hh, hh_sums + gate * PANEL, place, count);
        if (layer->ih)
            ih[gate] = load_biased(layer->ih, ih_sums + gate * PANEL, place, count);
        else
            ih[gate] = load_partial(pass->table + step->indices[row] * gates * size + place, count);
        if (!layer->ih && step->added)
            ih[gate] += load_partial(step->added + row * gates * size + place, count);
    }
    Floats cell, after;
    switch (layer->kind) {
    case LSTM:
        cell = load_partial(step->cells + row * size + unit, count);
        after = lstm_cell(ih, hh, &cell);
        store_partial(step->cells + row * size + unit, cell, count);
        break;
    case GRU:
        after = gru_cell(ih, hh, load_partial(step->hidden + row * size + unit, count));
        break;
    default:
        after = tanh_vector(ih[0] + hh[0]);
    }
    store_partial(step->hidden_after + row * size + unit, after, count);
}

/* Steps spans of units: all gates of P units, or of up to four times as many where there is only one gate. */
static void step_spans(const void *context, int64_t begin, int64_t end)
{
    const Step *step = context;
    const Layer *layer = step->layer;
    const Matrix *matrix = layer->hh;
    int64_t width = matrix->gates > 1 ? 1 : MAX_GATES, blocks = blocks_of(matrix), spans = round_up(blocks, width) / width;
    float ih_sums[CHUNK * MAX_GATES * PANEL], hh_sums[CHUNK * MAX_GATES * PANEL];
    for (int64_t span = begin; span < end; span++) {
        int64_t group = span / spans, block = span % spans * width, rest = blocks - block;
        int64_t here = rest < width ? rest : width;
        int64_t panel = (group * blocks + block) * matrix->gates, panels = here * matrix->gates;
        for (int64_t first = 0; first < step->pass->rows; first += CHUNK) {
            int64_t rest_of_rows = step->pass->rows - first, rows = rest_of_rows < CHUNK ? rest_of_rows : CHUNK;
            multiply_panels(matrix, panel, panels, step->hh, first, rows, group, hh_sums);
            if (layer->ih)
                multiply_panels(layer->ih, panel, panels, step->ih, first, rows, group, ih_sums);
            for (int64_t row = 0; row < rows; row++)
                for (int64_t half = 0; half < 2 * here; half++) {
                    int64_t unit = block * PANEL + half * WIDTH, place = row * MAX_GATES * PANEL + half * WIDTH;
                    if (unit < matrix->units)
                        step_units(step, first + row, group * matrix->units + unit, matrix->units - unit, ih_sums + place, hh_sums + place);
                }
        }
    }
}

/* Returns whether all indices are those of rows of the table. */
static int are_in_table(const ForwardPass *pass)
{
    for (int64_t i = 0; i < pass->steps * pass->rows; i++)
        if (pass->indices[i] < 0 || pass->indices[i] >= pass->table_rows)
            return 0;
    return 1;
}

static void forward_step(const Layer *layers, const ForwardPass *pass, int64_t t, const float *hidden, float *hidden_after, int8_t *bytes, float *scales)
{
    int64_t rows = pass->rows, size = layers->hh->groups * layers->hh->units;
    int8_t *hh_bytes = bytes + rows * QUAD * size; /* enough even for groups of one input */
    for (int64_t l = 0; l < pass->layers; l++) {
        const Layer *layer = &layers[l];
        Step step = {
            .layer = layer,
            .pass = pass,
            .indices = pass->indices + t * rows,
            .added = pass->added ? pass->added + t * rows * layer->hh->gates * size : NULL,
            .hh = prepare_inputs(layer->hh, hidden + l * rows * size, rows, hh_bytes, scales),
            .hidden = hidden + l * rows * size,
            .hidden_after = hidden_after + l * rows * size,
            .cells = pass->cells_after ? pass->cells_after + l * rows * size : NULL,
        };
        if (layer->ih)
            step.ih = prepare_inputs(layer->ih, hidden_after + (l - 1) * rows * size, rows, bytes, scales + rows * size);
        int64_t width = layer->hh->gates > 1 ? 1 : MAX_GATES;
        int64_t spans = layer->hh->groups * (round_up(blocks_of(layer->hh), width) / width);
        int64_t products = rows * size * layer->hh->inputs * layer->hh->gates * (layer->ih ? 2 : 1);
        parallel_for(step_spans, &step, spans, products, pass->threads);
    }
    const float *last = hidden_after + (pass->layers - 1) * rows * size;
    for (int64_t row = 0; row < rows; row++)
        memcpy(pass->outputs + (row * pass->steps + t) * size, last + row * size, (size_t)size * sizeof(float));
}

/* Reads a text. Returns 0, 1 if out of memory, or 2 if an index is out of range. */
EXPORT int recurrent_forward(const Layer *layers, const ForwardPass *pass)
{
    int64_t rows = pass->rows, size = layers->hh->groups * layers->hh->units;
    size_t state = (size_t)(pass->layers * rows * size) * sizeof(float);
    if (!are_in_table(pass))
        return 2;
    float *other = malloc(state + 1), *scales = malloc((size_t)(2 * rows * size) * sizeof(float) + 1);
    int8_t *bytes = malloc((size_t)(2 * rows * QUAD * size) + 1);
    int is_done = other && scales && bytes;
    if (is_done) {
        if (pass->cells_after)
            memcpy(pass->cells_after, pass->cells, state);
        const float *before = pass->hidden;
        for (int64_t t = 0; t < pass->steps; t++) { /* the last step writes `hidden_after` */
            float *after = (pass->steps - t) % 2 ? pass->hidden_after : other;
            forward_step(layers, pass, t, before, after, bytes, scales);
            before = after;
        }
        if (!pass->steps)
            memcpy(pass->hidden_after, pass->hidden, state);
    }
    free(other);
    free(scales);
    free(bytes);
    return !is_done;
}
