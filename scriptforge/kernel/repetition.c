#include "platform.h"

/* ---- Echoes and overuse ---- */

/* Explained in `text_statistics/repetition.py`, `generation/repetition.py` and `generation/overuse.py`. */

enum { LENGTHS = 3, MAX_LENGTH = 32 };
enum { APART = -1, NO_TEXT = -2, NOTHING = -3 }; /* in place of an id: no text; not text; no token */

/* By how much the odds of what came too often are lowered. */
typedef struct {
    double pseudocount; /* added to what came and to what is expected */
    double power;       /* exponent of expected / observed */
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
    double *observed, *expected; /* (B, LENGTHS): how many echoes of each length came; are expected of people */
    const double *run_shares;   /* (P, LENGTHS): share of people's tokens that end an echo, by place */
    uint64_t *lines;            /* (B): a hash of the line so far; 0 where it has no text */
    uint64_t *said;             /* (B, R): hashes of the latest lines, in a ring */
    int64_t *line_counts;       /* (B): number of lines so far */
    double *lines_observed, *lines_expected; /* (B): how many lines are echoes; are expected to be */
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
INLINE double penalty_term(const Penalty *penalty, double observed, double expected, double power)
{
    double factor = observed > expected ? power * log((expected + penalty->pseudocount) / (observed + penalty->pseudocount)) : 0;
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
    recent->lines_observed[row] = recent->lines_observed[row] * recent->line_decay + would_echo(recent, row);
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
        double *observed = &recent->observed[row * LENGTHS + i], *expected = &recent->expected[row * LENGTHS + i];
        *observed = *observed * decay + (longest >= recent->lengths[i]);
        *expected = *expected * decay + (id >= 0 ? shares[i] : 0);
    }
}

INLINE void note_usage(const Usage *usage, int64_t row, int64_t size, int64_t id)
{
    double expected = usage->totals[row] * usage->shares[id], observed = usage->counts[row * size + id];
    double power = usage->penalty.power * (1 + usage->power_growth * expected);
    usage->factors[row * size + id] = (float)penalty_term(&usage->penalty, observed, expected, power);
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
EXPORT void append_tokens(const Recent *recent, const Usage *usage, const int32_t *ids, int64_t stop, int64_t place)
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

lengths: (V), a scratch buffer of zeros, zeros again at the end; text: the row's `logsumexp`. */
static void penalise_echoes(const Recent *recent, int64_t row, int64_t stop, float *scores, double text, uint8_t *lengths)
{
    const int32_t *ids = recent->ids + row * recent->capacity;
    const uint8_t *matches = recent->matches + row * recent->capacity;
    double factors[MAX_LENGTH + 2] = {0}; /* by the length of the echo */
    int64_t start = stop > recent->window ? stop - 1 - recent->window : 0, longest = recent->lengths[LENGTHS - 1] + 1, shortest = 0;
    for (int64_t i = LENGTHS - 1; i >= 0; i--) {
        int64_t place = row * LENGTHS + i;
        double factor = penalty_term(&recent->penalty, recent->observed[place], recent->expected[place], recent->penalty.power);
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
static void penalise_overuse(const Usage *usage, const Recent *recent, int64_t row, float *scores, double text)
{
    const float *factors = usage->factors + row * recent->size;
    Floats piece = {0};
    for (int64_t i = recent->layout; i < recent->size; i += WIDTH) {
        int64_t count = recent->size - i;
        Floats factor = load_partial(factors + i, count), share = exp_nonpositive(load_partial(scores + i, count) - (float)text);
        piece += blend(factor < 0, share * (1 - exp_nonpositive(factor)), broadcast(0));
    }
    double lost = 0;
    for (int lane = 0; lane < WIDTH; lane++)
        lost += piece[lane];
    float raised = compensation(lost, usage->penalty.max_penalty);
    for (int64_t i = recent->layout; i < recent->size; i += WIDTH) {
        int64_t count = recent->size - i;
        store_partial(scores + i, load_partial(scores + i, count) + load_partial(factors + i, count) + raised, count);
    }
}

/* Lowers the scores of what would be said too often in each row. stop: number of tokens so far; text: the
`logsumexp` of each row. Returns 0, or 1 if out of memory. */
EXPORT int penalise_repetition(const Recent *recent, const Usage *usage, int64_t stop, float *scores, const double *text)
{
    uint8_t *lengths = calloc((size_t)recent->size + 1, 1);
    for (int64_t row = 0; lengths && row < recent->rows; row++, scores += recent->size) {
        penalise_echoes(recent, row, stop, scores, text[row], lengths);
        if (usage)
            penalise_overuse(usage, recent, row, scores, text[row]);
        double factor = penalty_term(&recent->penalty, recent->lines_observed[row], recent->lines_expected[row], recent->penalty.power);
        if (factor < 0 && recent->latest[row] >= 0 && would_echo(recent, row))
            for (int64_t id = 0; id < recent->layout; id++)
                scores[id] = (float)(scores[id] + factor);
    }
    free(lengths);
    return !lengths;
}
