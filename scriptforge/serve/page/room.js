// The state of the page: the open draft, its history, the caret, the settings, and the listeners to events.

import { apply, emptyHistory, newElement, recorded, redone, undone, withoutSteps } from "./document.js";

export const SETTINGS = { temperature: 0.9, voice: null, lines: 1, source: null, maxCopy: null, seed: null, cast: null };

export class Room {
  constructor() {
    this.listeners = new Map();
    this.about = null;   // what the engine offers: runs, formats, limits
    this.draft = null;   // {id, title, run}
    this.document = { elements: [], branches: [] };
    this.history = emptyHistory();
    this.caret = null;   // {from, to, isEmpty}
    this.settings = { ...SETTINGS };
  }

  /** Calls a function on every event: open, change, caret, settings, draft, writing, shown, said or side. */
  on(name, listener) {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
  }

  emit(name, detail) {
    for (const listener of this.listeners.get(name) ?? []) listener(detail);
  }

  /** The run of the draft, as the engine describes it; null if it is gone. */
  get run() {
    return this.about?.runs.find(({ name }) => name === this.draft?.run) ?? null;
  }

  /** Shows another draft. */
  open({ id, title, run, elements, branches, settings }) {
    this.draft = { id, title, run: run || this.about.default_run };
    this.document = { elements: elements.length ? elements : [newElement("action")], branches: branches ?? [] };
    this.history = emptyHistory();
    this.settings = { ...SETTINGS, ...settings };
    this.caret = null;
    this.emit("open");
    if (!elements.length) {
      const [first] = this.document.elements;
      this.emit("change", { change: { edits: [{ put: first, after: null }] }, isOwn: true, isShown: true });
    }
  }

  /** Makes a change {change, caret} of the writer; typing in one element has a tag, and is one undo step. */
  edit(step, tag = null) {
    if (!step) return false;
    const before = this.caret?.to ?? null;
    const { document, inverse } = apply(this.document, step.change);
    this.document = document;
    this.history = recorded(this.history, { ...step, inverse, before, after: step.caret, tag, time: performance.now() });
    this.emit("change", { change: step.change, caret: step.caret, isOwn: true });
    this.#keepOne();
    return true;
  }

  /** Applies a change that was made elsewhere. */
  receive(change) {
    this.document = apply(this.document, change).document;
    this.history = withoutSteps(this.history, change);
    this.emit("change", { change, isOwn: false });
  }

  undo() {
    this.#step(undone(this.history));
  }

  redo() {
    this.#step(redone(this.history));
  }

  set(settings) {
    this.settings = { ...this.settings, ...settings };
    this.emit("settings", settings);
  }

  /** Changes the title or the run of the draft. */
  describe(change) {
    this.draft = { ...this.draft, ...change };
    this.emit("draft", change);
  }

  #step(step) {
    if (!step) return;
    this.history = step.history;
    this.document = apply(this.document, step.change).document;
    this.emit("change", { change: step.change, caret: step.caret, isOwn: true });
  }

  /** Adds an element to an empty script, which has no place for a caret. */
  #keepOne() {
    if (this.document.elements.length) return;
    const change = { edits: [{ put: newElement("action"), after: null }] };
    this.document = apply(this.document, change).document;
    this.emit("change", { change, isOwn: true });
  }
}
