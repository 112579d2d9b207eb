// What keys do to a script: pure functions from a document and a place in it to a change and a new caret.
//
// caret: {id, offset}; range: {from: caret, to: caret}, from before to.
// They return {change, caret}, or null if nothing changes.

import { newElement, placeOf, reworded } from "./document.js";

export const KINDS = ["heading", "action", "character", "parenthetical", "dialogue", "transition"];
export const KIND_NAMES = {
  heading: "Scene heading", action: "Action", character: "Character",
  parenthetical: "Parenthetical", dialogue: "Dialogue", transition: "Transition",
};

const AFTER = {
  heading: "action", action: "action", character: "dialogue",
  parenthetical: "dialogue", dialogue: "action", transition: "heading",
};
const CYCLE = ["action", "character", "transition", "heading"];
const SPOKEN = { dialogue: "parenthetical", parenthetical: "dialogue" };
const OPENS_SCENE = /^(int|ext|est|int\.?\/ext|i\/e)[. ]/i;

/** Whether an element has no text. */
export const isBlank = ({ kind, text }) => !text.trim() || (kind === "parenthetical" && text === "()");

/** The element that a caret is in, its index, and the id of the element before it. */
function at(document, { id }) {
  const place = placeOf(document, id);
  return { place, element: document.elements[place], before: document.elements[place - 1]?.id ?? null };
}

const replacing = (element, after) => ({ put: element, after });

/** Writes one line of text in place of a range; the elements at its two ends become one. */
export function write(document, { from, to }, text) {
  const { place, element, before } = at(document, from);
  const last = at(document, to);
  const whole = element.text.slice(0, from.offset) + text + last.element.text.slice(to.offset);
  const gone = document.elements.slice(place + 1, last.place + 1).map(({ id }) => ({ remove: id }));
  const isStart = gone.length === 0 && from.offset === 0;
  const written = withKindOf(isStart || from.offset === element.text.length ? recognised(element, whole) : element.kind, element, whole);
  if (!gone.length && written.text === element.text && written.kind === element.kind) return null;
  const caret = { id: element.id, offset: from.offset + text.length };
  return { change: { edits: [replacing(written, before), ...gone] }, caret };
}

function withKindOf(kind, element, text) {
  const closed = kind === "parenthetical" && element.kind !== kind && text === "(" ? "()" : text;
  const written = { ...reworded(element, closed), kind };
  return closed === text ? written : { ...written, text: closed };
}

/** Where a place is once a range is removed; null if it was in the range, or at its ends. */
export function placeWithout(document, { from, to }, { id, offset }) {
  const place = placeOf(document, id), first = placeOf(document, from.id), last = placeOf(document, to.id);
  const isBefore = place < first || (place === first && offset < from.offset);
  if (isBefore || place > last) return { id, offset };
  const isBehind = place === last && offset > to.offset;
  return isBehind ? { id: from.id, offset: from.offset + offset - to.offset } : null;
}

/** The kind of an element with a new text: `INT.` makes action a heading, `(` dialogue a parenthetical. */
function recognised({ kind, text: before }, text) {
  if (kind === "action" && OPENS_SCENE.test(text) && !OPENS_SCENE.test(before)) return "heading";
  if (kind === "dialogue" && text === "(") return "parenthetical";
  return kind;
}

/** Enter: begins a new element, splits one in two, or gives an empty one another kind. */
export function enter(document, { from, to }) {
  if (from.id !== to.id || from.offset !== to.offset) return write(document, { from, to }, "");
  const { element, before } = at(document, from);
  const isInBrackets = element.kind === "parenthetical" && from.offset >= element.text.length - 1;
  if (isBlank(element)) return become(document, element, element.kind === "action" ? "heading" : "action");
  if (from.offset === 0) {
    const space = newElement(element.kind === "dialogue" ? "dialogue" : "action");
    return { change: { edits: [{ put: space, after: before }] }, caret: from };
  }
  if (from.offset >= element.text.length || isInBrackets) {
    const next = newElement(AFTER[element.kind]);
    return { change: { edits: [{ put: next, after: element.id }] }, caret: { id: next.id, offset: 0 } };
  }
  const rest = element.text.slice(from.offset).trimStart();
  const kind = element.kind === "character" || element.kind === "parenthetical" ? "dialogue" : element.kind;
  const next = { ...newElement(kind, rest), origin: element.origin && { ...element.origin, edited: true } };
  const first = reworded(element, element.text.slice(0, from.offset).trimEnd());
  return { change: { edits: [replacing(first, before), { put: next, after: element.id }] }, caret: { id: next.id, offset: 0 } };
}

/** Gives an element another kind; brackets are added for a parenthetical, and removed for others. */
export function become(document, { id }, kind) {
  const { element, before } = at(document, { id });
  if (element.kind === kind) return null;
  let text = element.text;
  if (kind === "parenthetical") text = `(${text.replace(/^\(|\)$/g, "")})`;
  else if (element.kind === "parenthetical") text = text.replace(/^\(|\)$/g, "");
  const offset = kind === "parenthetical" ? Math.max(1, text.length - 1) : text.length;
  return { change: { edits: [replacing({ ...element, kind, text }, before)] }, caret: { id, offset } };
}

/** Tab: gives an element the next kind, or in a finished speech begins an element below it. */
export function tab(document, { from }, isBack = false) {
  const { element } = at(document, from);
  const { kind, text } = element;
  const isAtEnd = from.offset >= text.length - (kind === "parenthetical" ? 1 : 0);
  if (!isBack && !isBlank(element) && isAtEnd) {
    if (kind === "character" || kind === "dialogue") return below(element, "parenthetical", "()", 1);
    if (kind === "parenthetical") return below(element, "dialogue", "", 0);
  }
  if (SPOKEN[kind] && !(isBack && kind === "dialogue")) return become(document, element, SPOKEN[kind]);
  const place = CYCLE.indexOf(kind === "dialogue" ? "character" : kind);
  return become(document, element, CYCLE[(place + (isBack ? CYCLE.length - 1 : 1)) % CYCLE.length]);
}

function below(element, kind, text, offset) {
  const next = newElement(kind, text);
  return { change: { edits: [{ put: next, after: element.id }] }, caret: { id: next.id, offset } };
}

/** Backspace at the start of an element: removes it if it is empty, else joins it to the one before. */
export function joinBack(document, caret) {
  const { place, element, before } = at(document, caret);
  const previous = document.elements[place - 1];
  if (!previous) return element.kind === "action" ? null : become(document, element, "action");
  if (isBlank(element) || isBlank(previous)) {
    const gone = isBlank(element) ? element : previous;
    const stays = gone === element ? { id: previous.id, offset: endOf(previous) } : { id: element.id, offset: 0 };
    return { change: { edits: [{ remove: gone.id }] }, caret: stays };
  }
  const from = { id: before, offset: previous.text.length };
  return write(document, { from, to: { id: element.id, offset: 0 } }, "");
}

/** The offset of the caret at the end of an element: inside the brackets of an empty parenthetical. */
export const endOf = ({ kind, text }) => (kind === "parenthetical" && text === "()" ? 1 : text.length);

/** Delete at the end of an element: joins the next one to it. */
export function joinNext(document, caret) {
  const { place, element } = at(document, caret);
  const next = document.elements[place + 1];
  if (!next) return null;
  if (isBlank(next) || isBlank(element)) {
    const gone = isBlank(next) ? next : element;
    return { change: { edits: [{ remove: gone.id }] }, caret: gone === next ? caret : { id: next.id, offset: 0 } };
  }
  return write(document, { from: { id: element.id, offset: element.text.length }, to: { id: next.id, offset: 0 } }, "");
}

/** Puts elements, such as pasted or imported ones, in place of a range, which may be empty. */
export function insert(document, range, elements) {
  const isEmpty = range.from.id === range.to.id && range.from.offset === range.to.offset;
  const cleared = isEmpty ? null : write(document, range, "");
  const edits = cleared ? cleared.change.edits.slice() : [];
  const kept = cleared?.change.edits[0].put ?? at(document, range.from).element;
  let after = kept.id;
  const { offset } = range.from;
  if (isBlank(kept)) {
    after = at(document, kept).before;
    edits.push({ remove: kept.id });
  } else if (offset < kept.text.length) {
    const { before } = at(document, kept);
    const head = kept.text.slice(0, offset).trimEnd(), tail = kept.text.slice(offset).trimStart();
    if (head) {
      edits.push({ put: reworded(kept, head), after: before });
      if (tail) elements = [...elements, { ...newElement(kept.kind, tail), origin: kept.origin }];
    } else {
      after = before;
    }
  }
  for (const element of elements) {
    edits.push({ put: element, after });
    after = element.id;
  }
  const last = elements.at(-1);
  return { change: { edits }, caret: last ? { id: last.id, offset: endOf(last) } : range.from };
}
