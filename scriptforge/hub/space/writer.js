// A script in the making: what may come, what is drawn, and what it says.

import { Words, isUnspaced } from "./words.js";

/** A stream of numbers in 0 ≤ x < 1 that its seed alone decides (mulberry32). */
export function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

const isSet = (bits, bit) => (bits[bit >> 3] >> (7 - (bit & 7))) & 1;

const NO_RUN = { last: -1, other: -1, alone: 0, both: 0 };

/** The end of a text in which only two tokens come: how many of the last one alone, and of both, there are. */
function extended({ last, other, alone, both }, id) {
  if (id === last) return { last, other, alone: alone + 1, both: both + 1 };
  return { last: id, other: last, alone: 1, both: id === other ? both + 1 : alone + 1 };
}

const IN_WORD = /[\p{L}\p{N}\p{M}]$/u;

/** Whether a text ends in a word that must not go on, where words are parted by spaces. */
const endsInWord = (text) => IN_WORD.test(text) && !isUnspaced(text);

/** Which tokens may come next: the tables of the package's grammar, P places by V tokens. */
export class Grammar {
  constructor(tables, size) {
    this.size = size;
    this.limits = tables.limits;
    this.runLimits = tables.run_limits;
    this.allowed = bytesOf(tables.allowed);
    this.closing = bytesOf(tables.closing);
    this.next = new Int16Array(bytesOf(tables.next).buffer);
    this.place = tables.start;
    this.length = 0;
    this.run = NO_RUN;
  }

  /** Whether a token may come now. */
  allows(id) {
    const bit = this.place * this.size + id;
    const isLong = this.length >= this.limits[this.place] || this.run.both >= this.runLimits[this.place];
    return isSet(this.allowed, bit) && (!isLong || isSet(this.closing, bit));
  }

  /** Takes the token that came; a place is kept as its complement where lengths begin anew. */
  advance(id) {
    const step = this.next[this.place * this.size + id];
    this.place = step < 0 ? ~step : step;
    this.length = step < 0 ? 0 : this.length + 1;
    this.run = step < 0 ? NO_RUN : extended(this.run, id);
  }
}

/**
 * Draws a token among those allowed: the likeliest alone at temperature 0, else none below `minimum` of it.
 * Gives -1 if none is allowed.
 */
export function draw(logits, isAllowed, temperature, minimum, roll) {
  let best = -1;
  for (let id = 0; id < logits.length; id++) {
    if ((best < 0 || logits[id] > logits[best]) && isAllowed(id)) best = id;
  }
  if (temperature === 0 || best < 0) return best;
  const ids = [], weights = [];
  let total = 0;
  for (let id = 0; id < logits.length; id++) {
    const weight = Math.exp((logits[id] - logits[best]) / temperature);
    if (weight < minimum || !isAllowed(id)) continue;
    ids.push(id);
    weights.push(total += weight);
  }
  const mark = roll() * total;
  return ids[weights.findIndex((weight) => weight > mark)];
}

/** Strengthens, among plausible words, those that this model expects more than another does; see voice.py. */
export function strengthen(logits, others, strength, { layout, plausible }) {
  let best = layout, before = 0, after = 0;
  for (let id = layout; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  const least = logits[best] + Math.log(plausible), top = logits[best], raised = new Map();
  for (let id = layout; id < logits.length; id++) {
    if (logits[id] < least) continue;
    raised.set(id, logits[id] + strength * (logits[id] - others[id]));
    before += Math.exp(logits[id] - top);
    after += Math.exp(raised.get(id) - top);
  }
  for (const [id, score] of raised) logits[id] = score + Math.log(before / after);
  return logits;
}

/**
 * Writes a script, and yields each element as it stands: {kind, speaker, text, isWhole}.
 *
 * `request`: speaker (one of `about.voices`, or null for anybody), words, lines, temperature, voice, seed.
 */
export function* write(about, model, vocabulary, request) {
  const writing = new Writing(about, model, vocabulary, request);
  writing.begin();
  let lines = 0;
  while (lines < request.lines) {
    const element = writing.go();
    if (!element) continue;
    lines = about.plain ? lineCount(element.text) : lines + element.isWhole;
    yield { ...element, isWhole: element.isWhole || lines >= request.lines };
  }
}

const lineCount = (text) => text.split("\n").slice(0, -1).filter((line) => line.trim()).length;

class Writing {
  constructor(about, model, vocabulary, request) {
    Object.assign(this, { about, model, vocabulary, request });
    this.grammar = new Grammar(about.grammar, about.tokens.length);
    this.words = about.words ? new Words(about.words, vocabulary) : null;
    this.roll = dice(request.seed);
    this.names = new Map(about.voices.map(({ id, name }) => [id, name]));
    this.others = new Map(about.voices.map(({ id, others }) => [id, others]));
    this.contrast = null;  // the same text as if somebody else said the line
    this.openings = 0;
    this.kinds = { [about.heading]: "heading", [about.action]: "action", [about.transition]: "transition" };
    this.element = null;
    this.ids = [];
    this.continuing = bytesOf(about.continuing);
    this.isWordOpen = false;
    model.forget();
  }

  /** Reads what is given: the end of what was before, who begins, and with which words. */
  begin() {
    const { about, request } = this;
    const given = request.words ? this.vocabulary.encode(request.words) : [];
    this.take(about.end);
    if (about.mixed) this.take(request.speaker?.source ?? this.next(() => true));
    if (about.plain) this.element = { kind: "plain", speaker: "" };
    else if (request.speaker) this.take(request.speaker.id);
    else if (given.length) this.take(this.next((id) => this.names.has(id)));
    for (const id of given) this.take(id, true);
    this.isWordOpen = given.length > 0 && endsInWord(request.words);
  }

  /** Draws a token, and gives the element that it ends, or the one that it adds to if that can be shown. */
  go() {
    const id = this.next((each) => !this.isWordOpen || !isSet(this.continuing, each));
    this.isWordOpen = false;
    if (this.about.plain) return this.goPlainly(id);
    const finished = this.take(id);
    if (finished) return { ...finished, isWhole: true };
    const canShow = this.element?.speaker && this.ids.length;
    return canShow ? { ...this.element, text: this.text(), isWhole: false } : null;
  }

  /** In plain text all is one element, and the end of a text is a line break. */
  goPlainly(id) {
    if (id !== this.about.end) {
      this.take(id);
    } else {
      this.read(id, false);
      this.ids.push(...this.vocabulary.encode("\n"));
    }
    return { kind: "plain", speaker: "", text: this.vocabulary.decode(this.ids), isWhole: false };
  }

  /** Draws a token: one that is wanted if one may come, and if none may come, one that finishes the word. */
  next(isWanted) {
    const { temperature } = this.request;
    const logits = this.model.score();
    if (this.contrast) strengthen(logits, this.contrast.score(), this.request.voice, this.about);
    const isWord = (id) => !this.words || this.words.allows(id);
    const mayCome = (id) => this.grammar.allows(id) && isWord(id);
    for (const isAllowed of [(id) => mayCome(id) && isWanted(id), mayCome, isWord]) {
      const id = draw(logits, isAllowed, temperature, this.about.minimum, this.roll);
      if (id >= 0) return id;
    }
    throw new Error("The model has no token that may come here.");
  }

  read(id, isGiven) {
    if (id < this.about.layout) this.openContrast(id);
    else this.contrast?.read(id);
    this.model.read(id);
    this.grammar.advance(id);
    this.words?.advance(id, isGiven);
  }

  /** Takes a token, and gives the element that it ends, if it ends one that says something. */
  take(id, isGiven = false) {
    this.read(id, isGiven);
    if (id >= this.about.layout) {
      this.ids.push(id);
      return null;
    }
    if (id === this.about.says) {
      this.element = { kind: "dialogue", speaker: this.text() };
      this.ids = [];
      return null;
    }
    const text = this.text();
    const finished = this.element && text ? { ...this.element, text } : null;
    this.element = this.opening(id);
    this.ids = [];
    return finished;
  }

  /** Where a voice begins, lets a copy of the model hear another: one of a few, in turn. */
  openContrast(id) {
    this.openings += 1;
    const others = this.others.get(id) ?? [];
    this.contrast = this.request.voice && others.length ? this.model.fork() : null;
    this.contrast?.read(others[this.openings % others.length]);
  }

  /** The element that a layout token opens; a name that is still to be spelled opens none yet. */
  opening(id) {
    if (this.names.has(id)) return { kind: "dialogue", speaker: this.names.get(id) };
    return this.kinds[id] ? { kind: this.kinds[id], speaker: "" } : null;
  }

  text() {
    return this.vocabulary.decode(this.ids).trim();
  }
}
