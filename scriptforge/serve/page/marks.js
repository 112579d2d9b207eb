// Marks on words copied from the training text: underlines, stronger for longer copies, and their source.

import { placeAt } from "./caret.js";
import { byId } from "./dom.js";

const CHUNK = 60, PAUSE = 700, LEAST = 6, MOST_KNOWN = 20000, AROUND = 90;
const WAITING = 2000, LATER = 30000; // milliseconds until a retry: while the index is made, after an error
const LEVELS = [[12, "copied-long"], [9, "copied"], [LEAST, "copied-short"]];

/** The name of the highlight for a copy of so many words. */
export const levelOf = (words) => LEVELS.find(([least]) => words >= least)?.[1] ?? "copied-short";

/** The part of a quote around the copied words: [before, words, after]. */
export function excerptOf(quote, copied) {
  const place = quote.toLowerCase().indexOf(copied.toLowerCase().trim());
  if (place < 0) return [quote.length > 2 * AROUND ? `${quote.slice(0, 2 * AROUND)}…` : quote, "", ""];
  const end = place + copied.trim().length, from = Math.max(0, place - AROUND), to = Math.min(quote.length, end + AROUND);
  return [(from ? "…" : "") + quote.slice(from, place), quote.slice(place, end), quote.slice(end, to) + (to < quote.length ? "…" : "")];
}

export class Marks {
  constructor(room, editor, engine) {
    Object.assign(this, { room, editor, engine });
    this.known = new Map();   // by run and text: the marks of an element
    this.unknown = new Set(); // runs whose training text is missing
    this.shown = new Map();   // by id of an element: [{mark, range}]
    this.box = byId("source");
    this.highlights = new Map();
    if (!globalThis.Highlight) return;
    for (const [, name] of LEVELS) {
      const highlight = new Highlight();
      this.highlights.set(name, highlight);
      CSS.highlights.set(name, highlight);
    }
    room.on("open", () => this.#begin());
    room.on("draft", () => this.#begin());
    room.on("change", ({ change }) => this.#change(change));
    room.on("caret", ({ to, isEmpty }) => !this.isHot && this.#look(isEmpty ? to : null));
    editor.root.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.#hover(event));
    editor.root.addEventListener("pointerleave", () => this.#look(null));
  }

  #begin() {
    for (const id of [...this.shown.keys()]) this.#clear(id);
    this.#later(0);
  }

  #change(change) {
    for (const edit of change.edits ?? []) this.#clear(edit.put?.id ?? edit.remove);
    this.box.hidden = true;
    this.isHot = true;  // no box while the writer is typing
    this.#later(PAUSE);
  }

  #later(pause) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#ask(), pause);
  }

  async #ask() {
    this.isHot = false;
    const { room } = this;
    const run = room.draft?.run;
    if (!run || !room.run || this.unknown.has(run)) return undefined;
    const wanted = [];
    for (const element of room.document.elements) {
      if (this.shown.has(element.id) || element.kind === "character" || element.text.split(/\s+/).length < LEAST) continue;
      const key = `${run}\n${element.text}`;
      if (this.known.has(key)) this.#show(element, this.known.get(key));
      else if (wanted.length < CHUNK) wanted.push(element);
    }
    if (!wanted.length) return undefined;
    const lines = wanted.map(({ text }) => ({ text, speaker: "" }));
    const found = await this.engine.marks(run, lines).catch(() => null);
    if (!found?.ready) return this.#later(found ? WAITING : LATER);
    if (!found.known) return this.unknown.add(run);
    wanted.forEach(({ text }, place) => this.known.set(`${run}\n${text}`, found.lines[place] ?? []));
    if (this.known.size > MOST_KNOWN) this.known.clear();
    return this.#later(0);
  }

  #show({ id }, marks) {
    const node = this.editor.paragraphs.get(id)?.firstChild;
    const shown = [];
    for (const mark of marks) {
      if (node?.nodeType !== Node.TEXT_NODE || mark.end > node.length) continue;
      const range = new StaticRange({ startContainer: node, startOffset: mark.start, endContainer: node, endOffset: mark.end });
      this.highlights.get(levelOf(mark.words)).add(range);
      shown.push({ mark, range });
    }
    this.shown.set(id, shown);
  }

  #clear(id) {
    for (const { mark, range } of this.shown.get(id) ?? []) this.highlights.get(levelOf(mark.words)).delete(range);
    this.shown.delete(id);
  }

  #hover({ clientX, clientY }) {
    if (this.isHot) return;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      const point = document.caretPositionFromPoint?.(clientX, clientY);
      const range = point ? null : document.caretRangeFromPoint?.(clientX, clientY);
      const [node, offset] = point ? [point.offsetNode, point.offset] : [range?.startContainer, range?.startOffset];
      this.#look(node ? placeAt(this.editor.root, node, offset) : null);
    });
  }

  /** Shows a box with the source of the copied words at a place, or hides it. */
  #look(place) {
    const found = place && this.shown.get(place.id)?.find(({ mark }) => mark.start <= place.offset && place.offset <= mark.end);
    this.box.hidden = !found;
    if (!found) return;
    const { mark, range } = found;
    this.box.querySelector(".words").textContent = `${mark.words} words in a row as in ${mark.source}`;
    const live = document.createRange();
    live.setStart(range.startContainer, range.startOffset);
    live.setEnd(range.endContainer, range.endOffset);
    const [before, words, after] = excerptOf(mark.quote, live.toString());
    const copied = document.createElement("mark");
    copied.textContent = words;
    this.box.querySelector("q").replaceChildren(before, copied, after);
    const { left, bottom, top } = live.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.box;
    const isBelow = bottom + offsetHeight + 90 < innerHeight;
    this.box.style.left = `${Math.max(8, Math.min(left, innerWidth - offsetWidth - 8))}px`;
    this.box.style.top = `${isBelow ? bottom + 6 : top - offsetHeight - 6}px`;
  }
}
