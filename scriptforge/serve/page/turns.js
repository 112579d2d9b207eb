// Turn-taking: nobody goes on, or speaks all the time, more than people do; see the package's turn_taking.py.

const WINDOW = 50;          // lines of dialogue over which shares are known
const SETTLING = 10;        // lines as people would have written them, before the first one
const SAME_POWER = 2, BUSIEST_POWER = 8;
const BUSIEST_OF_FEW = 1.3; // times their even share the busiest of a few may say
const LEAST = 1e-3;         // lines that are expected of what people never do

export class Turns {
  /** `habits`: {same_again, busiest}, shares of people's lines; `members`: of a cast, 0 where anybody may speak. */
  constructor({ layout, says, cue, voices }, { same_again, busiest }, members = 0) {
    Object.assign(this, { layout, says, cue, first: layout - voices.length });
    this.same = members === 1 ? 1 : same_again;
    this.busiest = members ? Math.min(1, Math.max(busiest, BUSIEST_OF_FEW / members)) : busiest;
    this.lines = [];        // of the latest lines: {speaker, wentOn}; 0 stands for those without a token
    this.current = 0;
  }

  /** Takes the token that came. */
  take(id) {
    if (id >= this.layout || id === this.says) return;
    const speaker = id >= this.first ? id : 0;
    if (speaker || id === this.cue) this.lines.push({ speaker, wentOn: speaker > 0 && speaker === this.current });
    if (this.lines.length > WINDOW) this.lines.shift();
    this.current = speaker;
  }

  /** Lowers the scores of cues beyond people's habits, and raises the other cues: all together stay as likely. */
  weigh(logits) {
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

  /** What is added to the scores of some speakers' cues, below 0. */
  offsets() {
    const counts = new Map();
    for (const { speaker } of this.lines) counts.set(speaker, (counts.get(speaker) ?? 0) + 1);
    const found = new Map([...counts].map(([speaker, count]) => [speaker, BUSIEST_POWER * this.excess(this.busiest, count)]));
    const again = SAME_POWER * this.excess(this.same, this.lines.filter(({ wentOn }) => wentOn).length);
    found.set(this.current, (found.get(this.current) ?? 0) + again);
    return new Map([...found].filter(([speaker, offset]) => speaker && offset < 0));
  }

  /** The logarithm of how many lines there should be of those there are, 0 where there are no more. */
  excess(share, count) {
    const expected = share * (this.lines.length + SETTLING), present = count + share * SETTLING;
    return present > expected ? Math.log(Math.max(expected, LEAST) / present) : 0;
  }
}
