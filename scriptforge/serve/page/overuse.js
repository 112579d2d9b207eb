// Overuse: no word comes more often than in the training text; see generation/overuse.py.

export const MAX_PENALTY = 3; // upper limit, in nats, of the penalty on a token
const POWER = 2, PSEUDOCOUNT = 1.5;
const POWER_GROWTH = 0.05;       // growth of the power of a word, relative to it, per expected occurrence
const STEPS = 16, DECAY = 0.984; // the counts decay every so many tokens, by this factor

/** The penalty added to a score, 0 or less: from the count so far and the count expected of people. */
export const factor = (came, expected, power = POWER) => Math.max(power * Math.log(Math.min((expected + PSEUDOCOUNT) / (came + PSEUDOCOUNT), 1)), -MAX_PENALTY);

export class Overuse {
  /** `frequencies`: {ids, shares} of the most frequent text tokens, and `rest`, the share of any other. */
  constructor({ layout }, { ids, shares, rest }) {
    Object.assign(this, { layout, rest, shares: new Map(ids.map((id, n) => [id, shares[n]])) });
    this.counts = new Map();
    this.factors = new Map();
    this.total = this.steps = 0;
  }

  /** Takes a text token that is not part of a name. */
  take(id) {
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    this.total += 1;
    this.steps += 1;
    if (this.steps % STEPS) return this.#note(id);
    this.total *= DECAY;
    for (const [each, count] of this.counts) {
      this.counts.set(each, count * DECAY);
      this.#note(each);
    }
  }

  #note(id) {
    const expected = this.total * (this.shares.get(id) ?? this.rest);
    this.factors.set(id, factor(this.counts.get(id), expected, POWER * (1 + POWER_GROWTH * expected)));
  }

  /** Lowers the scores of allowed tokens that are overused, and raises the other text tokens instead. */
  penalise(logits, isAllowed) {
    const found = [...this.factors].filter(([id, lowered]) => lowered < 0 && isAllowed(id));
    lower(logits, this.layout, new Map(found), isAllowed, MAX_PENALTY);
  }
}

/**
 * Adds penalties, by id, to the scores of some text tokens, and raises all text tokens to make up for them.
 *
 * `most`: upper limit of a penalty, in nats.
 */
export function lower(logits, layout, factors, isAllowed, most) {
  if (!factors.size) return;
  const top = logits.slice(layout).reduce((one, other) => Math.max(one, other));
  let total = 0, lost = 0;
  for (let id = layout; id < logits.length; id++) if (logits[id] > top - 20 && isAllowed(id)) total += Math.exp(logits[id] - top);
  for (const [id, lowered] of factors) {
    lost += (Math.exp(logits[id] - top) / total) * -Math.expm1(lowered);
    logits[id] += lowered;
  }
  const raised = -Math.log1p(-Math.min(lost, 1 - Math.exp(-most)));
  for (let id = layout; id < logits.length; id++) logits[id] += raised;
}
