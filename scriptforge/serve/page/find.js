// Find and replace in the script.

import { placeOf, reworded } from "./document.js";
import { byId } from "./dom.js";

/** Where some words occur: [{id, from, to}], ignoring case. */
export function occurrences(elements, words) {
  if (!words) return [];
  const wanted = new RegExp(words.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "giu");
  return elements.flatMap(({ id, text }) =>
    Array.from(text.matchAll(wanted), ({ 0: found, index: from }) => ({ id, from, to: from + found.length })));
}

/** Returns the change that replaces all places that were found. */
export function replacingAll(document, found, other) {
  const edits = [];
  for (const id of new Set(found.map((each) => each.id))) {
    const place = placeOf(document, id), element = document.elements[place];
    let text = element.text;
    for (const { from, to } of found.filter((each) => each.id === id).reverse()) text = text.slice(0, from) + other + text.slice(to);
    edits.push({ put: reworded(element, text), after: document.elements[place - 1]?.id ?? null });
  }
  return { edits };
}

export class Find {
  constructor(room, editor) {
    Object.assign(this, { room, editor });
    this.found = [];
    this.at = 0;
    this.all = globalThis.Highlight && new Highlight();
    this.now = globalThis.Highlight && new Highlight();
    if (this.all) {
      CSS.highlights.set("found", this.all);
      CSS.highlights.set("found-now", this.now);
      this.now.priority = 1;
    }
    byId("find-words").addEventListener("input", () => this.#look(true));
    byId("find").addEventListener("submit", (event) => {
      event.preventDefault();
      this.step(1);
    });
    byId("find-next").addEventListener("click", () => this.step(1));
    byId("find-previous").addEventListener("click", () => this.step(-1));
    byId("find-close").addEventListener("click", () => this.close());
    byId("replace-one").addEventListener("click", () => this.#replaceOne());
    byId("replace-all").addEventListener("click", () => this.#replace(this.found));
    room.on("change", () => this.isOpen && this.#look(false));
    room.on("open", () => this.isOpen && this.#look(false));
  }

  get isOpen() {
    return !byId("find").hidden;
  }

  open() {
    byId("find").hidden = false;
    const chosen = getSelection().toString();
    if (chosen && !chosen.includes("\n")) byId("find-words").value = chosen;
    byId("find-words").focus();
    byId("find-words").select();
    this.#look(true);
  }

  close() {
    byId("find").hidden = true;
    this.#clear();
    const found = this.found[this.at];
    this.found = [];
    this.editor.focus();
    if (found) this.editor.place({ id: found.id, offset: found.to });
  }

  step(by) {
    if (!this.found.length) return;
    this.at = (this.at + by + this.found.length) % this.found.length;
    this.#show();
  }

  #look(isNew) {
    this.found = occurrences(this.room.document.elements, byId("find-words").value);
    this.at = isNew ? this.#nearest() : Math.min(this.at, Math.max(0, this.found.length - 1));
    this.#show(isNew);
  }

  #nearest() {
    const { caret, document: script } = this.room;
    const place = caret ? placeOf(script, caret.from.id) : 0;
    return Math.max(0, this.found.findIndex(({ id }) => placeOf(script, id) >= place));
  }

  #clear() {
    this.all?.clear();
    this.now?.clear();
  }

  #show(isScrolling = true) {
    this.#clear();
    this.found.forEach(({ id, from, to }, place) => {
      const node = this.editor.paragraphs.get(id)?.firstChild;
      if (!this.all || node?.nodeType !== Node.TEXT_NODE) return;
      (place === this.at ? this.now : this.all).add(new StaticRange({ startContainer: node, startOffset: from, endContainer: node, endOffset: to }));
    });
    const count = this.found.length;
    const isAsked = byId("find-words").value !== "";
    byId("find-count").textContent = count ? `${this.at + 1} of ${count}` : isAsked ? "not found" : "";
    for (const id of ["find-next", "find-previous", "replace-one", "replace-all"]) byId(id).disabled = !count;
    const found = this.found[this.at];
    if (found && isScrolling) this.editor.paragraphs.get(found.id)?.scrollIntoView({ block: "center" });
  }

  #replace(found) {
    if (found.length) this.room.edit({ change: replacingAll(this.room.document, found, byId("replace-words").value), caret: this.room.caret?.to });
  }

  /** Replaces the current match, and goes on after it, even if the new words contain the old ones. */
  #replaceOne() {
    const { at } = this, found = this.found[at];
    if (!found) return;
    this.#replace([found]);
    const end = found.from + byId("replace-words").value.length;
    const next = this.found.findIndex(({ id, from }, place) => place >= at && (id !== found.id || from >= end));
    this.at = Math.max(0, next);
    this.#show();
  }
}
