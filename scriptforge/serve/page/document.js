// A draft as plain data, and changes of it as pure functions, which know neither the screen nor the server.
//
// document: {elements: [{id, kind, text, origin}], branches: [{id, name, after, elements}]}
// change:   {edits: [{put: element, after: id or null} | {remove: id}], branch?, remove_branch?}

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
const FEW = 8; // up to so many edits, searching the list is faster than making a set of its ids
const MERGING = 1200; // milliseconds within which typing in one element is one undo step

/** Returns a random id for an element, a branch or a change. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => LETTERS[byte % LETTERS.length]).join("");
}

/** Returns a new element. */
export const newElement = (kind, text = "", origin = null) => ({ id: newId(), kind, text, origin });

/** Returns an element with another text; if a model wrote it, it is marked as edited. */
export function reworded(element, text) {
  const { origin } = element;
  return { ...element, text, origin: origin && text !== element.text ? { ...origin, edited: true } : origin };
}

export const placeOf = (document, id) => document.elements.findIndex((element) => element.id === id);

const idBefore = (elements, place) => (place > 0 ? elements[place - 1].id : null);

/** Applies edits to a list of elements. Most follow one another, so it searches near the last one first. */
class Edits {
  constructor(elements, count) {
    this.elements = elements;
    this.ids = count > FEW ? new Set(elements.map(({ id }) => id)) : null;
    this.last = 0;
  }

  find(id) {
    if (this.ids && !this.ids.has(id)) return -1;
    for (const place of [this.last, this.last + 1]) if (this.elements[place]?.id === id) return place;
    return this.elements.findIndex((element) => element.id === id);
  }

  /** Puts an element after another, and returns the edit that undoes this. */
  put({ put: element, after }) {
    const { elements } = this;
    const place = this.find(element.id);
    const old = place < 0 ? { remove: element.id } : { put: elements[place], after: idBefore(elements, place) };
    if (place >= 0 && old.after === after) {
      elements[place] = element;
      this.last = place;
      return old;
    }
    if (place >= 0) elements.splice(place, 1);
    const before = after === null ? -1 : this.find(after);
    this.last = before < 0 && after !== null ? elements.length : before + 1;
    elements.splice(this.last, 0, element);
    this.ids?.add(element.id);
    return old;
  }

  remove({ remove: id }) {
    const place = this.find(id);
    if (place < 0) return null;
    const old = { put: this.elements[place], after: idBefore(this.elements, place) };
    this.elements.splice(place, 1);
    this.ids?.delete(id);
    this.last = Math.max(0, place - 1);
    return old;
  }
}

/** Returns `{document, inverse}`: the document after a change, and the change that undoes it. */
export function apply(document, change) {
  const elements = document.elements.slice(), changes = change.edits ?? [];
  const edits = new Edits(elements, changes.length);
  const undone = changes.map((edit) => ("put" in edit ? edits.put(edit) : edits.remove(edit)));
  const inverse = { edits: undone.filter(Boolean).reverse() };
  let branches = document.branches;
  const gone = branches.find(({ id }) => id === change.remove_branch);
  if (gone) {
    branches = branches.filter((branch) => branch !== gone);
    inverse.branch = gone;
  }
  if (change.branch) {
    const old = branches.find(({ id }) => id === change.branch.id);
    branches = [...branches.filter((branch) => branch !== old), change.branch];
    if (old) inverse.branch = old;
    else inverse.remove_branch = change.branch.id;
  }
  return { document: { ...document, elements, branches }, inverse };
}

/** Returns one change that does the same as two, or null if one of them has a branch. */
export function merged(first, second) {
  if (first.branch || first.remove_branch || second.branch || second.remove_branch) return null;
  const edits = first.edits.slice();
  for (const edit of second.edits) {
    const last = edits.at(-1);
    const isAgain = last?.put && edit.put && last.put.id === edit.put.id && edit.after === last.after;
    if (isAgain) edits[edits.length - 1] = edit;
    else edits.push(edit);
  }
  return { edits };
}

/** The ids of the elements that a change touches. */
export const touched = (change) => new Set((change.edits ?? []).map((edit) => edit.put?.id ?? edit.remove));

/**
 * Returns our changes rebased onto changes made elsewhere, so that no text is lost.
 *
 * If both changed the same element, ours becomes a new element below theirs; an element that they changed is
 * not removed by ours. Returns `{changes, copies}`, where `copies` has the ids of their elements above ours.
 */
export function rebased(changes, theirs) {
  const written = new Map();
  for (const change of theirs) for (const { put: each } of change.edits ?? []) if (each) written.set(each.id, each);
  const renamed = new Map();
  const moved = (id) => renamed.get(id) ?? id;
  const result = changes.map((change) => ({
    ...change,
    edits: (change.edits ?? []).flatMap((edit) => {
      if (edit.remove !== undefined) {
        if (renamed.has(edit.remove)) return [{ remove: moved(edit.remove) }];
        return written.has(edit.remove) ? [] : [edit];
      }
      const other = written.get(edit.put.id);
      const after = edit.after && moved(edit.after);
      if (!other || (other.text === edit.put.text && other.kind === edit.put.kind)) return [{ put: edit.put, after }];
      if (!renamed.has(other.id)) renamed.set(other.id, newId());
      return [{ put: { ...edit.put, id: moved(other.id) }, after: other.id }];
    }),
  }));
  return { changes: result, copies: [...renamed.keys()] };
}

/** An undo history: {past, future}, lists of steps {change, inverse, before, after, tag, time}. */
export const emptyHistory = () => ({ past: [], future: [] });

/** Returns a history with one more step; typing in one element is a single step until there is a pause. */
export function recorded({ past }, step) {
  const last = past.at(-1);
  if (step.tag && last?.tag === step.tag && step.time - last.time < MERGING) {
    const change = merged(last.change, step.change), inverse = merged(step.inverse, last.inverse);
    if (change && inverse) return { past: [...past.slice(0, -1), { ...step, change, inverse, before: last.before }], future: [] };
  }
  return { past: [...past, step], future: [] };
}

/** Returns `{history, change, caret}` that undoes the last step; undefined if there is none. */
export function undone({ past, future }) {
  const step = past.at(-1);
  return step && { history: { past: past.slice(0, -1), future: [...future, step] }, change: step.inverse, caret: step.before };
}

/** Returns `{history, change, caret}` that redoes the step undone last; undefined if there is none. */
export function redone({ past, future }) {
  const step = future.at(-1);
  const again = step && { ...step, tag: null };
  return step && { history: { past: [...past, again], future: future.slice(0, -1) }, change: step.change, caret: step.after };
}

/** Returns a history without the steps that would overwrite a change made elsewhere. */
export function withoutSteps({ past, future }, change) {
  const theirs = touched(change);
  const isFree = (step) => ![...touched(step.change)].some((id) => theirs.has(id));
  return { past: past.slice(past.findLastIndex((step) => !isFree(step)) + 1), future: future.every(isFree) ? future : [] };
}

/** Returns the change that moves all elements from a place on out of the script, into a branch. */
export function branching(document, place, name) {
  const elements = document.elements.slice(place);
  const after = idBefore(document.elements, place);
  const branch = { id: newId(), name, after, elements };
  return { edits: elements.map(({ id }) => ({ remove: id })), branch };
}

/** Returns the change that restores a branch; text that it replaces becomes a branch with the name given. */
export function returning(document, branch, name) {
  const place = branch.after === null ? 0 : placeOf(document, branch.after) + 1;
  const isPlaced = branch.after === null || place > 0;
  const from = isPlaced ? place : document.elements.length;
  const instead = document.elements.slice(from);
  let after = idBefore(document.elements, from);
  const edits = instead.map(({ id }) => ({ remove: id }));
  for (const element of branch.elements) {
    edits.push({ put: element, after });
    after = element.id;
  }
  const hasWords = instead.some(({ text }) => text);
  const kept = hasWords ? { branch: { id: newId(), name, after: idBefore(document.elements, from), elements: instead } } : {};
  return { edits, remove_branch: branch.id, ...kept };
}
