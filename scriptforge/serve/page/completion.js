// Completion of names, headings and transitions, shown in grey while they are typed.

import { placeOf } from "./document.js";
import { speakerOf } from "./screenplay.js";

const OPENINGS = ["INT. ", "EXT. ", "INT./EXT. "];
const TRANSITIONS = ["CUT TO:", "FADE OUT.", "FADE IN:", "DISSOLVE TO:", "SMASH CUT TO:", "MATCH CUT TO:"];

/** Candidates for the text of an element of its kind, the likeliest first. */
function choices(room, { id, kind }) {
  const { elements } = room.document;
  const place = placeOf(room.document, id);
  const near = [...elements.slice(0, place).reverse(), ...elements.slice(place + 1)];
  const said = near.filter((element) => element.kind === kind && element.text.trim());
  if (kind === "character") return [...said.map(speakerOf), ...(room.run?.cast ?? []).map(({ name }) => name)];
  if (kind === "heading") return [...said.map(({ text }) => text), ...OPENINGS];
  if (kind === "transition") return [...said.map(({ text }) => text), ...TRANSITIONS];
  return [];
}

/** The next speaker if two people talk: the one before the last speaker; empty if the scene has none. */
function other(room, id) {
  const place = placeOf(room.document, id), names = [];
  for (let at = place - 1; at >= 0 && names.length < 2; at--) {
    const element = room.document.elements[at];
    if (element.kind === "heading") return "";
    if (element.kind !== "character" || !element.text.trim()) continue;
    const name = speakerOf(element);
    if (!names.length || name.toLowerCase() !== names[0].toLowerCase()) names.push(name);
  }
  return names[1] ?? "";
}

/** The part of an element's completion that is not typed yet; empty if there is none. */
export function completionOf(room, element) {
  const { kind, text } = element;
  if (kind === "character" && !text) return other(room, element.id);
  const typed = text.trimStart().toLowerCase();
  if (!typed || !["character", "heading", "transition"].includes(kind)) return "";
  const found = choices(room, element).find((choice) => choice.length > typed.length && choice.toLowerCase().startsWith(typed));
  return found ? found.slice(typed.length) : "";
}

export class Completion {
  constructor(room, editor, suggestions) {
    Object.assign(this, { room, editor, suggestions });
    this.text = "";
    room.on("caret", () => this.#look());
    room.on("open", () => (this.text = ""));
  }

  #look() {
    if (this.suggestions.asked) return;
    const { element, range } = this.editor;
    const isEnd = element && range.isEmpty && range.to.offset === element.text.length;
    const text = isEnd && this.dropped !== `${element.id} ${element.text}` ? completionOf(this.room, element) : "";
    if (text) this.editor.ghost(element.id, { text });
    else if (this.text) this.editor.clearGhost();
    this.text = text;
  }

  /** Accepts the completion. Returns whether there was one. */
  accept() {
    if (!this.text || this.suggestions.asked) return false;
    const { text } = this;
    this.text = "";
    return this.editor.write(this.editor.range, text);
  }

  /** Discards the completion until something else is typed. Returns whether there was one. */
  drop() {
    if (!this.text) return false;
    const { element } = this.editor;
    this.dropped = `${element.id} ${element.text}`;
    this.text = "";
    this.editor.clearGhost();
    return true;
  }
}
