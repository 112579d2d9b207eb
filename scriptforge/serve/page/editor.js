// The editor: an editable region with a paragraph for each element. Every key changes the document first, and
// then only the paragraphs concerned; text from an input method is read back from the DOM.

import { newId, placeOf } from "./document.js";
import { placeAt, pointOf, rangeOf, selected, textOf } from "./caret.js";
import { elementsOf, fountain } from "./screenplay.js";
import { endOf, enter, insert, joinBack, joinNext, placeWithout, write } from "./typing.js";

const ELEMENTS = "application/x-scriptforge";
const PART = 40;       // paragraphs in a part
const LONGEST = 20000; // maximum characters of an element, as on the server

export class Editor {
  /** `root`: the DOM element that becomes the editor. */
  constructor(root, room) {
    this.root = root;
    this.room = room;
    this.paragraphs = new Map();
    this.ghosts = [];
    this.ghosted = null;  // the paragraph that shows grey text after its own
    this.dragged = null;  // the range that is being dragged with the mouse
    room.on("open", () => this.#fill());
    room.on("change", (event) => this.#render(event));
    root.addEventListener("beforeinput", (event) => this.#beforeInput(event));
    root.addEventListener("input", () => this.#readBack());
    root.addEventListener("compositionstart", () => this.#clearSelected());
    root.addEventListener("compositionend", () => this.#readBack());
    root.addEventListener("copy", (event) => this.#carry(event.clipboardData) && event.preventDefault());
    root.addEventListener("cut", (event) => this.#cut(event));
    root.addEventListener("paste", (event) => this.#paste(event));
    root.addEventListener("dragstart", (event) => this.#carry(event.dataTransfer));
    root.addEventListener("dragend", () => (this.dragged = null));
    document.addEventListener("selectionchange", () => this.#follow());
    // `selectionchange` comes late: after ↑ and at once Alt+Enter, the line above is meant.
    addEventListener("keydown", () => this.#hasMoved() && this.#follow(), true);
  }

  focus() {
    this.root.focus({ preventScroll: true });
    if (this.room.caret) this.place(this.room.caret.to);
    else this.place({ id: this.room.document.elements.at(-1).id, offset: endOf(this.room.document.elements.at(-1)) });
  }

  /** Puts the caret at a place, and scrolls there. */
  place(caret) {
    const paragraph = caret && this.paragraphs.get(caret.id);
    if (!paragraph) return;
    getSelection().collapse(...pointOf(paragraph, caret.offset));
    this.#follow();
    this.reveal(paragraph);
  }

  /**
   * Moves the caret to the start or the end of the script, or extends the selection to there.
   *
   * Browsers miss these places by themselves while that part of the script is not laid out.
   */
  goToEnd(isFirst, isSelecting) {
    const element = this.room.document.elements.at(isFirst ? 0 : -1);
    const paragraph = this.paragraphs.get(element.id);
    paragraph.scrollIntoView({ block: "nearest" });
    const point = pointOf(paragraph, isFirst ? 0 : element.text.length);
    if (isSelecting) getSelection().extend(...point);
    else getSelection().collapse(...point);
    this.#follow();
    this.reveal(paragraph);
  }

  /** Scrolls as little as necessary to show a paragraph between the top bar and the dock. */
  reveal(paragraph) {
    const { top, bottom } = paragraph.getBoundingClientRect();
    const { scrollPaddingTop, scrollPaddingBottom } = this.padding ??= getComputedStyle(document.documentElement);
    if (top < parseFloat(scrollPaddingTop) || bottom > innerHeight - parseFloat(scrollPaddingBottom)) {
      paragraph.scrollIntoView({ block: bottom - top > innerHeight / 2 ? "end" : "nearest" });
    }
  }

  /** Scrolls to an element, and puts the caret at its end. */
  goTo(id) {
    const element = this.room.document.elements[placeOf(this.room.document, id)];
    if (!element) return;
    this.root.focus({ preventScroll: true });
    this.paragraphs.get(id).scrollIntoView({ block: "center" });
    this.place({ id, offset: endOf(element) });
  }

  /** The selected range, or where the caret was last. */
  get range() {
    return this.room.caret;
  }

  /** The element that the caret is in. */
  get element() {
    const place = this.room.caret ? placeOf(this.room.document, this.room.caret.to.id) : -1;
    return this.room.document.elements[place] ?? null;
  }

  /** Shows grey text after that of an element, optionally as another kind, and grey elements below it. */
  ghost(id, { text = "", kind = null, below = [] }) {
    const paragraph = this.paragraphs.get(id);
    if (!paragraph) return;
    if (this.ghosted && this.ghosted !== paragraph) this.clearGhost();
    this.ghosted = paragraph;
    if (text) paragraph.dataset.ghost = text;
    else delete paragraph.dataset.ghost;
    const own = this.room.document.elements[placeOf(this.room.document, id)];
    paragraph.className = kind ?? own.kind;
    below.forEach((element, place) => {
      const shown = this.ghosts[place] ?? this.#newGhost(this.ghosts.at(-1) ?? paragraph);
      if (shown.className !== `ghost ${element.kind}`) shown.className = `ghost ${element.kind}`;
      if (shown.textContent !== element.text) shown.textContent = element.text;
    });
    for (const extra of this.ghosts.splice(below.length)) extra.remove();
    this.root.classList.toggle("has-ghost", Boolean(text || below.length));
    const last = this.ghosts.at(-1) ?? paragraph;
    this.reveal(last);
  }

  /** Removes all grey text. */
  clearGhost() {
    if (!this.ghosted) return;
    delete this.ghosted.dataset.ghost;
    const own = this.room.document.elements[placeOf(this.room.document, this.ghosted.dataset.id)];
    if (own) this.ghosted.className = own.kind;
    for (const ghost of this.ghosts.splice(0)) ghost.remove();
    this.ghosted = null;
    this.root.classList.remove("has-ghost");
  }

  #newGhost(after) {
    const ghost = document.createElement("p");
    ghost.contentEditable = "false";
    ghost.setAttribute("aria-hidden", "true");
    after.after(ghost);
    this.ghosts.push(ghost);
    return ghost;
  }

  #fill() {
    this.clearGhost();
    this.paragraphs.clear();
    const paragraphs = this.room.document.elements.map((element) => this.#paragraph(element));
    const parts = [];
    for (let from = 0; from < paragraphs.length; from += PART) parts.push(partOf(paragraphs.slice(from, from + PART)));
    this.root.replaceChildren(...parts);
    this.#countAlone();
  }

  #render({ change, caret, isShown }) {
    if (isShown) return this.#fill();
    this.clearGhost();
    for (const edit of change.edits ?? []) {
      if (edit.remove !== undefined) {
        const paragraph = this.paragraphs.get(edit.remove);
        const part = paragraph?.parentElement;
        paragraph?.remove();
        if (part && !part.firstChild) part.remove();
        this.paragraphs.delete(edit.remove);
      } else this.#put(edit);
    }
    if (change.edits?.length > 1) this.#cutLongParts();
    this.#countAlone();
    if (caret && document.activeElement === this.root) this.place(caret);
    else if (caret) this.room.caret = { from: caret, to: caret, isEmpty: true };
  }

  /** Shows a hint on an empty script. */
  #countAlone() {
    const { elements } = this.room.document;
    this.root.classList.toggle("is-new", elements.length === 1 && !elements[0].text);
  }

  #put({ put: element, after }) {
    const known = this.paragraphs.get(element.id);
    const paragraph = known ?? this.#paragraph(element);
    if (known) this.#show(known, element);
    const before = after === null ? null : this.paragraphs.get(after);
    if (known && beforeOf(known) === (before ?? null)) return;
    const left = known?.parentElement;
    if (before) before.after(paragraph);
    else if (!this.root.firstChild) this.root.append(partOf([paragraph]));
    else if (before === undefined) this.root.lastChild.append(paragraph);
    else this.root.firstChild.prepend(paragraph);
    if (left && !left.firstChild) left.remove();
  }

  /** Splits parts that have grown too long, such as by a paste. */
  #cutLongParts() {
    for (let part = this.root.firstElementChild; part; part = part.nextElementSibling) {
      if (part.children.length > 2 * PART) part.after(partOf([...part.children].slice(PART)));
    }
  }

  #paragraph(element) {
    const paragraph = document.createElement("p");
    paragraph.dataset.id = element.id;
    this.paragraphs.set(element.id, paragraph);
    this.#show(paragraph, element);
    return paragraph;
  }

  #show(paragraph, { kind, text, origin }) {
    if (paragraph.className !== kind) paragraph.className = kind;
    const writer = origin ? `${origin.run}${origin.seed == null ? "" : ` · ${origin.seed}`}${origin.edited ? " · edited" : ""}` : "";
    if ((paragraph.dataset.origin ?? "") !== writer) {
      if (writer) paragraph.dataset.origin = writer;
      else delete paragraph.dataset.origin;
    }
    const node = paragraph.firstChild;
    if (!text) {
      if (!(node instanceof HTMLBRElement)) paragraph.replaceChildren(document.createElement("br"));
    } else if (node?.nodeType === Node.TEXT_NODE && paragraph.childNodes.length === 1) {
      replaceText(node, text);
    } else {
      paragraph.replaceChildren(text);
    }
  }

  /** Whether the caret has moved since the room was told its place. */
  #hasMoved() {
    const range = document.activeElement === this.root && selected(this.root), { caret } = this.room;
    const isSame = (one, other) => one.id === other?.id && one.offset === other?.offset;
    return range && !(isSame(range.from, caret?.from) && isSame(range.to, caret?.to));
  }

  #follow() {
    if (document.activeElement !== this.root) return;
    const range = selected(this.root);
    if (!range || !this.paragraphs.has(range.to.id)) return;
    this.room.caret = range;
    this.room.emit("caret", range);
  }

  #beforeInput(event) {
    const type = event.inputType;
    if (event.isComposing || type === "insertCompositionText" || type === "deleteCompositionText") return;
    event.preventDefault();
    if (type === "insertFromDrop") return this.#drop(event);
    const range = selected(this.root);
    if (!range) return;
    if (type === "historyUndo") this.room.undo();
    else if (type === "historyRedo") this.room.redo();
    else if (type === "insertParagraph" || type === "insertLineBreak") this.room.edit(enter(this.room.document, range));
    else if (type === "insertText" && event.data === ")" && this.#closes(range)) this.place({ id: range.to.id, offset: range.to.offset + 1 });
    else if (type === "insertText") this.write(range, event.data ?? "");
    else if (type === "insertReplacementText") {
      const [target] = event.getTargetRanges();
      this.write(rangeOf(this.root, target) ?? range, event.dataTransfer?.getData("text/plain") ?? event.data ?? "");
    } else if (type === "deleteByDrag") this.dragged = range;
    else if (type.startsWith("delete")) this.#remove(event, range);
  }

  /** Writes text in place of a range; consecutive typing, and edits with the same tag, are one undo step. */
  write(range, text, tag = range.from.id === range.to.id ? `type ${range.from.id}` : null) {
    if (text.length + range.from.offset + this.#lengthAfter(range.to) > LONGEST) {
      this.room.emit("said", `A line has no room for more than ${LONGEST} letters.`);
      return false;
    }
    const step = write(this.room.document, range, text.replace(/[\r\n\u0000-\u0008\u000b-\u001f]+/g, " "));
    return this.room.edit(step, tag);
  }

  /** Whether a typed closing bracket is already there, at the end of a parenthetical. */
  #closes({ to, isEmpty }) {
    const { kind, text } = this.room.document.elements[placeOf(this.room.document, to.id)];
    return isEmpty && kind === "parenthetical" && text.slice(to.offset) === ")";
  }

  #lengthAfter({ id, offset }) {
    return this.room.document.elements[placeOf(this.room.document, id)].text.length - offset;
  }

  #remove(event, range) {
    const { document: script } = this.room;
    if (!range.isEmpty) return this.write(range, "");
    const isForward = event.inputType.includes("Forward");
    const element = script.elements[placeOf(script, range.to.id)];
    if (!isForward && (range.to.offset === 0 || element.text === "()")) return this.room.edit(joinBack(script, range.to));
    if (isForward && range.to.offset >= element.text.length) return this.room.edit(joinNext(script, range.to));
    const [target] = event.getTargetRanges();
    const aimed = target && rangeOf(this.root, target);
    const isInside = aimed && !aimed.isEmpty && aimed.from.id === range.to.id && aimed.to.id === range.to.id;
    const { id, offset } = range.to;
    const one = isForward ? { from: { id, offset }, to: { id, offset: offset + 1 } } : { from: { id, offset: offset - 1 }, to: { id, offset } };
    return this.write(isInside ? aimed : one, "");
  }

  /** Reads back what an input method has written into a paragraph. */
  #readBack() {
    const selection = getSelection();
    const caret = selection.rangeCount && placeAt(this.root, selection.focusNode, selection.focusOffset);
    const paragraph = caret && this.paragraphs.get(caret.id);
    if (!paragraph) return;
    const { document: script } = this.room;
    const element = script.elements[placeOf(script, caret.id)];
    const text = textOf(paragraph).replace(/\n/g, " ");
    if (text === element.text) return;
    const whole = { from: { id: caret.id, offset: 0 }, to: { id: caret.id, offset: element.text.length } };
    const step = write(script, whole, text);
    if (step) this.room.edit({ ...step, caret }, `type ${caret.id}`);
  }

  #clearSelected() {
    const range = selected(this.root);
    if (range && !range.isEmpty) this.write(range, "");
  }

  /** Puts the selection on the clipboard or into a drag. Returns whether there is a selection. */
  #carry(data) {
    const range = selected(this.root);
    if (!range || range.isEmpty) return false;
    const elements = this.cutOut(range);
    const text = elements.length > 1 ? fountain("", elements).replace(/^Title: \n\n/, "").trimEnd() : elements[0].text;
    data.setData("text/plain", text);
    if (elements.length > 1) data.setData(ELEMENTS, JSON.stringify(elements));
    return true;
  }

  #cut(event) {
    if (!this.#carry(event.clipboardData)) return;
    event.preventDefault();
    this.#clearSelected();
  }

  /** The elements of a range, the first and the last cut to it. */
  cutOut({ from, to }) {
    const { document: script } = this.room;
    const first = placeOf(script, from.id), last = placeOf(script, to.id);
    return script.elements.slice(first, last + 1).map((element) => ({
      ...element,
      text: element.text.slice(element.id === from.id ? from.offset : 0, element.id === to.id ? to.offset : undefined),
    }));
  }

  #paste(event) {
    event.preventDefault();
    const range = selected(this.root);
    if (range) this.#bring(event.clipboardData, range);
  }

  /** Inserts what was dropped; text dragged within the script leaves its old place in the same undo step. */
  #drop(event) {
    const { dragged } = this, tag = `drop ${newId()}`;
    this.dragged = null;
    const [target] = event.getTargetRanges();
    const aimed = (target && rangeOf(this.root, target)) ?? selected(this.root);
    const place = aimed && (dragged ? placeWithout(this.room.document, dragged, aimed.to) : aimed.to);
    if (!place) return;
    this.root.focus({ preventScroll: true });
    if (dragged) this.write(dragged, "", tag);
    const isPut = this.#bring(event.dataTransfer, { from: place, to: place, isEmpty: true }, tag);
    if (dragged && !isPut) this.room.undo();
  }

  /** Inserts clipboard or dropped data in place of a range. Returns whether there was any, and it fitted. */
  #bring(data, range, tag) {
    const own = data.getData(ELEMENTS), text = data.getData("text/plain").replace(/^[\r\n]+|[\r\n]+$/g, "");
    if (own) return this.insert(JSON.parse(own).map(({ kind, text: words, origin }) => ({ kind, text: words, origin })), range, tag);
    if (!text.trim()) return false;
    const elements = text.trim().includes("\n") ? elementsOf(text) : [];
    return elements.length ? this.insert(elements, range, tag) : this.write(range, text, tag);
  }

  /** Puts elements in place of a range, with new ids. */
  insert(elements, range = this.range, tag = null) {
    const named = elements.flatMap(inPieces).map((element) => ({ ...element, id: newId(), origin: element.origin ?? null }));
    return this.room.edit(insert(this.room.document, range, named), tag);
  }
}

/** A part of the script: paragraphs that the browser need not lay out while they are out of sight. */
function partOf(paragraphs) {
  const part = document.createElement("div");
  part.append(...paragraphs);
  return part;
}

/** The paragraph before another, possibly in the previous part. */
const beforeOf = (paragraph) =>
  paragraph.previousElementSibling ?? paragraph.parentElement.previousElementSibling?.lastElementChild ?? null;

/** An element, split into several if it is longer than allowed. */
function inPieces(element) {
  const { text } = element;
  if (text.length <= LONGEST) return [element];
  const cut = text.lastIndexOf(" ", LONGEST) > 0 ? text.lastIndexOf(" ", LONGEST) : LONGEST;
  return [{ ...element, text: text.slice(0, cut) }, ...inPieces({ ...element, text: text.slice(cut).trimStart() })];
}

/** Changes the text of a node by replacing as little as possible, so that highlights on the rest stay. */
function replaceText(node, text) {
  const old = node.data;
  if (old === text) return;
  let start = 0, end = 0;
  const most = Math.min(old.length, text.length);
  while (start < most && old[start] === text[start]) start++;
  while (end < most - start && old[old.length - 1 - end] === text[text.length - 1 - end]) end++;
  node.replaceData(start, old.length - start - end, text.slice(start, text.length - end));
}
