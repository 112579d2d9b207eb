// Generation in the browser: the grammar, sampling, and the loop that turns tokens into elements.

import { Echoes } from "./echoes.js";
import { Habits } from "./habits.js";
import { Turns } from "./turns.js";
import { Words, isUnspaced } from "./words.js";

/** A seeded generator of random numbers in 0 ≤ x < 1 (mulberry32). */
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

/** The run of only two tokens at the end of a text, after one more: `alone` counts the last, `both` all. */
function extended({ last, other, alone, both }, id) {
  if (id === last) return { last, other, alone: alone + 1, both: both + 1 };
  return { last: id, other: last, alone: 1, both: id === other ? both + 1 : alone + 1 };
}

const IN_WORD = /[\p{L}\p{N}\p{M}]$/u;

/** Whether a text ends in a word that must not be continued, as it is where spaces separate words. */
const endsInWord = (text) => IN_WORD.test(text) && !isUnspaced(text);

/** Which tokens may come next: the package's grammar as tables of states by tokens; `place` is the state. */
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

  /** A copy, which advances on its own. */
  fork() {
    return Object.assign(Object.create(Grammar.prototype), this);
  }

  /** Whether a token may come now. */
  allows(id) {
    const bit = this.place * this.size + id;
    const isLong = this.length >= this.limits[this.place] || this.run.both >= this.runLimits[this.place];
    return isSet(this.allowed, bit) && (!isLong || isSet(this.closing, bit));
  }

  /** Advances by a token. The table has the complement of a state where the counts of length start again. */
  advance(id) {
    const step = this.next[this.place * this.size + id];
    this.place = step < 0 ? ~step : step;
    this.length = step < 0 ? 0 : this.length + 1;
    this.run = step < 0 ? NO_RUN : extended(this.run, id);
  }
}

const NEGLIGIBLE = 1e-4; // tokens below this share of the largest probability are left out of a sum

/**
 * Draws one of the allowed tokens, or the likeliest at temperature 0; returns -1 if none is allowed.
 *
 * There are two draws: first, at temperature 1, whether a layout token comes and which; then, at the given
 * temperature, which text token. Text tokens less than `minimum` times as likely as the likeliest one are
 * left out (min-p), and so are cues compared with the likeliest layout token.
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

/** Draws whether a layout token comes and which: its id, or -1 for text. */
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

/** Strengthens, among plausible text tokens, how `logits` differ from `others`; see generation/voice.py. */
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
 * Continues a script, and yields lines for the page: {begin}, {add}, {element}, and at last {done}.
 *
 * `request`: open, an element {kind, speaker, text} to be continued, or next, what has to come: {kind} or
 * {speaker}; source, cast, lines, seed, temperature, voice. `context`: the text before; see `Writing`.
 */
export function* suggest(about, vocabulary, context, request) {
  const { lines, seed, open } = request;
  const writing = new Writing(about, vocabulary, request, context);
  writing.goOn();
  // What the page has of the element that is being written; null before it begins.
  let shown = open ? { text: writing.text(), isContinued: true } : null;
  const given = shown?.text.length;
  let left = lines;
  while (left > 0) {
    const finished = writing.step();
    if (finished) {
      yield* ending(finished, shown);
      // A mark alone, such as a missing full stop, is not all that is written.
      const isMark = shown?.isContinued && !/[\p{L}\p{N}]/u.test(finished.text.slice(given));
      left = Math.max(left - 1, isMark ? 1 : 0);
      shown = null;
    }
    if (left === 0 || !writing.element) continue;
    if (!shown) {
      yield beginning(writing.element);
      shown = { text: "", isContinued: false };
    }
    const text = writing.text();
    if (text.length > shown.text.length && text.startsWith(shown.text) && !text.endsWith("\ufffd")) {
      yield { add: text.slice(shown.text.length) };
      shown.text = text;
    }
  }
  yield { done: true, seed };
}

const beginning = ({ kind, speaker }) => ({ begin: { kind, speaker } });

/** The lines that complete an element on the page, given what is shown of it. */
function* ending(element, shown) {
  const { kind, speaker, text } = element;
  if (!shown) yield beginning(element);
  else if (text.startsWith(shown.text) && text !== shown.text) yield { add: text.slice(shown.text.length) };
  yield { element: { kind, speaker, text: shown?.isContinued ? "" : text } };
}

/** Returns, in a mix, the name of the source to write like: the one asked for, or that of most speakers. */
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

/** The ids of the script so far: the tokens that begin a script, and those of each element. */
export function idsOf(about, vocabulary, elements, source = null) {
  const ids = [about.end];
  if (about.mixed) ids.push(sourceOf(about, source));
  if (about.plain) return [...ids, ...encoded(vocabulary, elements.map(({ text }) => `${text}\n`).join(""))];
  for (const element of elements) ids.push(...opened(about, vocabulary, element, source), ...encoded(vocabulary, element.text));
  return ids;
}

/** The tokens that open an element: that of its kind, or the cue of its speaker. */
function opened(about, vocabulary, { kind, speaker }, source) {
  if (kind !== "dialogue") return [about[kind]];
  const voice = voiceOf(about, speaker, source);
  return voice ? [voice.id] : [about.cue, ...encoded(vocabulary, speaker), about.says];
}

const isSame = (name, other) => name.toLowerCase() === other.toLowerCase();

const voiceOf = (about, speaker, source) => about.voices.find((voice) =>
  isSame(voice.name, speaker) && (!about.mixed || voice.source === null || voice.source === sourceOf(about, source)));

/** The ids that spell each name of a cast without a token of its own, with the token that ends a name. */
function spelledIn(about, vocabulary, cast) {
  const isVoice = (name) => about.voices.some((voice) => isSame(voice.name, name));
  return cast.filter((name) => !isVoice(name)).map((name) => [...encoded(vocabulary, name), about.says]);
}

const sourceOf = (about, source) => (about.sources.find(({ name }) => name === source) ?? about.sources[0]).id;

/** The ids of a text, without words that the model has not learnt. */
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

/** The grammar, the words and the habits of a model, made once from its tables. */
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

// What the next token may be: any, text, or text that does not continue the word before it. Text is due until a line
// that a person began has more than spaces added to it.
const ANY = "any", TEXT = "text", NEW_WORD = "new word";

class Writing {
  /** `context`: {model, ids, lines}: a model that has read the ids of the elements before; their number. */
  constructor(about, vocabulary, request, context) {
    Object.assign(this, { about, vocabulary, request, context, model: context.model });
    const rules = rulesOf(about, vocabulary);
    this.grammar = rules.grammar.fork();
    this.words = rules.words?.fork() ?? null;
    this.spelled = about.plain ? [] : spelledIn(about, vocabulary, request.cast ?? []);
    this.habits = rules.habits?.fork(this.spelled) ?? null;
    this.turns = about.turns ? new Turns(about, about.turns, request.cast?.length) : null;
    this.echoes = about.echoes ? new Echoes(about, about.echoes) : null;
    this.rng = newRng(request.seed);
    this.names = new Map(about.voices.map(({ id, name }) => [id, name]));
    this.others = new Map(about.voices.map(({ id, others }) => [id, others]));
    this.contrast = null;  // a copy of the model that reads the line as if somebody else said it
    this.openings = context.lines || 1;  // elements opened so far; 1 for an empty script
    this.kinds = { [about.heading]: "heading", [about.action]: "action", [about.transition]: "transition" };
    this.element = null;
    this.ids = [];
    this.continuing = bytesOf(about.continuing);
    this.due = request.open ? TEXT : ANY;
    this.layout = about.layout;
    this.unspoken = about.plain ? [] : [about.heading, about.action, about.transition, about.end];
  }

  /** Advances to the end of the context, and takes the open element or the opening of the next one. */
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
      this.takeAll(given);
      if (given.length && endsInWord(request.open.text)) this.due = NEW_WORD;
    } else if (request.open) {
      this.takeAll(opened(about, this.vocabulary, request.open, request.source));
      this.takeAll(encoded(this.vocabulary, request.open.text));
      if (endsInWord(request.open.text)) this.due = NEW_WORD;
    } else {
      this.takeAll(this.wanted(request.next));
    }
  }

  takeAll(ids) {
    for (const id of ids) this.take(id, true);
  }

  /** The tokens that open the next element: as asked for, or drawn. */
  wanted(next) {
    const { about, vocabulary, request } = this;
    if (next?.speaker) return opened(about, vocabulary, { kind: "dialogue", speaker: next.speaker }, request.source);
    if (next?.kind && next.kind !== "dialogue") return [about[next.kind]];
    return [this.next((id) => this.mayOpen(id) && (!next?.kind || !this.unspoken.includes(id)))];
  }

  /** Whether a token opens an element; if it is a cue, of somebody who may speak. */
  mayOpen(id) {
    if (id >= this.about.layout || id === this.about.end || id === this.about.says) return false;
    return this.maySpeak(id);
  }

  maySpeak(id) {
    const { cast } = this.request;
    if (!cast?.length || this.unspoken.includes(id) || id >= this.about.layout || id === this.about.says) return true;
    if (id === this.about.cue) return this.spelled.length > 0;
    return this.names.has(id) && cast.some((name) => isSame(name, this.names.get(id)));
  }

  /** Draws a token; returns the element that it ends, or null. */
  step() {
    const { about, due } = this;
    const endsLine = (id) => id < about.layout || (about.plain && this.vocabulary.decode([id]).includes("\n"));
    const isDue = (id) => due === ANY || (!endsLine(id) && (due === TEXT || !isSet(this.continuing, id)));
    const isLast = (id) => id === about.end && !about.plain;  // a suggestion goes on where the script would end
    const id = this.next((id) => isDue(id) && !isLast(id) && this.maySpeak(id));
    if (due !== ANY) this.due = id >= about.layout && !this.vocabulary.decode([id]).trim() ? TEXT : ANY;
    return about.plain ? this.takePlain(id) : this.take(id);
  }

  /** Takes a token of plain text, where a line is an element. */
  takePlain(id) {
    this.read(id, id < this.about.layout);
    if (id >= this.about.layout) this.ids.push(id);
    const text = this.vocabulary.decode(this.ids);
    const line = text.indexOf("\n");
    if (line < 0 && id !== this.about.end) return null;
    this.ids = this.vocabulary.encode(line < 0 ? "" : text.slice(line + 1));
    const words = (line < 0 ? text : text.slice(0, line)).trim();
    return words ? { kind: "action", speaker: "", text: words } : null;
  }

  /** Draws a token. If none passes all checks, these are dropped in turn: `isWanted`, habits, grammar. */
  next(isWanted) {
    const { temperature } = this.request;
    const logits = this.model.score();
    if (this.contrast) strengthen(logits, this.contrast.score(), this.request.voice, this.about);
    this.turns?.penalise(logits);
    const isWord = (id) => !this.words || this.words.allows(id);
    const isUsual = (id) => !this.habits || this.habits.allows(id);
    const mayCome = (id) => this.grammar.allows(id) && isWord(id);
    const isGood = (id) => isUsual(id) && mayCome(id);
    // Within a name of the cast only its spelling counts, whatever words the model knows.
    const isSpelling = this.spelled.length > 0 && this.habits.spelled !== null;
    const isBest = isSpelling ? isUsual : (id) => isGood(id) && isWanted(id);
    if (!isSpelling) this.#passOn(logits, isGood);
    this.echoes?.penalise(logits, isBest);
    for (const isAllowed of [isBest, isGood, mayCome, isWord]) {
      const id = draw(logits, isAllowed, temperature, this.about.minimum, this.rng, this);
      if (id >= 0) return id;
    }
    throw new Error("The model has no token that may come here.");
  }

  /** Gives the probability of cues outside the cast to those in it, so that no line becomes longer; see generation/layout.py. */
  #passOn(logits, isAllowed) {
    const before = Array.from({ length: this.layout }, (_, id) => id).filter(isAllowed);
    const after = before.filter((id) => this.maySpeak(id));
    if (after.length === before.length) return;
    const cues = after.filter((id) => id === this.about.cue || this.names.has(id));
    const gaining = cues.length ? cues : after;
    const giving = [...gaining, ...before.filter((id) => !this.maySpeak(id))];
    const top = Math.max(...giving.map((id) => logits[id]));
    const sum = (ids) => ids.reduce((total, id) => total + Math.exp(logits[id] - top), 0);
    const gain = Math.log(sum(giving) / sum(gaining));
    for (const id of gaining) logits[id] += gain;
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

  /** Takes a token; returns the element that it ends, which only as a heading may be empty, or else null. */
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
    const isWhole = text || this.element?.kind === "heading";
    const finished = this.element && isWhole ? { ...this.element, text } : null;
    this.element = this.opening(id);
    this.ids = [];
    return finished;
  }

  /** At a cue, lets a copy of the model read another speaker's cue instead: one of a few, in turn. */
  openContrast(id) {
    this.openings += 1;
    const others = this.others.get(id) ?? [];
    this.contrast = this.request.voice && others.length ? this.model.fork() : null;
    this.contrast?.read(others[this.openings % others.length]);
  }

  /** The element that a layout token opens; null before a name that is still to be spelled. */
  opening(id) {
    if (this.names.has(id)) return { kind: "dialogue", speaker: this.names.get(id) };
    return this.kinds[id] ? { kind: this.kinds[id], speaker: "" } : null;
  }

  text() {
    return this.vocabulary.decode(this.ids).trim();
  }
}
