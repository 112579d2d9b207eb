// Echoes: recent words are repeated no more often than in the training text; see generation/repetition.py.

import { MAX_PENALTY, Overuse, factor, lower } from "./overuse.js";

const TOKEN_DECAY = 0.999, LINE_DECAY = 0.98;  // factors by which the counts decay per token and per line
const LINES = 256;                             // number of lines that are remembered
const APART = -1;                              // stands for a token that is no text

export class Echoes {
  /** `habits`: {runs, lines, lengths, window}: people's rates by place, echo lengths, tokens to look back. */
  constructor(about, habits) {
    const { layout, cue } = about;
    Object.assign(this, { layout, cue, habits });
    this.overuse = about.frequencies ? new Overuse(about, about.frequencies) : null;
    this.ids = [];                             // APART where there is no text
    this.matches = [];                         // by position: how many tokens up to it equal those at the end
    this.came = habits.lengths.map(() => 0);
    this.expected = habits.lengths.map(() => 0);
    this.linesCame = this.linesExpected = this.count = 0;
    this.said = new Map();                     // by the tokens of a line: how many lines came before it
    this.line = "";
    this.isName = false;
  }

  /** The index into people's rates, which depend on the length of the text so far: 0 to 4. */
  get place() {
    const { window } = this.habits;
    return [window >> 6, window >> 4, window >> 2, window].filter((bound) => this.ids.length >= bound).length;
  }

  /** Takes the next token. */
  take(id) {
    const { lengths, runs, window } = this.habits, { place } = this;
    const own = id >= this.layout && !this.isName ? id : APART;
    const most = lengths.at(-1);
    let longest = 0;
    for (let at = this.ids.length - 1, stop = Math.max(0, this.ids.length - window); at >= stop; at--) {
      const isSame = own !== APART && this.ids[at] === own;
      this.matches[at] = isSame ? Math.min((this.matches[at - 1] ?? 0) + 1, most) : 0;
      longest = Math.max(longest, this.matches[at]);
    }
    this.ids.push(own);
    this.matches.push(0);
    lengths.forEach((length, n) => {
      this.came[n] = this.came[n] * TOKEN_DECAY + (longest >= length);
      this.expected[n] = this.expected[n] * TOKEN_DECAY + (own === APART ? 0 : runs[n][place]);
    });
    if (own !== APART) {
      this.overuse?.take(own);
      this.line += ` ${own}`;
    } else if (id < this.layout) this.#open(id, place);
  }

  /** Takes a layout token, which ends a line if one is open. */
  #open(id, place) {
    this.isName = id === this.cue;
    if (!this.line) return;
    this.linesCame = this.linesCame * LINE_DECAY + this.wouldEcho;
    this.linesExpected = this.linesExpected * LINE_DECAY + this.habits.lines[place];
    this.said.delete(this.line);               // so that lines stay in the order in which they were last said
    this.said.set(this.line, this.count);
    if (this.said.size > LINES) this.said.delete(this.said.keys().next().value);
    this.count += 1;
    this.line = "";
  }

  /** Whether the line, if it ended now, would repeat an earlier one. */
  get wouldEcho() {
    return this.said.has(this.line) && this.said.get(this.line) >= this.count - LINES;
  }

  /** Lowers the scores of allowed tokens that would end an echo, and raises the other text tokens instead. */
  penalise(logits, isAllowed) {
    const { layout, habits: { lengths } } = this;
    const factors = lengths.map((_, n) => factor(this.came[n], this.expected[n]));
    const shortest = lengths.find((_, n) => factors[n] < 0);
    const found = shortest ? [...this.#echoing(shortest)].filter(([id]) => isAllowed(id)) : [];
    const reaching = (length) => lengths.reduce((sum, each, n) => sum + (length >= each ? factors[n] : 0), 0);
    const byId = new Map(found.map(([id, length]) => [id, reaching(length)]));
    lower(logits, layout, byId, isAllowed, lengths.length * MAX_PENALTY);
    this.overuse?.penalise(logits, isAllowed);
    const lowered = factor(this.linesCame, this.linesExpected);
    if (lowered && this.ids.at(-1) !== APART && this.wouldEcho) for (let id = 0; id < layout; id++) logits[id] += lowered;
  }

  /** The tokens that would end an echo now, and how long it would be. */
  #echoing(shortest) {
    const found = new Map();
    for (let at = Math.max(0, this.ids.length - 1 - this.habits.window); at < this.ids.length - 1; at++) {
      const next = this.ids[at + 1];
      if (next === APART || this.matches[at] < shortest - 1) continue;
      found.set(next, Math.max(found.get(next) ?? 0, this.matches[at] + 1));
    }
    return found;
  }
}
