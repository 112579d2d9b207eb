// Suggestions, which the writer accepts or discards: grey text in place, or three takes side by side.

import { accepting, askingAt, previewOf, retrying } from "./asking.js";
import { castToAnswer } from "./cast.js";
import { byId } from "./dom.js";
import { Problem } from "./engine_server.js";

const TAKES = 3;

export class Suggestions {
  constructor(room, editor, engine, say) {
    Object.assign(this, { room, editor, engine, say });
    this.asked = null;
    this.attempts = [];  // each a list of one take or several: {pieces, seed, isDone}
    this.shown = -1;
    this.writing = null;  // the AbortController of a request in progress
    this.takes = byId("takes");
    room.on("open", () => this.dismiss());
    room.on("change", () => this.#forget());
    room.on("caret", ({ to }) => this.asked && to.id !== this.asked.anchor && !this.takesOpen && this.dismiss());
  }

  get isShown() {
    return Boolean(this.asked) && !this.takesOpen;
  }

  get takesOpen() {
    return !this.takes.hidden;
  }

  /** Lets the model continue at the caret; accepts a suggestion that is shown first. */
  goOn(wish = null, count = 1) {
    if (this.isShown && this.current?.[0].pieces.length) this.accept();
    else this.dismiss();
    const { room } = this;
    if (!room.run) return this.say(`The run “${room.draft.run}” is not there to write: choose another one in the panel.`, true);
    const element = this.editor.element ?? room.document.elements.at(-1);
    this.editor.focus();
    this.asked = askingAt(room.document, element.id, wish);
    if (!this.asked.open) this.#toEnd(element);
    this.attempts = [];
    return this.#ask(count);
  }

  #toEnd(element) {
    const offset = element.text === "()" ? 1 : element.text.length;
    if (this.room.caret?.to.id === element.id && this.room.caret.to.offset === offset) return;
    this.editor.place({ id: element.id, offset });
  }

  /** Shows the next attempt at the same place, and requests a new one if there is none. */
  another() {
    if (!this.isShown) return;
    if (this.shown + 1 < this.attempts.length) {
      this.shown += 1;
      this.#draw();
    } else this.#ask(1);
  }

  /** Requests more takes for the same place; they differ from those shown even if a seed is set. */
  moreTakes() {
    return this.#ask(TAKES);
  }

  /** Shows the previous attempt. */
  previous() {
    if (!this.isShown || this.shown < 1) return;
    this.stop();
    this.shown -= 1;
    this.#draw();
  }

  get current() {
    return this.attempts[this.shown];
  }

  async #ask(count) {
    this.stop();
    const { room } = this;
    const attempt = Array.from({ length: count }, () => ({ pieces: [], seed: null, isDone: false }));
    this.attempts.push(attempt);
    this.shown = this.attempts.length - 1;
    const writing = this.writing = new AbortController();
    if (count > 1) this.#openTakes();
    room.emit("writing", true);
    this.#draw();
    try {
      await this.engine.suggest(this.#request(count), (line) => this.#take(attempt, line), writing.signal);
      if (!writing.signal.aborted) this.#finish(attempt);
    } catch (problem) {
      if (writing.signal.aborted) return;
      this.say(problem instanceof Problem ? problem.message : `The model does not answer: ${problem.message}`, true);
      this.dismiss();
    } finally {
      if (this.writing === writing) {
        this.writing = null;
        room.emit("writing", false);
      }
    }
  }

  #request(count) {
    const { settings, draft, run } = this.room;
    const { elements, open, next } = this.asked;
    const seed = settings.seed === null ? null : (settings.seed + this.shown * TAKES) % 4294967296;
    return {
      run: draft.run,
      source: settings.source,
      elements: elements.map(({ id, kind, text, origin }) => ({ id, kind, text, origin })),
      open,
      next,
      count,
      lines: settings.lines,
      seed,
      temperature: settings.temperature,
      voice: settings.voice ?? run?.voice ?? 0,
      max_copy: settings.maxCopy,
      cast: castToAnswer(this.room, this.asked),
    };
  }

  /** Handles a line of the engine's response. */
  #take(attempt, line) {
    const take = attempt[line.n ?? 0];
    if (!take) return;
    const last = take.pieces.at(-1);
    if (line.begin) take.pieces.push({ speaker: "", ...line.begin, text: "", isOpen: false });
    else if (line.add !== undefined) {
      if (last && !last.isWhole) last.text += line.add;
      else take.pieces.push({ kind: this.asked.open?.kind ?? "action", speaker: "", text: line.add, isOpen: take.pieces.length === 0 && Boolean(this.asked.open) });
    } else if (line.element) {
      if (!last || last.isWhole) take.pieces.push({ ...line.element, isOpen: false, isWhole: true });
      else Object.assign(last, last.isOpen ? {} : line.element, { isWhole: true });
    } else if (line.done) Object.assign(take, { isDone: true, seed: line.seed });
    if (attempt === this.current) this.#drawSoon();
  }

  #finish(attempt) {
    const words = attempt.map(({ pieces }) => spoken(pieces)).filter(Boolean);
    if (!words.length) {
      this.say("No suggestion here.");
      return this.dismiss();
    }
    this.#draw();
    this.room.emit("shown");
    if (attempt.length > 1) this.say(`${words.length} takes. ${words.map((each, place) => `${place + 1}: ${each}`).join(" ")}`, false, true);
    else this.say(`${words[0]} Tab accepts it, arrow down writes another.`, false, true);
  }

  /** Draws at most once per frame, however fast text comes. */
  #drawSoon() {
    this.frame ??= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    if (!this.asked || !this.current) return;
    if (this.takesOpen) this.#drawTakes();
    else this.editor.ghost(this.asked.anchor, previewOf(this.room.document, this.asked, this.current[0].pieces));
  }

  /** Inserts the suggestion, or one of several takes, into the script. */
  accept(number = 0) {
    const take = this.current?.[number];
    if (!take?.pieces.length) return false;
    const { asked } = this;
    const origin = { run: this.room.draft.run, seed: take.seed, edited: false };
    this.dismiss();
    this.editor.root.focus({ preventScroll: true });
    return this.room.edit(accepting(this.room.document, asked, take.pieces.filter(({ text }) => text), origin));
  }

  /** Stops the request; text that has come stays shown in grey. */
  stop() {
    this.writing?.abort();
    if (this.writing) this.room.emit("writing", false);
    this.writing = null;
  }

  /** Stops a request that has brought text; otherwise discards the suggestion. */
  escape() {
    if (this.writing && this.current?.[0].pieces.length) this.stop();
    else this.dismiss();
  }

  dismiss() {
    this.stop();
    const hadTakes = this.takesOpen;
    this.#forget();
    if (hadTakes) this.editor.focus();
  }

  #forget() {
    if (!this.asked) return;
    this.stop();
    this.asked = null;
    this.attempts = [];
    this.shown = -1;
    this.takes.hidden = true;
    this.editor.clearGhost();
    this.room.emit("shown");
  }

  /** Sets what follows aside as a branch, and requests a suggestion in its place. */
  retry() {
    const { room } = this;
    const element = this.editor.element;
    const step = element && retrying(room.document, element.id);
    if (!step) return this.goOn();
    this.editor.focus();
    room.edit(step);
    this.editor.place(step.caret);
    this.say("What followed is kept as a branch.");
    return this.goOn();
  }

  #openTakes() {
    const list = this.takes.querySelector("ol");
    list.replaceChildren(...Array.from({ length: TAKES }, (_, number) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.className = "take";
      button.addEventListener("click", () => this.accept(number));
      item.append(button);
      return item;
    }));
    this.takes.hidden = false;
    this.editor.reveal(this.editor.paragraphs.get(this.asked.anchor));
    list.querySelector("button").focus({ preventScroll: true });
  }

  #drawTakes() {
    const buttons = this.takes.querySelectorAll(".take");
    this.current.forEach(({ pieces, isDone }, number) => {
      const { text, kind, below } = previewOf(this.room.document, this.asked, pieces);
      const parts = [...(text ? [{ kind: kind ?? this.asked.open?.kind ?? "dialogue", text }] : []), ...below];
      buttons[number].replaceChildren(...parts.map((part) => {
        const shown = document.createElement("span");
        shown.className = part.kind;
        shown.textContent = part.text;
        return shown;
      }));
      buttons[number].classList.toggle("coming", !isDone);
      buttons[number].setAttribute("aria-label", `Take ${number + 1}: ${spoken(pieces)}`);
    });
  }

  /** Handles a key in the takes: 1 to 3 accepts one, arrows move between them. Returns whether it was one. */
  takeKey(event) {
    const buttons = [...this.takes.querySelectorAll(".take")];
    const at = buttons.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (/^[1-3]$/.test(event.key)) this.accept(Number(event.key) - 1);
    else if (step) buttons[(at + step + buttons.length) % buttons.length].focus();
    else return false;
    return true;
  }
}

const spoken = (pieces) => pieces.map(({ speaker, text }) => (speaker ? `${speaker}: ${text}` : text)).join(" ").trim();
