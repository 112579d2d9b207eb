// Saving a draft: changes are sent to the engine one after another; those that could not be sent stay in this
// browser. Changes made elsewhere are never overwritten.

import { apply, merged, newId, rebased } from "./document.js";
import { Problem } from "./engine_server.js";

const PAUSE = 300;          // milliseconds within which changes are merged into one
const RETRY = [1, 2, 5, 10]; // seconds until the next try, after each failure
const BOX = "scriptforge-unsent";

export class Keeper {
  /** `show` is called with a state (saved, saving, local, failed or behind) and a text. */
  constructor(room, engine, show) {
    Object.assign(this, { room, engine, show });
    this.tab = newId();
    this.fresh = null;    // a change that further edits are merged into
    this.waiting = [];    // changes to be sent, in order
    this.described = null; // title, run and settings to be sent
    this.revision = 0;
    this.failures = 0;
    this.settled = [];    // callbacks for when all is sent, or cannot be
    this.opened = Promise.resolve();
    room.on("change", ({ change, isOwn }) => isOwn && this.#queue(change));
    room.on("draft", (change) => this.#describe(change));
    room.on("settings", () => this.isOpening || this.#describeSoon());
    addEventListener("pagehide", () => this.#close());
    addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.#close());
    addEventListener("online", () => this.#send());
    addEventListener("beforeunload", (event) => this.isFull && this.waiting.length && event.preventDefault());
    navigator.locks?.request(`${BOX} ${this.tab}`, () => new Promise(() => {}));
  }

  /** Opens a draft, with the changes that were left unsent on the last visit. Calls run one after another. */
  open(id) {
    this.opened = this.opened.catch(() => {}).then(() => this.#open(id));
    return this.opened;
  }

  async #open(id) {
    await this.flush();
    const draft = await this.engine.draft(id);
    this.watching?.abort();
    this.id = draft.id;
    this.revision = this.loaded = draft.revision;
    this.problem = null;
    this.waiting = [];
    this.fresh = this.described = null;
    const { found: unsent, keys } = await this.#adopt(id);
    const before = unsent.length && unsent[0].base < draft.revision ? unsent[0].base : null;
    let shown = { elements: draft.elements, branches: draft.branches ?? [] };
    if (before === null) for (const { change } of unsent) shown = apply(shown, change).document;
    this.isOpening = true;
    this.room.open({ ...draft, ...this.described, ...shown });
    this.isOpening = false;
    this.waiting = [...unsent.map(({ change }) => change), ...this.waiting];
    if (before !== null) this.revision = before;
    this.isStale = before !== null;
    this.#store();
    if (!this.isFull) for (const key of keys) if (key !== this.#key) localStorage.removeItem(key);
    localStorage.setItem("scriptforge-last", id);
    this.#say();
    this.#watch();
    await this.#send();
  }

  /** Lets go of the draft, which no longer exists. */
  leave() {
    this.watching?.abort();
    localStorage.removeItem(this.#key);
    [this.id, this.waiting, this.fresh, this.described, this.problem] = [null, [], null, null, null];
  }

  #queue(change) {
    this.fresh = (this.fresh && merged(this.fresh, change)) ?? this.#closeWith(change);
    if (this.fresh.branch || this.fresh.remove_branch) this.#close();
    else this.timer ??= setTimeout(() => this.#close(), PAUSE);
    this.#say();
  }

  #closeWith(change) {
    this.#close();
    return { ...change };
  }

  /** Queues the latest change to be sent, and stores the queue in this browser until it is. */
  #close() {
    clearTimeout(this.timer);
    this.timer = null;
    if (!this.fresh) return;
    this.waiting.push({ change: newId(), ...this.fresh });
    this.fresh = null;
    this.#store();
    this.#send();
  }

  get #key() {
    return `${BOX} ${this.id} ${this.tab}`;
  }

  #store() {
    const key = this.#key;
    try {
      const { revision: base, waiting: changes, described } = this;
      if (!changes.length && !described) localStorage.removeItem(key);
      else localStorage.setItem(key, JSON.stringify({ base, changes, described }));
      this.isFull = false;
    } catch {
      this.isFull = true;
    }
  }

  /** Finds unsent changes of tabs that were closed: {found, keys}, `keys` those of localStorage. */
  async #adopt(id) {
    const locks = await navigator.locks?.query();
    const alive = new Set((locks?.held ?? []).map(({ name }) => name));
    const found = [], keys = [];
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(`${BOX} ${id} `)) continue;
      const tab = key.slice(`${BOX} ${id} `.length);
      if (alive.has(`${BOX} ${tab}`) && tab !== this.tab) continue;
      const { base, changes, described } = unsentIn(localStorage.getItem(key)) ?? {};
      if (!Array.isArray(changes)) continue;
      keys.push(key);
      this.described = described ?? this.described;
      found.push(...changes.map((change) => ({ base, change })));
    }
    return { found, keys };
  }

  /** Sends what is queued, one change at a time; tries again later after errors that may pass. */
  async #send() {
    if (this.isSending || !(this.waiting.length || this.described)) return this.#say();
    this.isSending = true;
    clearTimeout(this.retry);
    const { id } = this;
    let refused = null;  // a description that could not be sent
    const isDue = () => this.described && this.described !== refused;
    while ((isDue() || this.waiting.length) && id === this.id) {
      if (isDue()) {
        refused = await this.#sendDescription(id);
        continue;
      }
      const [change] = this.waiting;
      try {
        const { revision } = await this.engine.save(id, { base: this.revision, ...change });
        if (id !== this.id) break;
        this.revision = Math.max(this.revision, revision);
        this.waiting = this.waiting.filter((each) => each.change !== change.change);
        this.failures = 0;
        this.problem = null;
        this.#store();
      } catch (problem) {
        if (id !== this.id) break;
        if (problem.status === 409 && (await this.#catchUp(problem.details).catch(() => false))) continue;
        this.problem = problem;
        if (problem.status === 404 || problem.status === 401 || problem.status === 422) break;
        this.#sendLater();
        break;
      }
    }
    this.isSending = false;
    if (this.isStale && !this.waiting.length) [this.isStale, this.revision] = [false, Math.max(this.revision, this.loaded)];
    this.#say();
    for (const settle of this.settled.splice(0)) settle();
  }

  /** Sends title, run and settings; returns what could not be sent, or null. */
  async #sendDescription(id) {
    const { described } = this;
    try {
      await this.engine.describe(id, described);
      if (this.described === described) this.described = null;
      this.problem = null;
      this.#store();
      return null;
    } catch (problem) {
      this.problem = problem;
      if (!this.waiting.length) this.#sendLater();
      return described;
    }
  }

  #sendLater() {
    this.retry = setTimeout(() => this.#send(), RETRY[Math.min(this.failures++, RETRY.length - 1)] * 1000);
  }

  /** Rebases our changes onto those made elsewhere. Returns whether to try again. */
  async #catchUp({ revision, changes }) {
    if (!changes) return this.#reload();
    if (!changes.length) return false;
    const own = new Set(this.waiting.map(({ change }) => change));
    const theirs = changes.filter((change) => change.revision > this.revision && !own.has(change.change));
    const done = new Set(changes.map(({ change }) => change));
    this.waiting = this.waiting.filter(({ change }) => !done.has(change));
    this.#follow(theirs);
    this.revision = Math.max(this.revision, revision);
    this.#store();
    return true;
  }

  /** Reloads the draft if its changes are no longer known, and rebases ours onto it. */
  async #reload() {
    const draft = await this.engine.draft(this.id);
    const known = new Map(draft.elements.map((element) => [element.id, element]));
    const gone = this.room.document.elements.filter(({ id }) => !known.has(id)).map(({ id }) => ({ remove: id }));
    let after = null;
    const there = draft.elements.map((element) => {
      const edit = { put: element, after };
      after = element.id;
      return edit;
    });
    const ours = this.waiting.flatMap(({ edits }) => edits ?? []).map(({ put }) => put?.id);
    const theirs = { edits: [...gone.filter(({ remove }) => !ours.includes(remove)), ...there] };
    const branches = draft.branches ?? [], kept = new Set(branches.map(({ id }) => id));
    const lost = this.room.document.branches.filter(({ id }) => !kept.has(id));
    this.#follow([
      theirs,
      ...branches.map((branch) => ({ edits: [], branch })),
      ...lost.map(({ id }) => ({ edits: [], remove_branch: id })),
    ]);
    this.revision = draft.revision;
    this.#store();
    return true;
  }

  #follow(theirs) {
    if (!theirs.length) return;
    if (this.fresh) {
      this.waiting.push({ change: newId(), ...this.fresh });
      this.fresh = null;
    }
    const { changes, copies } = rebased(this.waiting, theirs);
    if (this.isStale) {
      // The screen shows the server's version; our changes were never shown.
      this.waiting = changes;
      for (const change of changes) this.room.receive(change);
      this.isStale = false;
      return;
    }
    this.waiting = changes;
    for (const change of theirs) this.room.receive(change);
    for (const change of changes) this.room.receive(change);
    if (copies.length) this.room.emit("said", "Another tab wrote in the same line: both versions stand there now.");
  }

  async #watch() {
    this.watching = new AbortController();
    const { signal } = this.watching, { id } = this;
    for (let pause = 1; !signal.aborted; pause = Math.min(pause * 2, 15)) {
      try {
        const begun = performance.now();
        await this.engine.watch(id, this.revision, (change) => signal.aborted || this.#hear(change), signal);
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
      return this.#say();
    }
    if (change.reload) return this.#reload().catch(() => {});
    if (change.revision === undefined) return this.#hearDescription(change);
    if (change.revision !== this.revision + 1 || this.isSending) return change.revision > this.revision && this.#send();
    this.#follow([change]);
    this.revision = change.revision;
    this.#store();
    return undefined;
  }

  /** Applies the title, run or settings of another tab, unless they are being changed here. */
  #hearDescription({ settings, title, run }) {
    const ours = { ...this.described, ...(this.describing && { settings }) };
    const isTheirs = ([key, value]) => value !== undefined && !(key in ours);
    const change = Object.fromEntries(Object.entries({ title, run }).filter(isTheirs));
    this.isOpening = true;
    if (isTheirs(["settings", settings])) this.room.set(settings);
    if (Object.keys(change).length) this.room.describe(change);
    this.isOpening = false;
  }

  /** Saves a title, a run or settings; what could not be sent is sent with the next change. */
  async #describe(change) {
    if (this.isOpening) return;
    this.described = { ...this.described, ...change };
    this.#store();
    await this.#send();
  }

  #describeSoon() {
    clearTimeout(this.describing);
    this.describing = setTimeout(() => this.#describeSettings(), PAUSE);
  }

  #describeSettings() {
    clearTimeout(this.describing);
    this.describing = null;
    return this.#describe({ settings: this.room.settings });
  }

  /** Waits until all is sent, or cannot be. */
  async flush() {
    if (!this.id) return;
    this.#close();
    if (this.describing) this.#describeSettings();
    if (this.isSending) await new Promise((resolve) => this.settled.push(resolve));
  }

  #say() {
    const isUnsent = this.waiting.length > 0 || this.fresh || this.described;
    const isOwn = this.room.about.mode !== "writer";  // drafts are stored in this browser only
    if (isOwn && this.problem && ![404, 409].includes(this.problem.status)) this.show("failed", `not saved: ${this.problem.message}`);
    else if (this.problem?.status === 507) this.show("failed", `not saved: ${this.isFull ? "the disk is full, and so is this browser's storage" : "the disk is full; kept in this browser"}`);
    else if (this.problem?.status === 404) this.show("failed", "not saved: this draft was removed elsewhere; export it, or save it as a new one");
    else if (this.problem?.status === 401) this.show("failed", "not saved: open the link of the server again; kept in this browser");
    else if (this.problem && this.isFull) this.show("failed", "not saved: the server does not answer, and this browser's storage is full");
    else if (this.problem?.status === 409) this.show("behind", "behind: another tab has changed this draft; load it anew");
    else if (this.problem?.status > 0) this.show("failed", `not saved: ${this.problem.message}`);
    else if (this.problem) this.show("local", "kept in this browser: the server does not answer");
    else if (isUnsent) this.show("saving", "saving…");
    else this.show("saved", "saved");
  }
}

/** The unsent changes in an entry of localStorage; null if it is damaged. */
function unsentIn(entry) {
  try {
    return JSON.parse(entry);
  } catch {
    return null;
  }
}
