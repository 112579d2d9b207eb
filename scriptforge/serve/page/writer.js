// A script in the making: what may come, what is drawn, and what it says.

import { Echoes } from "./echoes.js";
import { Habits } from "./habits.js";
import { Turns } from "./turns.js";
import { Words, isUnspaced } from "./words.js";

/** A stream of numbers in 0 ≤ x < 1 that its seed alone decides (mulberry32). */
function newRng(seed) {
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

  /** The grammar of another text, at its beginning. */
  fork() {
    return Object.assign(Object.create(Grammar.prototype), this);
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

const NEGLIGIBLE = 1e-4; // a share of the likeliest token's probability, below which one adds nothing to a sum

/**
 * Draws a token among those allowed, and gives -1 if none is: the likeliest at temperature 0.
 *
 * Else it is drawn first, as the model says, whether layout comes and which; then, with temperature, which text. None is
 * less likely than `minimum` beside the likeliest text, or layout that names a speaker beside the likeliest layout.
 */
export function draw(logits, isAllowed, temperature, minimum, rng, { layout = 0, unspoken = [] } = {}) {
  let best = -1, bestText = -1, bestLayout = -1;
  for (let id = logits.length - 1; id >= 0; id--) {
    const leader = id < layout ? bestLayout : bestText;
    if ((leader >= 0 && logits[id] < logits[leader]) || !isAllowed(id)) continue;
    if (id < layout) bestLayout = id;
    else bestText = id;
  }
  best = bestText < 0 || (bestLayout >= 0 && logits[bestLayout] >= logits[bestText]) ? bestLayout : bestText;
  if (temperature === 0 || best < 0) return best;
  const drawn = [rng(), rng()];
  if (bestLayout >= 0) {
    const id = drawLayout(logits, isAllowed, minimum, drawn[0], { layout, unspoken, best, bestText, bestLayout });
    if (id >= 0) return id;
  }
  const ids = [], weights = [];
  let total = 0;
  for (let id = layout; id < logits.length; id++) {
    const weight = Math.exp((logits[id] - logits[bestText]) / temperature);
    if (weight < minimum || !isAllowed(id)) continue;
    ids.push(id);
    weights.push(total += weight);
  }
  const mark = drawn[1] * total;
  return ids[weights.findIndex((weight) => weight > mark)];
}

/** Draws whether layout comes and which: an id, or -1 where text is to come. */
function drawLayout(logits, isAllowed, minimum, drawn, { layout, unspoken, best, bestText, bestLayout }) {
  const top = logits[best], weightOf = (id) => Math.exp(logits[id] - top);
  const ids = [], weights = [];
  let total = 0, text = 0;
  for (let id = 0; id < layout; id++) {
    const isRare = weightOf(id) < minimum * weightOf(bestLayout);
    if ((isRare && !unspoken.includes(id)) || !isAllowed(id)) continue;
    ids.push(id);
    weights.push(total += weightOf(id));
  }
  if (bestText >= 0) {
    if (total < minimum * weightOf(bestText)) return -1;
    const least = logits[bestText] + Math.log(NEGLIGIBLE);
    for (let id = layout; id < logits.length; id++) if (logits[id] >= least && isAllowed(id)) text += weightOf(id);
  }
  const mark = drawn * (total + text);
  return ids[weights.findIndex((weight) => weight > mark)] ?? -1;
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
 * Goes on with a script, and yields what comes as lines for the page: {begin}, {add}, {element}, and at last {done}.
 *
 * `request`: elements of a model {kind, speaker, text} that come before; open, an element that is to be continued, or next,
 * what has to come: {kind} or {speaker}; source, cast, lines, seed, temperature, voice. `context` has read the elements.
 */
export function* suggest(about, vocabulary, context, request) {
  const { lines, seed, open } = request;
  const writing = new Writing(about, vocabulary, request, context);
  writing.goOn();
  let left = lines, shown = open ? writing.text() : null, isOpen = Boolean(open), isBegun = isOpen;
  const forced = Boolean(open);
  for (let step = 0; left > 0; step++) {
    const element = writing.step(forced && step === 0);
    if (element.isWhole && element.kind) {
      if (!isBegun) yield { begin: { kind: element.kind, speaker: element.speaker } };
      const whole = { kind: element.kind, speaker: element.speaker, text: isOpen ? "" : element.text };
      if (shown !== null && element.text.startsWith(shown) && element.text !== shown) yield { add: element.text.slice(shown.length) };
      yield { element: whole };
      left -= 1;
      [isOpen, isBegun, shown] = [false, false, null];
    }
    if (left === 0 || !writing.element) continue;
    if (!isBegun) {
      yield { begin: { kind: writing.element.kind, speaker: writing.element.speaker } };
      [isBegun, shown] = [true, ""];
    }
    const text = writing.text();
    if (text.length > shown.length && text.startsWith(shown) && !text.endsWith("\ufffd")) {
      yield { add: text.slice(shown.length) };
      shown = text;
    }
  }
  yield { done: true, seed };
}

/** Returns, in a mix, whose script it is: the source that is asked for, else that of most of its speakers. */
export function sourceIn(about, asked, speakers) {
  if (!about.mixed || asked) return asked;
  const counts = new Map();
  for (const speaker of speakers.filter(Boolean)) {
    for (const { name, source } of about.voices) {
      if (source !== null && isSame(name, speaker)) counts.set(source, (counts.get(source) ?? 0) + 1);
    }
  }
  const [[most] = []] = [...counts].sort(([, one], [, other]) => other - one);
  return (about.sources.find(({ id }) => id === most) ?? about.sources[0]).name;
}

/** The ids of a script that was written so far: a text begins, and each element follows. */
export function idsOf(about, vocabulary, elements, source = null) {
  const ids = [about.end];
  if (about.mixed) ids.push(sourceOf(about, source));
  if (about.plain) return [...ids, ...encoded(vocabulary, elements.map(({ text }) => `${text}\n`).join(""))];
  for (const element of elements) ids.push(...opened(about, vocabulary, element, source), ...encoded(vocabulary, element.text));
  return ids;
}

/** The tokens that open an element: its kind, or who speaks. */
function opened(about, vocabulary, { kind, speaker }, source) {
  if (kind !== "dialogue") return [about[kind]];
  const voice = voiceOf(about, speaker, source);
  return voice ? [voice.id] : [about.cue, ...encoded(vocabulary, speaker), about.says];
}

const isSame = (name, other) => name.toLowerCase() === other.toLowerCase();

const voiceOf = (about, speaker, source) => about.voices.find((voice) =>
  isSame(voice.name, speaker) && (!about.mixed || voice.source === null || voice.source === sourceOf(about, source)));

const sourceOf = (about, source) => (about.sources.find(({ name }) => name === source) ?? about.sources[0]).id;

/** The ids of words, without those that the model has not learnt. */
function encoded(vocabulary, text) {
  try {
    return vocabulary.encode(text);
  } catch {
    return text.split(/(?=\s)/).flatMap((word) => {
      try {
        return vocabulary.encode(word.trim());
      } catch {
        return [];
      }
    });
  }
}

const rules = new WeakMap();

/** The grammar, the words and the habits of a model, read from its tables once. */
function rulesOf(about, vocabulary) {
  if (!rules.has(about)) {
    rules.set(about, {
      grammar: new Grammar(about.grammar, about.tokens.length),
      words: about.words ? new Words(about.words, vocabulary) : null,
      habits: about.plain ? null : new Habits(about, vocabulary),
    });
  }
  return rules.get(about);
}

class Writing {
  /** `context`: {model, ids, lines} of a text of so many elements that was read already; the model reads on by itself. */
  constructor(about, vocabulary, request, context) {
    Object.assign(this, { about, vocabulary, request, context, model: context.model });
    const rules = rulesOf(about, vocabulary);
    this.grammar = rules.grammar.fork();
    this.words = rules.words?.fork() ?? null;
    this.habits = rules.habits?.fork() ?? null;
    this.turns = about.turns ? new Turns(about, about.turns, request.cast?.length) : null;
    this.echoes = about.echoes ? new Echoes(about, about.echoes) : null;
    this.rng = newRng(request.seed);
    this.names = new Map(about.voices.map(({ id, name }) => [id, name]));
    this.others = new Map(about.voices.map(({ id, others }) => [id, others]));
    this.contrast = null;  // the same text as if somebody else said the line
    this.openings = context.lines || 1;  // where nothing was said, the beginning is one
    this.kinds = { [about.heading]: "heading", [about.action]: "action", [about.transition]: "transition" };
    this.element = null;
    this.ids = [];
    this.continuing = bytesOf(about.continuing);
    this.isWordOpen = false;
    this.layout = about.layout;
    this.unspoken = about.plain ? [] : [about.heading, about.action, about.transition, about.end];
  }

  /** Stands at the end of what the context has read, with what is open or has to come next. */
  goOn() {
    const { about, request, context } = this;
    for (const id of context.ids) {
      this.grammar.advance(id);
      this.turns?.take(id);
      this.echoes?.take(id);
    }
    if (about.plain) {
      const given = request.open ? encoded(this.vocabulary, request.open.text) : [];
      this.element = { kind: "action", speaker: "" };
      for (const id of given) this.take(id, true);
      this.isWordOpen = given.length > 0 && endsInWord(request.open.text);
    } else if (request.open) {
      this.takeAll(opened(about, this.vocabulary, request.open, request.source));
      this.takeAll(encoded(this.vocabulary, request.open.text));
      this.isWordOpen = endsInWord(request.open.text);
    } else {
      this.takeAll(this.wanted(request.next));
    }
  }

  takeAll(ids) {
    for (const id of ids) this.take(id, true);
  }

  /** The tokens that open what has to come next; drawn, unless a speaker or a kind is asked for. */
  wanted(next) {
    const { about, vocabulary, request } = this;
    if (next?.speaker) return opened(about, vocabulary, { kind: "dialogue", speaker: next.speaker }, request.source);
    if (next?.kind && next.kind !== "dialogue") return [about[next.kind]];
    return [this.next((id) => this.mayOpen(id) && (!next?.kind || !this.unspoken.includes(id)))];
  }

  /** Whether a token opens an element, of somebody who may speak. */
  mayOpen(id) {
    if (id >= this.about.layout || id === this.about.end || id === this.about.says) return false;
    return this.maySpeak(id);
  }

  maySpeak(id) {
    const { cast } = this.request;
    if (!cast?.length || this.unspoken.includes(id) || id >= this.about.layout) return true;
    return cast.includes(this.names.get(id)) || id === this.about.says;
  }

  /** Draws a token of a suggestion; gives the element that it ends, with isWhole, or the one that is open. */
  step(isText) {
    const { about } = this;
    const isLast = (id) => id === about.end && !about.plain;  // a suggestion goes on where the script would end
    const isWanted = (id) =>
      (!isText || id >= about.layout) && !isLast(id) && this.maySpeak(id) && !(this.isWordOpen && isSet(this.continuing, id));
    const id = this.next(isWanted);
    this.isWordOpen = false;
    if (about.plain) return this.stepPlainly(id);
    const finished = this.take(id);
    return finished ? { ...finished, isWhole: true } : { isWhole: false };
  }

  /** In plain text a line is an element. */
  stepPlainly(id) {
    this.read(id, id < this.about.layout);
    if (id >= this.about.layout) this.ids.push(id);
    const text = this.vocabulary.decode(this.ids);
    const line = text.indexOf("\n");
    if (line < 0 && id !== this.about.end) return { isWhole: false };
    this.ids = this.vocabulary.encode(line < 0 ? "" : text.slice(line + 1));
    const words = (line < 0 ? text : text.slice(0, line)).trim();
    return words ? { kind: "action", speaker: "", text: words, isWhole: true } : { isWhole: false };
  }

  /** Draws a token: one that is wanted if one may come, and if none may come, one that finishes the word. */
  next(isWanted) {
    const { temperature } = this.request;
    const logits = this.model.score();
    if (this.contrast) strengthen(logits, this.contrast.score(), this.request.voice, this.about);
    this.turns?.weigh(logits);
    const isWord = (id) => !this.words || this.words.allows(id);
    const isUsual = (id) => !this.habits || this.habits.allows(id);
    const mayCome = (id) => this.grammar.allows(id) && isWord(id);
    const isGood = (id) => isUsual(id) && mayCome(id);
    const isBest = (id) => isGood(id) && isWanted(id);
    this.echoes?.weigh(logits, isBest);
    for (const isAllowed of [isBest, isGood, mayCome, isWord]) {
      const id = draw(logits, isAllowed, temperature, this.about.minimum, this.rng, this);
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
    this.habits?.advance(id);
    this.turns?.take(id);
    this.echoes?.take(id);
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
