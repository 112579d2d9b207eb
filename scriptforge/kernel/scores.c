#include "platform.h"

/* ---- Drawing ---- */

/* A row has the scores of V tokens, of which the first ones are layout and the others text; forbidden tokens
score minus infinity. What is computed, and in which order, is defined in `generation/sampling.py`. */

static const float SCORE_LIMIT = 1e30f;

/* Returns a mask of the first `count` lanes of a vector. */
INLINE Ints in_range(int64_t count)
{
    Ints lanes;
    for (int lane = 0; lane < WIDTH; lane++)
        lanes[lane] = lane < count ? -1 : 0;
    return lanes;
}

INLINE float exp_scalar(float x)
{
    exp_array(&x, &x, 1);
    return x;
}

/* Returns the log-sum-exp of scores; very low if all tokens are forbidden. */
static double logsumexp(const float *scores, int64_t count)
{
    enum { PIECE = 8 * WIDTH }; /* summed in single precision */
    float best = maximum(scores, count, -SCORE_LIMIT);
    double sum = 0;
    for (int64_t first = 0; first < count; first += PIECE) {
        Floats piece = {0};
        int64_t i = first;
        for (; i < first + PIECE && i + WIDTH <= count; i += WIDTH)
            piece += exp_nonpositive(load(scores + i) - best);
        if (i < first + PIECE && i < count)
            piece += exp_nonpositive(blend(in_range(count - i), load_partial(scores + i, count - i) - best, broadcast(-INFINITY)));
        for (int lane = 0; lane < WIDTH; lane++)
            sum += piece[lane];
    }
    double least = 1 / (double)SCORE_LIMIT;
    return best + log(sum > least ? sum : least);
}

INLINE float finite_score(float score)
{
    return score != score ? 0 : score > SCORE_LIMIT ? SCORE_LIMIT : score < -SCORE_LIMIT ? -SCORE_LIMIT : score;
}

/* The arguments of `mask_logits`. */
typedef struct {
    const float *logits, *layout_scores;
    const uint8_t *forbidden;
    int64_t size, layout;
    float *scores;
    double *text;
} Masking;

enum { COST_OF_SCORE = 64 }; /* to mask one, in multiplications, for `parallel_for` */

static void mask_rows(const void *context, int64_t begin, int64_t end)
{
    const Masking *own = context;
    int64_t size = own->size, layout = own->layout;
    for (int64_t row = begin; row < end; row++) {
        const float *logits = own->logits + row * size, *opening = own->layout_scores ? own->layout_scores + row * layout : logits;
        const uint8_t *forbidden = own->forbidden + row * size;
        float *scores = own->scores + row * size;
        Ints finite_lanes = ~(Ints){0};
        for (int64_t i = 0; i < size; i += WIDTH) {
            typedef VECTOR(uint8_t, WIDTH) Bytes;
            Bytes mask = {0};
            if (size - i >= WIDTH)
                memcpy(&mask, forbidden + i, WIDTH);
            else
                memcpy(&mask, forbidden + i, (size_t)(size - i));
            Ints must_not = __builtin_convertvector(mask, Ints) != 0;
            Floats allowed = blend(must_not, broadcast(-INFINITY), load_partial(logits + i, size - i));
            finite_lanes &= allowed < INFINITY; /* false for NaN */
            store_partial(scores + i, allowed, size - i);
        }
        int is_finite = 1;
        for (int lane = 0; lane < WIDTH; lane++)
            is_finite &= finite_lanes[lane] != 0;
        for (int64_t i = 0; own->layout_scores && i < layout; i++) {
            scores[i] = forbidden[i] ? -INFINITY : opening[i];
            is_finite &= scores[i] < INFINITY;
        }
        if (!is_finite || maximum(scores, size, -INFINITY) == -INFINITY)
            for (int64_t i = 0; i < size; i++)
                scores[i] = forbidden[i] ? -INFINITY : finite_score(i < layout ? opening[i] : logits[i]);
        own->text[row] = logsumexp(scores + layout, size - layout);
    }
}

/* Writes the scores, (B, V), with minus infinity for forbidden tokens, and each row's `logsumexp` of
text. If the highest score of a row is infinite or any is NaN, its allowed scores are made finite. layout_scores:
(B, layout), in place of the logits of layout tokens, or NULL. */
EXPORT void mask_logits(const float *logits, const float *layout_scores, const uint8_t *forbidden, int64_t rows, int64_t size, int64_t layout, float *scores, double *text, int64_t threads)
{
    Masking own = {logits, layout_scores, forbidden, size, layout, scores, text};
    parallel_for(mask_rows, &own, rows, COST_OF_SCORE * rows * size, threads);
}

/* Returns the log-sum-exp of the selected scores; minus infinity if none is. */
static double logsumexp_where(const float *scores, const uint8_t *is_selected, int64_t count)
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
        exp_array(piece, piece, count - first < WIDTH ? count - first : WIDTH);
        for (int lane = 0; lane < WIDTH; lane++)
            sum += piece[lane];
    }
    return best + log(sum);
}

/* Writes the scores of layout tokens, (rows, layout), after giving the probability of those that are forbidden
afterwards to the allowed cues, or without any to all allowed ones; see `generation/layout.py`. before, after: (rows,
size), forbidden tokens; is_cue: (layout). Returns 0, or 1 if out of memory. */
EXPORT int redistribute_layout(const float *logits, const uint8_t *before, const uint8_t *after, const uint8_t *is_cue, int64_t rows, int64_t size, int64_t layout, float *layout_scores)
{
    uint8_t *gives = malloc(2 * (size_t)layout + 1), *gains = gives + layout;
    if (!gives)
        return 1;
    for (int64_t row = 0; row < rows; row++, logits += size, before += size, after += size, layout_scores += layout) {
        memcpy(layout_scores, logits, (size_t)layout * sizeof(float));
        if (!memcmp(before, after, (size_t)layout))
            continue;
        int has_cue = 0;
        for (int64_t i = 0; i < layout; i++)
            has_cue |= is_cue[i] && !after[i];
        for (int64_t i = 0; i < layout; i++) {
            gains[i] = !after[i] && (is_cue[i] || !has_cue);
            gives[i] = !before[i] && (after[i] || gains[i]);
        }
        double given = logsumexp_where(layout_scores, gives, layout), own = logsumexp_where(layout_scores, gains, layout);
        for (int64_t i = 0; i < layout && given > -INFINITY; i++)
            layout_scores[i] += gains[i] ? (float)(given - own) : 0;
    }
    free(gives);
    return 0;
}

/* How tokens are drawn. */
typedef struct {
    int64_t size, layout;
    const uint8_t *is_spoken; /* (layout): tokens that min-p applies to */
    float min_p;              /* 0 for none */
    float log_min_p;          /* its logarithm, or minus infinity for none */
    float temperature;
} Sampling;

/* Returns the first place at which the cumulative sum of the weights exceeds a target; or `count`. */
static int64_t inverse_cdf(const float *weights, int64_t count, double target)
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
static int64_t sample_layout(const Sampling *sampling, const float *scores, double text, float best, double roll, float *weights)
{
    float top = maximum(scores, sampling->layout, best);
    for (int64_t i = 0; i < sampling->layout; i++)
        weights[i] = scores[i] - top;
    exp_array(weights, weights, sampling->layout);
    float least = sampling->min_p * maximum(weights, sampling->layout, 0);
    for (int64_t i = 0; i < sampling->layout; i++)
        weights[i] = weights[i] < least && sampling->is_spoken[i] ? 0 : weights[i];
    double sum = sum_of(weights, sampling->layout);
    if (!(sum >= sampling->min_p * exp_scalar(best - top)))
        return sampling->layout;
    return inverse_cdf(weights, sampling->layout, roll * (sum + exp(text - top)));
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
static int64_t sample_text(const Sampling *sampling, const float *scores, float best, double roll, float *weights, int32_t *places)
{
    float slack = 1e-6f * (best < 0 ? -best : best);
    float surely_not = best + 1.001f * sampling->temperature * sampling->log_min_p - slack; /* as in sampling.py */
    int64_t count = 0, size = sampling->size - sampling->layout;
    for (int64_t first = 0; first < size; first += PANEL) {
        int64_t end = panel_end(scores, first, size, surely_not);
        for (int64_t i = first; i < end; i++) {
            float scaled = (scores[i] - best) / sampling->temperature;
            if (!(scores[i] < surely_not) && scaled >= sampling->log_min_p) {
                weights[count] = scaled;
                places[count++] = (int32_t)i;
            }
        }
    }
    exp_array(weights, weights, count);
    int64_t place = inverse_cdf(weights, count, roll * sum_of(weights, count));
    return place < count ? places[place] : 0;
}

/* Draws a token in each row, by two random numbers in 0 <= x < 1. Returns 0, or 1 if out of memory. */
EXPORT int sample(const Sampling *sampling, const float *scores, const double *text, const double *rolls, const double *layout_rolls, int64_t rows, int64_t *ids)
{
    float *weights = malloc((size_t)sampling->size * sizeof(float) + 1);
    int32_t *places = malloc((size_t)sampling->size * sizeof(int32_t) + 1);
    int is_done = weights && places;
    for (int64_t row = 0; is_done && row < rows; row++, scores += sampling->size) {
        float best = maximum(scores + sampling->layout, sampling->size - sampling->layout, -INFINITY);
        ids[row] = sampling->layout ? sample_layout(sampling, scores, text[row], best, layout_rolls[row], weights) : 0;
        if (ids[row] == sampling->layout)
            ids[row] += sample_text(sampling, scores + sampling->layout, best, rolls[row], weights, places);
    }
    free(weights);
    free(places);
    return !is_done;
}

/* ---- Offsets ---- */

/* Adds offsets to the scores of some tokens, and a constant that keeps their total probability. scratch: (2, S). */
static void add_offsets(float *scores, const int32_t *ids, const float *offsets, int64_t count, float *scratch)
{
    float *weights = scratch, *factors = scratch + count, best = -INFINITY, top = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        best = scores[ids[i]] > best ? scores[ids[i]] : best;
        top = offsets[i] > top ? offsets[i] : top;
    }
    for (int64_t i = 0; i < count; i++) {
        weights[i] = scores[ids[i]] - best;
        factors[i] = offsets[i] - top;
    }
    exp_array(scratch, scratch, 2 * count);
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
EXPORT int offset_scores(float *scores, int64_t rows, int64_t size, const int32_t *ids, int64_t count, const float *offsets)
{
    float *scratch = malloc(2 * (size_t)count * sizeof(float) + 1);
    for (int64_t row = 0; scratch && row < rows; row++)
        if (max_abs(offsets + row * count, count) > 0)
            add_offsets(scores + row * size, ids, offsets + row * count, count, scratch);
    free(scratch);
    return !scratch;
}

/* ---- Turn-taking ---- */

/* Explained in `generation/turn_taking.py`: S speakers, and the rates of people's text. */
typedef struct {
    int64_t speakers;        /* S */
    const double *newcomers; /* (N): how many lines of newcomers are expected, by the number of lines so far */
    double busiest, same_again, pseudocount, next, least, least_company;
    double busiest_power, same_power, newcomer_power, stranger_power;
} TurnRates;

/* Returns the log ratio of expected to observed lines; 0 if there are no more than expected. */
static double log_excess(const TurnRates *rates, double share, double observed, int64_t lines)
{
    double expected = share * ((double)lines + rates->pseudocount), present = observed + share * rates->pseudocount;
    return present > expected ? log((expected > rates->least ? expected : rates->least) / present) : 0;
}

/* Writes the offsets of all cues, (S + 1), the last one's that of the cue before a spelled name.

spoken, company: (S), how many of the latest lines each speaker said, and how many their companions; current: who
spoke last, or below 0; lines: the number of the latest lines; count: index into `newcomers`; going_on, new: at how
many of them the same speaker goes on, and somebody is new. */
EXPORT void turn_offsets(const TurnRates *rates, const int32_t *spoken, const int32_t *company, int64_t current, int64_t lines, int64_t count, int64_t going_on, int64_t new, float *offsets)
{
    int64_t speakers = rates->speakers, all_spoken = 0;
    memset(offsets, 0, (size_t)(speakers + 1) * sizeof(float));
    if (!lines)
        return;
    for (int64_t i = 0; i < speakers; i++)
        all_spoken += spoken[i];
    double of_others = rates->newcomer_power * log_excess(rates, rates->newcomers[count] / (double)lines, (double)new + rates->next, lines);
    offsets[speakers] = (float)of_others;
    for (int64_t i = 0; i < speakers; i++) {
        if (spoken[i])
            offsets[i] = (float)(rates->busiest_power * log_excess(rates, rates->busiest, spoken[i], lines));
        else {
            double share = all_spoken ? company[i] / (double)all_spoken : 1;
            offsets[i] = (float)(of_others + rates->stranger_power * log(share > rates->least_company ? share : rates->least_company));
        }
    }
    if (current >= 0 && current < speakers && spoken[current])
        offsets[current] += (float)(rates->same_power * log_excess(rates, rates->same_again, (double)going_on + rates->next, lines));
}

/* ---- Guidance ---- */

INLINE float inner_product(const float *left, const float *right, int64_t count)
{
    Floats sums = {0};
    int64_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH)
        sums += load(left + i) * load(right + i);
    if (i < count)
        sums += load_partial(left + i, count - i) * load_partial(right + i, count - i);
    float sum = 0;
    for (int lane = 0; lane < WIDTH; lane++)
        sum += sums[lane];
    return sum;
}

/* Guides each row towards the text tokens that its features expect and its contrast's do not, among plausible
ones: those whose scores are at most `distance` below the best; see `generation/voice.py`. Returns 0, or 1 if
out of memory.

weights: (V, E), of the head; differences: (B, E), inputs of the head minus the contrast's; strengths: (B). */
EXPORT int guide_scores(float *scores, int64_t rows, int64_t size, int64_t layout, float distance, const float *weights, int64_t width, const float *differences, const float *strengths)
{
    int32_t *ids = malloc((size_t)size * sizeof(int32_t) + 1);
    float *offsets = malloc((size_t)size * sizeof(float) + 1), *scratch = malloc(2 * (size_t)size * sizeof(float) + 1);
    int is_done = ids && offsets && scratch;
    for (int64_t row = 0; is_done && row < rows; row++, scores += size, differences += width) {
        float best = maximum(scores + layout, size - layout, -INFINITY);
        int64_t count = 0;
        for (int64_t first = layout; first < size && strengths[row] != 0; first += PANEL)
            for (int64_t id = first, end = panel_end(scores, first, size, best - distance); id < end; id++)
                if (scores[id] >= best - distance) {
                    offsets[count] = inner_product(weights + id * width, differences, width) * strengths[row];
                    ids[count++] = (int32_t)id;
                }
        add_offsets(scores, ids, offsets, count, scratch);
    }
    free(ids);
    free(offsets);
    free(scratch);
    return !is_done;
}
