// Overuse: no word comes more often than people use it; see the package's generation/overuse.py.

export const MOST = 3; // the logarithm by which the odds of anything are lowered at most
const POWER = 2, SETTLING = 1.5;
const STEPS = 16, KEPT = 0.984; // after how many tokens what has come counts less, and how much

/** What is added to a score, 0 or less, given how many came and how many would have from people. */
export const factor = (came, expected) => Math.max(POWER * Math.log(Math.min((expected + SETTLING) / (came + SETTLING), 1)), -MOST);

export class Overuse {
  /** `frequencies`: {ids, shares} of the most frequent text tokens, and the share of each other one, rest. */
  constructor({ layout }, { ids, shares, rest }) {
    Object.assign(this, { layout, rest, shares: new Map(ids.map((id, n) => [id, shares[n]])) });
    this.counts = new Map();
    this.factors = new Map();
    this.total = this.steps = 0;
  }

  /** Takes a token of text, but of a name. */
  take(id) {
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    this.total += 1;
    this.steps += 1;
    if (this.steps % STEPS) return this.#note(id);
    this.total *= KEPT;
    for (const [each, count] of this.counts) {
      this.counts.set(each, count * KEPT);
      this.#note(each);
    }
  }

  #note(id) {
    this.factors.set(id, factor(this.counts.get(id), this.total * (this.shares.get(id) ?? this.rest)));
  }

  /** Lowers the scores of what is overused and may come, and raises the other words as much. */
  weigh(logits, isAllowed) {
    const found = [...this.factors].filter(([id, lowered]) => lowered < 0 && isAllowed(id));
    lower(logits, this.layout, new Map(found), isAllowed, MOST);
  }
}

/** Adds to the scores of some words, by id, and to those of all as much as they lose together; `most` is what one loses at most. */
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
