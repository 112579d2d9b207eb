// Turn-taking: nobody continues, dominates or is new more often than in the training text, and those who are new know
// those who are there; see generation/turn_taking.py.

const WINDOW = 50;          // lines of dialogue over which shares are measured
const PSEUDOCOUNT = 10;        // weight of people's shares, in lines before the first one
const PLACE_BOUNDS = [2, 6, 15, WINDOW]; // after how many lines each place but the first begins
const SAME_POWER = 2, BUSIEST_POWER = 16, NEWCOMER_POWER = 8;
const BUSIEST_OF_FEW = 1.3; // limit on the busiest speaker of a small cast, as a multiple of an even share
const NEXT = 0.5;           // lines that are counted in advance, so that even the first line too many counts
const LEAST = 1e-3;         // lower limit of an expected number of lines
const STRANGER_POWER = 2, LEAST_COMPANY = 0.05; // power of the share of lines that companions said, and its lower limit

export class Turns {
  /**
   * `habits`: {same_again, busiest, newcomers}, shares of people's lines, newcomers by place or null, and {companions}, for
   * each of `voices` the numbers of those behind it who speak near it, or null; `members`: size of a cast, 0 without one.
   */
  constructor({ layout, says, cue, voices }, { same_again, busiest, newcomers, companions }, members = 0) {
    Object.assign(this, { layout, says, cue, first: layout - voices.length });
    this.same = members === 1 ? 1 : same_again;
    this.busiest = members ? Math.min(1, Math.max(busiest, BUSIEST_OF_FEW / members)) : busiest;
    this.newcomers = (!members && newcomers) || PLACE_BOUNDS.concat(0).map(() => Infinity);
    const areKnown = !members && companions?.length === voices.length;
    this.companions = areKnown ? companions.map((others) => new Set(others)) : null;
    this.sources = voices.map(({ source }) => source);
    this.lines = [];        // the latest lines: {speaker, wentOn, isNew}; 0 is a speaker without a cue of their own
    this.expected = [];     // for each of them, how likely it is a newcomer's
    this.current = 0;
    this.count = 0;
  }

  /** Takes the next token. */
  take(id) {
    if (id >= this.layout || id === this.says) return;
    const speaker = id >= this.first ? id : 0;
    if (speaker || id === this.cue) {
      const isNew = !speaker || this.lines.every((line) => line.speaker !== speaker);
      this.lines.push({ speaker, wentOn: speaker > 0 && speaker === this.current, isNew });
      this.expected.push(this.newcomers[PLACE_BOUNDS.filter((bound) => this.count >= bound).length]);
      this.count += 1;
    }
    if (this.lines.length > WINDOW) [this.lines, this.expected].forEach((each) => each.shift());
    this.current = speaker;
  }

  /** Lowers the scores of cues beyond people's habits, and raises all cues: their total probability stays. */
  penalise(logits) {
    if (!this.lines.length) return;
    const cues = [this.cue];
    for (let id = this.first; id < this.layout; id++) cues.push(id);
    const offsets = this.offsets(cues);
    if (!offsets.some((offset) => offset < 0)) return;
    const top = Math.max(...cues.map((id) => logits[id]));
    const sum = () => cues.reduce((total, id) => total + Math.exp(logits[id] - top), 0);
    const before = sum();
    cues.forEach((id, n) => { logits[id] += offsets[n]; });
    const raised = Math.log(before / sum());
    for (const id of cues) logits[id] += raised;
  }

  /** The penalties, 0 or less, on some cues. */
  offsets(cues) {
    const counts = new Map();
    for (const { speaker } of this.lines) if (speaker) counts.set(speaker, (counts.get(speaker) ?? 0) + 1);
    const expected = this.expected.reduce((sum, each) => sum + each, 0) / this.lines.length;
    const ofNewcomers = NEWCOMER_POWER * this.excess(expected, this.countOf("isNew") + NEXT);
    const ofCurrent = SAME_POWER * this.excess(this.same, this.countOf("wentOn") + NEXT);
    return cues.map((id) => {
      if (!counts.has(id)) return ofNewcomers + this.ofStranger(id, counts);
      return BUSIEST_POWER * this.excess(this.busiest, counts.get(id)) + (id === this.current ? ofCurrent : 0);
    });
  }

  countOf(what) {
    return this.lines.filter((line) => line[what]).length;
  }

  /** The penalty on a newcomer: the fewer of the latest lines are those of companions, the lower. */
  ofStranger(id, counts) {
    if (!this.companions || id === this.cue) return 0;
    let near = 0, all = 0;
    for (const [speaker, count] of counts) {
      const [one, other] = [id - this.first, speaker - this.first].sort((a, b) => a - b);
      all += count;
      // In a mix, the grammar keeps the speakers of different sources apart.
      if (this.companions[one].has(other) || this.sources[one] !== this.sources[other]) near += count;
    }
    return all ? STRANGER_POWER * Math.log(Math.max(near / all, LEAST_COMPANY)) : 0;
  }

  /** The logarithm of expected over actual lines, 0 if there are no more than expected. */
  excess(share, count) {
    const expected = share * (this.lines.length + PSEUDOCOUNT), present = count + share * PSEUDOCOUNT;
    return present > expected ? Math.log(Math.max(expected, LEAST) / present) : 0;
  }
}
