// What a model is asked at a place of the script, and what its answer does there: pure functions.

import { branching, newElement, placeOf, reworded } from "./document.js";
import { isSpoken, pageElements, speakerOf, speechParts } from "./screenplay.js";
import { endOf, isBlank } from "./typing.js";

const MOST = 400, STEP = 50; // elements before the caret that a model is told, and by how many the first of them moves
const FINISHED = /[.!?…:;)\]"”’—–-]\s*$/u;

/** The place of the character element whose speech an element is part of, or -1. */
export function cuePlace(elements, place) {
  let cue = place;
  while (cue >= 0 && isSpoken(elements[cue])) cue--;
  return elements[cue]?.kind === "character" ? cue : -1;
}

/**
 * Returns what to ask after an element: {anchor, elements, open, next, hasCue, gone}.
 *
 * `anchor`: the id of the element; `open`: what it already says, where that is to be continued; `next`: what has to come;
 * `hasCue`: whether the name of who speaks next stands there; `gone`: the id of a name that somebody else's takes the
 * place of. `wish`: {speaker} or {kind} of the writer's, or null.
 */
export function askingAt(document, id, wish = null) {
  const { elements } = document;
  const place = placeOf(document, id), element = elements[place];
  const asked = (end, more) => ({
    anchor: id, elements: elements.slice(Math.max(0, Math.ceil((end - MOST) / STEP) * STEP), end),
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

/** What to ask in a speech: its own words, its end, or what comes after it. */
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
 * What a suggestion looks like: {text, kind, below}: words after the anchor's own, in which kind, and elements below.
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

/** What is added to words, without a second space between them. */
const joined = (text, added) => (!text || /\s$/.test(text) ? added.trimStart() : added);

/** Returns {change, caret}: a suggestion taken into the script at its anchor. */
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

/** What a branch is called: the first words of what it keeps. */
export function branchName(elements) {
  const words = elements.find(({ kind, text }) => text.trim() && kind !== "character")?.text ?? elements[0]?.text ?? "";
  return words.length > 60 ? `${words.slice(0, 57).trimEnd()}…` : words;
}

/**
 * Returns {change, caret}: what is written from an element on becomes a branch, and the caret stands where to try again.
 *
 * Of a speech its cue stays; the same person is to say it. Null where there is nothing to keep.
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
