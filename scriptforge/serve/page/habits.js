// Habits of the training text that a line is held to: only known names, and closed brackets and quotes.
// As in the package, except that speakers may address themselves: `(to Kramer)` in a line of Kramer.

const decoder = new TextDecoder("utf-8", { fatal: true });

export class Habits {
  /** `about`: names, each as the ids that spell it, and marks {closed, longest}; either may be missing. */
  constructor(about, vocabulary) {
    this.about = about;
    this.setNames(about.names);
    this.closing = new Map((about.marks?.closed ?? []).map(([opens, closes]) => [opens, closes]));
    const marks = new Set([...this.closing.keys(), ...this.closing.values()]);
    this.marks = about.tokens.map((_, id) => marksIn(textOf(about, vocabulary, id), marks));
    this.begin();
  }

  /** A copy for another text, at the beginning of a line; `names` replace those that are known if there are any. */
  fork(names = []) {
    const other = Object.assign(Object.create(Habits.prototype), this);
    if (names.length) other.setNames(names);
    other.begin();
    return other;
  }

  /** Allows only these names, each as the ids that spell it; null allows any. */
  setNames(names) {
    this.names = new Set((names ?? []).flatMap((ids) => ids.map((_, place) => ids.slice(0, place + 1).join(" "))));
    this.mayName = !names || names.length > 0;
  }

  begin() {
    this.spelled = null; // ids of the name that is being spelled; null outside of names
    this.open = "";      // marks that close what is open, the next one last
    this.length = 0;     // tokens since something was opened
  }

  /** Whether a token may come now. */
  allows(id) {
    const { layout, cue } = this.about;
    if (this.spelled !== null) {
      const isKnown = this.spelled.length === 0 || this.names.has(this.spelled.join(" "));
      return !isKnown || this.names.has([...this.spelled, id].join(" "));
    }
    if (id === cue && !this.mayName) return false;
    if (id < layout) return this.open === "";
    const after = this.walk(id);
    if (this.open && this.length >= this.about.marks.longest) return after === this.open.slice(0, -1);
    return after !== null;
  }

  /** What is open after a text token; null if the token may not come. */
  walk(id) {
    let open = this.open;
    for (const mark of this.marks[id]) {
      if (mark === open.at(-1)) open = open.slice(0, -1);
      else if (this.closing.has(mark) && !open.includes(this.closing.get(mark))) open += this.closing.get(mark);
      else return null;
    }
    return open;
  }

  /** Takes a token, which need not be allowed if it is given. */
  advance(id) {
    const { layout, cue } = this.about;
    if (id < layout) {
      this.begin();
      if (id === cue) this.spelled = [];
    } else if (this.spelled !== null) {
      this.spelled.push(id);
    } else if (this.marks[id]) {
      for (const mark of this.marks[id]) {
        if (mark === this.open.at(-1)) this.open = this.open.slice(0, -1);
        else if (this.closing.has(mark)) this.open += this.closing.get(mark);
      }
    }
    this.length = this.open ? this.length + 1 : 0;
  }
}

const marksIn = (text, marks) => Array.from(text).filter((letter) => marks.has(letter)).join("");

/** The text of a token; empty if its bytes are not whole characters. */
function textOf(about, vocabulary, id) {
  if (id < about.layout) return "";
  if (about.level === "word") return about.tokens[id];
  try {
    return decoder.decode(Uint8Array.from(vocabulary.bytesOf(id), (byte) => byte.charCodeAt(0)));
  } catch {
    return "";
  }
}
