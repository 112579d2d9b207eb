// Turn-taking: nobody continues or dominates more than in the training text; see generation/turn_taking.py.

const WINDOW = 50;          // lines of dialogue over which shares are measured
const PSEUDOCOUNT = 10;        // weight of people's shares, in lines before the first one
const SAME_POWER = 2, BUSIEST_POWER = 8;
const BUSIEST_OF_FEW = 1.3; // limit on the busiest speaker of a small cast, as a multiple of an even share
const LEAST = 1e-3;         // lower limit of an expected number of lines

export class Turns {
  /** `habits`: {same_again, busiest}, shares of people's lines; `members`: size of a cast, 0 without one. */
  constructor({ layout, says, cue, voices }, { same_again, busiest }, members = 0) {
    Object.assign(this, { layout, says, cue, first: layout - voices.length });
    this.same = members === 1 ? 1 : same_again;
    this.busiest = members ? Math.min(1, Math.max(busiest, BUSIEST_OF_FEW / members)) : busiest;
    this.lines = [];        // the latest lines: {speaker, wentOn}; 0 is a speaker without a cue of their own
    this.current = 0;
  }

  /** Takes the next token. */
  take(id) {
    if (id >= this.layout || id === this.says) return;
    const speaker = id >= this.first ? id : 0;
    if (speaker || id === this.cue) this.lines.push({ speaker, wentOn: speaker > 0 && speaker === this.current });
    if (this.lines.length > WINDOW) this.lines.shift();
    this.current = speaker;
  }

  /** Lowers the scores of cues beyond people's habits, and raises all cues: their total probability stays. */
  penalise(logits) {
    const offsets = this.offsets();
    if (!offsets.size) return;
    const cues = [this.cue];
    for (let id = this.first; id < this.layout; id++) cues.push(id);
    const top = Math.max(...cues.map((id) => logits[id]));
    const sum = () => cues.reduce((total, id) => total + Math.exp(logits[id] - top), 0);
    const before = sum();
    for (const [id, offset] of offsets) logits[id] += offset;
    const raised = Math.log(before / sum());
    for (const id of cues) logits[id] += raised;
  }

  /** The penalties, below 0, to add to the scores of some cues. */
  offsets() {
    const counts = new Map();
    for (const { speaker } of this.lines) counts.set(speaker, (counts.get(speaker) ?? 0) + 1);
    const found = new Map([...counts].map(([speaker, count]) => [speaker, BUSIEST_POWER * this.excess(this.busiest, count)]));
    const again = SAME_POWER * this.excess(this.same, this.lines.filter(({ wentOn }) => wentOn).length);
    found.set(this.current, (found.get(this.current) ?? 0) + again);
    return new Map([...found].filter(([speaker, offset]) => speaker && offset < 0));
  }

  /** The logarithm of expected over actual lines, 0 if there are no more than expected. */
  excess(share, count) {
    const expected = share * (this.lines.length + PSEUDOCOUNT), present = count + share * PSEUDOCOUNT;
    return present > expected ? Math.log(Math.max(expected, LEAST) / present) : 0;
  }
}
