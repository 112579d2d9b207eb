// Saving a draft: changes are sent to the engine one after another; those that could not be sent stay in this
// browser. Changes made elsewhere are never overwritten.
//
// A change of the writer is `typed` first, which further edits are merged into, and then `unsent` until the
// engine has it. The screen shows the revision that unsent changes were made on, and these on top. Only if a
// draft is opened that has gone on since then, the screen shows it without them (`shownWithout`) until the
// engine tells what was changed.

import { apply, merged, newId, rebased } from "./document.js";
import { Problem } from "./engine_server.js";
import { forget, store, stored, storedNames } from "./local_storage.js";

const PAUSE = 300;             // milliseconds within which changes are merged into one
const RETRY = [1, 2, 5, 10];   // seconds until the next try, after each failure
const FINAL = [401, 404, 422]; // statuses after which another try is of no use
const BOX = "scriptforge-unsent";

/** Changes in order, made on revision `base`; and title, run and settings, as far as they were changed. */
const nothingUnsent = (base) => ({ base, changes: [], described: null });

export class DraftSaver {
  /** `show` is called with a state (saved, saving, local, failed or behind) and a text. */
  constructor(room, engine, show) {
    Object.assign(this, { room, engine, show });
    this.tab = newId();
    this.id = null;            // of the draft that is open; null if nothing keeps it
    this.typed = null;         // the change that further edits are merged into
    this.unsent = nothingUnsent(0);
    this.shownWithout = null;  // the revision on the screen if unsent changes are not shown, else null
    this.isSending = false;
    this.isHearing = false;    // whether title, run or settings of another tab are being applied
    this.isFull = false;       // whether the storage of this browser is full or blocked
    this.isUnkept = false;     // whether a draft is open that nothing keeps
    this.problem = null;       // why the engine could not take something
    this.failures = 0;         // tries that failed since the last success
    this.settled = [];         // callbacks for when all is sent, or cannot be
    this.opened = Promise.resolve();
    room.on("change", ({ change, isOwn }) => isOwn && this.#type(change));
    room.on("draft", (change) => this.isHearing || this.#describe(change));
    room.on("settings", () => this.isHearing || this.#describeSoon());
    addEventListener("pagehide", () => this.#endTyping());
    addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.#endTyping());
    addEventListener("online", () => this.#send());
    addEventListener("beforeunload", (event) => this.#mayLose && event.preventDefault());
    navigator.locks?.request(`${BOX} ${this.tab}`, () => new Promise(() => {})).catch(() => {}); // blocked
  }

  /** Opens a draft, with the changes that were left unsent on the last visit. Calls run one after another. */
  open(id) {
    this.opened = this.opened.catch(() => {}).then(() => this.#open(id));
    return this.opened;
  }

  async #open(id) {
    await this.flush();
    if (this.isUnkept) await this.#storeUnkept();
    const draft = await this.engine.draft(id);
    const alive = await locksHeld();
    await this.flush(); // what was typed meanwhile belongs to the draft that is left
    if (this.id) this.#endChanges(); // so does what came since; until the other is shown, nothing is awaited
    this.watching?.abort();
    this.id = draft.id;
    this.unsent = nothingUnsent(draft.revision);
    this.typed = this.problem = this.shownWithout = null;
    this.isUnkept = false;
    const left = leftUnsent(id, alive, this.tab);
    this.unsent.described = left.described ?? this.unsent.described;
    const isOlder = left.changes.length > 0 && left.base < draft.revision;
    let script = { elements: draft.elements, branches: draft.branches ?? [] };
    if (!isOlder) for (const change of left.changes) script = apply(script, change).document;
    this.room.open({ ...draft, ...this.unsent.described, ...script });
    this.unsent.changes.unshift(...left.changes);
    if (isOlder) [this.unsent.base, this.shownWithout] = [left.base, draft.revision];
    this.#store();
    if (!this.isFull) for (const key of left.keys) if (key !== this.#key) forget(key);
    store("scriptforge-last", id);
    this.#showState();
    this.#watch();
    await this.#send();
  }

  /** Opens a new draft that nothing keeps, since the browser's storage has a problem; it can be exported. */
  openUnkept(problem) {
    this.leave();
    Object.assign(this, { problem, isUnkept: true });
    this.room.open({ id: null, title: "Untitled", run: "", elements: [] });
    this.#showState();
  }

  /** Stores the draft that could not be stored when it was begun, before another one takes its place. */
  async #storeUnkept() {
    const { draft: { title, run }, document: { elements } } = this.room;
    if (elements.some(({ text }) => text.trim())) await this.engine.create({ title, run, elements });
    this.isUnkept = false;
  }

  /** Lets go of the draft, which no longer exists. */
  leave() {
    this.watching?.abort();
    forget(this.#key);
    this.id = this.typed = this.problem = null;
    this.unsent = nothingUnsent(this.unsent.base);
  }

  /** Merges a change of the writer into the one that is being typed, or begins another one with it. */
  #type(change) {
    const both = this.typed && merged(this.typed, change);
    if (!both) this.#endTyping();
    this.typed = both ?? { ...change };
    if (change.branch || change.remove_branch) this.#endTyping();
    else this.typingTimer ??= setTimeout(() => this.#endTyping(), PAUSE);
    this.#showState();
  }

  /** Sends what was typed; until it is sent, it is stored in this browser. */
  #endTyping() {
    clearTimeout(this.typingTimer);
    this.typingTimer = null;
    if (!this.typed) return;
    this.#enqueue();
    this.#store();
    this.#send();
  }

  #enqueue() {
    if (this.typed) this.unsent.changes.push({ change: newId(), ...this.typed });
    this.typed = null;
  }

  /** Whether there are changes that are neither sent nor stored in this browser. */
  get #mayLose() {
    return (this.isFull || this.isUnkept) && this.unsent.changes.length > 0;
  }

  get #key() {
    return `${BOX} ${this.id} ${this.tab}`;
  }

  /** Stores in this browser what is unsent, in place of what was. */
  #store() {
    if (this.isUnkept) return;
    const { changes, described } = this.unsent;
    const isNothing = !changes.length && !described;
    this.isFull = !(isNothing ? forget(this.#key) : store(this.#key, JSON.stringify(this.unsent)));
  }

  /** Sends what is unsent, one change at a time; tries again later after errors that may pass. */
  async #send() {
    const isSent = !this.unsent.changes.length && !this.unsent.described;
    if (this.isSending || this.isUnkept || isSent) return this.#showState();
    this.isSending = true;
    clearTimeout(this.retryTimer);
    const { id } = this;
    let refused = null;  // a description that could not be sent
    while (id === this.id) {
      const { base, changes: [change], described } = this.unsent;
      if (described && described !== refused) {
        refused = await this.#sendDescription(id);
        continue;
      }
      if (!change) break;
      try {
        const { revision } = await this.engine.save(id, { base, ...change });
        if (id === this.id) this.#markSent(change, revision);
      } catch (problem) {
        if (id !== this.id) break;
        if (problem.status === 409 && (await this.#catchUp(problem.details).catch(() => false))) continue;
        this.problem = problem;
        if (!FINAL.includes(problem.status)) this.#sendLater();
        break;
      }
    }
    this.isSending = false;
    this.#settle();
    if (id !== this.id) await this.#send();
  }

  #markSent(change, revision) {
    this.unsent.base = Math.max(this.unsent.base, revision);
    this.unsent.changes = this.unsent.changes.filter((each) => each.change !== change.change);
    this.failures = 0;
    this.problem = null;
    this.#store();
  }

  /** Tells those who wait that all is sent, or cannot be. */
  #settle() {
    if (this.shownWithout !== null && !this.unsent.changes.length) {
      this.unsent.base = Math.max(this.unsent.base, this.shownWithout);
      this.shownWithout = null;
    }
    this.#showState();
    for (const settle of this.settled.splice(0)) settle();
  }

  /** Sends title, run and settings; returns what could not be sent, or null. */
  async #sendDescription(id) {
    const { described } = this.unsent;
    try {
      await this.engine.describe(id, described);
      if (this.unsent.described === described) this.unsent.described = null;
      this.problem = null;
      this.#store();
      return null;
    } catch (problem) {
      this.problem = problem;
      if (!this.unsent.changes.length) this.#sendLater();
      return described;
    }
  }

  #sendLater() {
    const seconds = RETRY[Math.min(this.failures++, RETRY.length - 1)];
    this.retryTimer = setTimeout(() => this.#send(), seconds * 1000);
  }

  /** Rebases our changes onto those made elsewhere. Returns whether to try again. */
  async #catchUp({ revision, changes }) {
    if (!changes) return this.#reload();
    if (!changes.length) return false;
    const { unsent } = this;
    const own = new Set(unsent.changes.map(({ change }) => change));
    const theirs = changes.filter((change) => change.revision > unsent.base && !own.has(change.change));
    const done = new Set(changes.map(({ change }) => change));
    unsent.changes = unsent.changes.filter(({ change }) => !done.has(change));
    this.#follow(theirs);
    unsent.base = Math.max(unsent.base, revision);
    this.#store();
    return true;
  }

  /** Reloads the draft if its changes are no longer known, and rebases ours onto it. */
  async #reload() {
    const draft = await this.engine.draft(this.id);
    this.#follow(changesTo(draft, this.room.document, this.unsent.changes));
    this.unsent.base = draft.revision;
    this.#store();
    return true;
  }

  /** Rebases our changes onto others, and shows those that the screen does not show yet. */
  #follow(theirs) {
    if (!theirs.length) return;
    this.#enqueue();
    const { changes, copies } = rebased(this.unsent.changes, theirs);
    this.unsent.changes = changes;
    const showsTheirs = this.shownWithout !== null;
    for (const change of showsTheirs ? changes : [...theirs, ...changes]) this.room.receive(change);
    this.shownWithout = null;
    if (showsTheirs || !copies.length) return;
    this.room.emit("said", "Another tab wrote in the same line: both versions stand there now.");
  }

  async #watch() {
    this.watching = new AbortController();
    const { signal } = this.watching, { id } = this;
    for (let pause = 1; !signal.aborted; pause = Math.min(pause * 2, 15)) {
      try {
        const begun = performance.now();
        const hear = (change) => signal.aborted || this.#hear(change);
        await this.engine.watch(id, this.unsent.base, hear, signal);
        if (performance.now() - begun > 5000) pause = 1;
        this.#send();
      } catch (problem) {
        if (problem.status === 404 || problem.status === 401) return;
      }
      await new Promise((resolve) => setTimeout(resolve, pause * 1000));
    }
  }

  /** Handles a change of another tab; while ours are being sent, the response to them brings it. */
  #hear(change) {
    if (change.removed) {
      this.problem = new Problem("This draft was removed.", 404);
      this.#showState();
    } else if (change.reload) {
      this.#reload().catch(() => {});
    } else if (change.revision === undefined) {
      this.#hearDescription(change);
    } else if (change.revision === this.unsent.base + 1 && !this.isSending) {
      this.#follow([change]);
      this.unsent.base = change.revision;
      this.#store();
    } else if (change.revision > this.unsent.base) {
      this.#send();
    }
  }

  /** Applies the title, run or settings of another tab, unless they are being changed here. */
  #hearDescription({ settings, title, run }) {
    const ours = { ...this.unsent.described, ...(this.describingTimer && { settings }) };
    const isTheirs = ([key, value]) => value !== undefined && !(key in ours);
    const change = Object.fromEntries(Object.entries({ title, run }).filter(isTheirs));
    this.isHearing = true;
    if (isTheirs(["settings", settings])) this.room.set(settings);
    if (Object.keys(change).length) this.room.describe(change);
    this.isHearing = false;
  }

  /** Saves a title, a run or settings; what could not be sent is sent with the next change. */
  async #describe(change) {
    this.unsent.described = { ...this.unsent.described, ...change };
    this.#store();
    await this.#send();
  }

  #describeSoon() {
    clearTimeout(this.describingTimer);
    this.describingTimer = setTimeout(() => this.#describeSettings(), PAUSE);
  }

  #describeSettings() {
    clearTimeout(this.describingTimer);
    this.describingTimer = null;
    return this.#describe({ settings: this.room.settings });
  }

  /** Sends what is being typed or set now. */
  #endChanges() {
    this.#endTyping();
    if (this.describingTimer) this.#describeSettings();
  }

  /** Waits until all is sent, or cannot be. */
  async flush() {
    if (!this.id) return;
    this.#endChanges();
    if (this.isSending) await new Promise((resolve) => this.settled.push(resolve));
  }

  #showState() {
    const { problem, isFull, unsent } = this;
    const isOwn = this.room.about.mode !== "writer";
    if (problem) this.show(...stateAfter(problem, isOwn, isFull));
    else if (unsent.changes.length || unsent.described || this.typed) this.show("saving", "saving…");
    else this.show("saved", "saved");
  }
}

/**
 * The state and the text to show after a problem.
 *
 * `isOwn`: whether drafts are stored in this browser only; `isFull`: whether its storage is full.
 */
function stateAfter({ status, message }, isOwn, isFull) {
  const failed = (reason) => ["failed", `not saved: ${reason}`];
  if (isOwn && status !== 404 && status !== 409) return failed(message);
  if (status === 507 && isFull) return failed("the disk is full, and so is this browser's storage");
  if (status === 507) return failed("the disk is full; kept in this browser");
  if (status === 404) return failed("this draft was removed elsewhere; export it, or save it as a new one");
  if (status === 401) return failed("open the link of the server again; kept in this browser");
  if (isFull) return failed("the server does not answer, and this browser's storage is full");
  if (status === 409) return ["behind", "behind: another tab has changed this draft; load it anew"];
  if (status > 0) return failed(message);
  return ["local", "kept in this browser: the server does not answer"];
}

/** The names of the locks that tabs hold as long as they are open. */
async function locksHeld() {
  const locks = await navigator.locks?.query().catch(() => null); // blocked, and so is the rest of the storage
  return new Set((locks?.held ?? []).map(({ name }) => name));
}

/**
 * Finds what was left unsent in this tab, and in tabs that were closed; `keys` are those of localStorage.
 *
 * The changes of several tabs are rebased one onto another, the oldest first, and all count as made on the
 * revision of the oldest: of what was written in one line in two places, both stands there.
 */
function leftUnsent(id, alive, ownTab) {
  const prefix = `${BOX} ${id} `;
  const isLeft = (tab) => tab === ownTab || !alive.has(`${BOX} ${tab}`);
  const keys = storedNames().filter((key) => key.startsWith(prefix) && isLeft(key.slice(prefix.length)));
  const entries = keys.map((key) => ({ key, ...parsed(stored(key)) })).filter(isEntry);
  entries.sort((one, other) => one.base - other.base);
  const left = { base: null, changes: [], described: null, keys: entries.map(({ key }) => key) };
  for (const { base, changes, described } of entries) {
    const known = new Set(left.changes.map(({ change }) => change));
    const own = rebased(changes.filter(({ change }) => !known.has(change)), left.changes).changes;
    if (changes.length) left.base ??= base;
    left.changes.push(...own);
    left.described = described ?? left.described;
  }
  return left;
}

const isEntry = ({ base, changes }) => Number.isInteger(base) && Array.isArray(changes) && changes.every((each) => each?.change);

/** The value of an entry of localStorage; null if it is damaged. */
function parsed(entry) {
  try {
    return JSON.parse(entry);
  } catch {
    return null;
  }
}

/** The changes that make a document the engine's draft; elements that our changes put are not removed. */
function changesTo(draft, document, ours) {
  const known = new Set(draft.elements.map(({ id }) => id));
  const put = new Set(ours.flatMap(({ edits }) => edits ?? []).map((edit) => edit.put?.id));
  const gone = document.elements.map(({ id }) => id).filter((id) => !known.has(id) && !put.has(id));
  const there = draft.elements.map((element, place) => ({
    put: element,
    after: place > 0 ? draft.elements[place - 1].id : null,
  }));
  const branches = draft.branches ?? [], kept = new Set(branches.map(({ id }) => id));
  const lost = document.branches.filter(({ id }) => !kept.has(id));
  return [
    { edits: [...gone.map((id) => ({ remove: id })), ...there] },
    ...branches.map((branch) => ({ edits: [], branch })),
    ...lost.map(({ id }) => ({ edits: [], remove_branch: id })),
  ];
}
