// What to ask a model at a place of the script, and how its answer changes the script: pure functions.

import { branching, newElement, placeOf, reworded } from "./document.js";
import { isSpoken, pageElements, speakerOf, speechParts } from "./screenplay.js";
import { endOf, isBlank } from "./typing.js";

const MAX_READ = 400, STEP = 50; // elements before the caret: maximum, and the step in which their start moves
const FINISHED = /[.!?…:;)\]"”’—–-]\s*$/u;

/** The index of the character element whose speech an element is part of, or -1. */
export function cuePlace(elements, place) {
  let cue = place;
  while (cue >= 0 && isSpoken(elements[cue])) cue--;
  return elements[cue]?.kind === "character" ? cue : -1;
}

/**
 * Returns what to ask after an element: {anchor, elements, open, next, hasCue, gone}.
 *
 * `anchor`: id of the element that the answer goes into or after; `elements`: those before the answer;
 * `open`: the element to be continued, so far; `next`: {speaker} or {kind} that has to come; `hasCue`:
 * whether the name of the next speaker is already there; `gone`: id of a name that another one replaces.
 * `wish`: `next` as chosen by the writer, or null.
 */
export function askingAt(document, id, wish = null) {
  const { elements } = document;
  const place = placeOf(document, id), element = elements[place];
  const asked = (end, more) => ({
    anchor: id, elements: elements.slice(Math.max(0, Math.ceil((end - MAX_READ) / STEP) * STEP), end),
    open: null, next: wish, hasCue: false, gone: null, ...more,
  });
  if (element.kind === "character" && !isBlank(element)) {
    if (wish && !isSame(wish.speaker, speakerOf(element))) return asked(place, { gone: id });
    return asked(place, { next: { speaker: speakerOf(element) }, hasCue: true });
  }
  const cue = isSpoken(element) ? cuePlace(elements, place) : -1;
  if (cue >= 0) return askingInSpeech(elements, { place, cue, wish, asked });
  if (isBlank(element)) {
    const wanted = { heading: { kind: "heading" }, transition: { kind: "transition" }, character: { kind: "dialogue" } };
    return asked(place, { next: wish ?? wanted[element.kind] ?? null });
  }
  if (!wish && !FINISHED.test(element.text) && element.kind !== "transition") {
    return asked(place, { open: { kind: element.kind, text: element.text } });
  }
  return asked(place + 1);
}

/** What to ask in a speech: its text, the rest of it, or what comes after it. */
function askingInSpeech(elements, { place, cue, wish, asked }) {
  const element = elements[place], speaker = speakerOf(elements[cue]);
  const said = elements.slice(cue + 1, place + 1).filter((each) => !isBlank(each)).map(({ text }) => text).join(" ");
  const isOwn = !wish || isSame(wish.speaker, speaker);
  if (!said) return isOwn ? asked(cue, { next: { speaker }, hasCue: true }) : asked(cue, { gone: elements[cue].id });
  if (isOwn && (isBlank(element) || (!wish && !FINISHED.test(element.text)))) {
    return asked(cue, { open: { kind: "dialogue", speaker, text: said }, next: null });
  }
  let end = place;
  while (elements[end + 1] && isSpoken(elements[end + 1])) end += 1;
  return asked(end + 1, { anchor: elements[end].id });
}

const isSame = (one, other) => Boolean(one) && one.toLowerCase() === other.toLowerCase();

/**
 * How to show a suggestion: {text, kind, below}: text after that of the anchor, its kind, and elements below.
 *
 * `pieces`: [{kind, speaker, text, isOpen}], as far as they are written.
 */
export function previewOf(document, asked, pieces) {
  const anchor = document.elements[placeOf(document, asked.anchor)];
  const [first, ...others] = pieces;
  if (!anchor || !first) return { text: "", kind: null, below: [] };
  if (first.isOpen) {
    return { text: joined(anchor.text, first.text), kind: null, below: others.flatMap((piece) => pageElements(piece, null)) };
  }
  const elements = shownElements(asked, pieces, null);
  if (!isBlank(anchor) || anchor.kind === "parenthetical" || !elements.length) return { text: "", kind: null, below: elements };
  return { text: elements[0].text, kind: elements[0].kind, below: elements.slice(1) };
}

function shownElements(asked, pieces, origin) {
  const elements = pieces.flatMap((piece) => pageElements(piece, origin));
  return asked.hasCue && elements[0]?.kind === "character" ? elements.slice(1) : elements;
}

/** The text to append to another, without a second space between them. */
const joined = (text, added) => (!text || /\s$/.test(text) ? added.trimStart() : added);

/** Returns {change, caret} that puts a suggestion into the script at its anchor; null if it is empty. */
export function accepting(document, asked, pieces, origin) {
  const place = placeOf(document, asked.anchor);
  const anchor = document.elements[place];
  if (!anchor) return null;
  const before = document.elements[place - 1]?.id ?? null;
  const edits = [];
  let added, after = anchor.id;
  if (pieces[0]?.isOpen) {
    const whole = anchor.text + joined(anchor.text, pieces[0].text);
    const parts = anchor.kind === "dialogue" ? speechParts(whole) : [{ kind: anchor.kind, text: whole.trim() }];
    const isFirst = parts[0]?.kind === anchor.kind;
    if (isFirst) edits.push({ put: { ...reworded(anchor, parts[0].text), origin: anchor.origin ?? (anchor.text ? { ...origin, edited: true } : origin) }, after: before });
    const rest = (isFirst ? parts.slice(1) : parts).map(({ kind, text }) => newElement(kind, text, origin));
    added = [...rest, ...pieces.slice(1).flatMap((piece) => pageElements(piece, origin))];
    if (!isFirst && isBlank(anchor)) {
      edits.push({ remove: anchor.id });
      after = before;
    }
  } else {
    added = shownElements(asked, pieces, origin);
    if (isBlank(anchor) && added.length) {
      edits.push({ remove: anchor.id });
      after = before;
    }
  }
  for (const element of added) {
    edits.push({ put: element, after });
    after = element.id;
  }
  if (!edits.length) return null;
  if (asked.gone && added.length) edits.push({ remove: asked.gone });
  const last = added.at(-1) ?? edits[0].put;
  return { change: { edits }, caret: { id: last.id, offset: endOf(last) } };
}

/** The name of a branch: its first words. */
export function branchName(elements) {
  const words = elements.find(({ kind, text }) => text.trim() && kind !== "character")?.text ?? elements[0]?.text ?? "";
  return words.length > 60 ? `${words.slice(0, 57).trimEnd()}…` : words;
}

/**
 * Returns {change, caret} that moves everything from an element on into a branch; the caret is where it was.
 *
 * The cue of a speech stays, so that the same person says it. Returns null if there is no text to set aside.
 */
export function retrying(document, id) {
  const { elements } = document;
  let place = placeOf(document, id);
  if (elements[place].kind === "character") place += 1;
  const cue = cuePlace(elements, Math.min(place, elements.length - 1));
  const from = cue >= 0 && place < elements.length ? cue + 1 : place;
  if (!elements.slice(from).some((element) => !isBlank(element))) return null;
  const change = branching(document, from, branchName(elements.slice(from)));
  const before = elements[from - 1];
  if (before?.kind === "character") return { change, caret: { id: before.id, offset: before.text.length } };
  const space = newElement(elements[from].kind === "heading" ? "heading" : "action");
  change.edits.push({ put: space, after: before?.id ?? null });
  return { change, caret: { id: space.id, offset: 0 } };
}
