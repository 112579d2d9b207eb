#include "platform.h"

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

EXPORT void add_transition(const Automata *automata, int64_t state, int64_t id, int64_t after)
{
    uint64_t key = key_of(state, id), slot = slot_of(automata, key);
    automata->keys[slot] = key;
    automata->after[slot] = (int32_t)after;
}

/* Takes the next token of each text, and updates its states where the transition is known. Writes the places in
`states` where it is not into `unknown`, and returns how many there are. */
EXPORT int64_t advance(const Automata *automata)
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
