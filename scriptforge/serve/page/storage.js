// Drafts in the browser's storage, if no server stores them; the methods are those of the server's engine.

import { apply, newId } from "./document.js";
import { Problem } from "./engine_server.js";

const SNAPSHOT = 50; // changes after which a whole draft is stored again
const KEPT_CHANGES = 200; // changes that are kept for tabs that are behind

const STORES = ["drafts", "wholes", "changes"];

const promised = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** Opens the database, which is made if there is none. Rejects where the browser stores nothing. */
const opened = (name) => new Promise((resolve, reject) => {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("drafts", { keyPath: "id" });
    opening.result.createObjectStore("wholes", { keyPath: "id" });
    opening.result.createObjectStore("changes", { keyPath: ["id", "revision"] });
  };
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});

/**
 * Drafts in three stores: `drafts` has title, run, settings and revision; `wholes` the elements and branches
 * at some revision; `changes` the changes since, so that saving a word does not rewrite the whole script.
 */
export class BrowserDrafts {
  constructor(name = "scriptforge") {
    this.name = name;
    this.channel = new BroadcastChannel(`${name}-changes`);
  }

  async #open() {
    if (this.database) return this.database;
    try {
      this.database = await opened(this.name);
    } catch {
      throw new Problem("This browser keeps nothing: export what you write.");
    }
    this.database.onclose = () => { this.database = null; }; // by the browser, such as when its data are cleared
    return this.database;
  }

  /** Calls `act` with the stores {drafts, wholes, changes} in one transaction; returns what it returns. */
  async #transact(mode, act) {
    const database = await this.#open();
    const transaction = database.transaction(STORES, mode, { durability: "strict" });
    const stores = Object.fromEntries(STORES.map((name) => [name, transaction.objectStore(name)]));
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(full(transaction.error));
    });
    let answer, problem;
    try {
      answer = await act(stores);
    } catch (thrown) {
      problem = thrown instanceof Problem ? thrown : full(thrown);
      if (transaction.error === null) transaction.abort();
    }
    await done.catch((failure) => { problem ??= failure; });
    if (problem) throw problem;
    return answer;
  }

  drafts() {
    return this.#transact("readonly", async ({ drafts }) => {
      const all = await promised(drafts.getAll());
      return all.sort((one, other) => (one.updated < other.updated ? 1 : -1));
    });
  }

  create({ title, run, elements }) {
    const draft = { id: newId(), title, run, settings: {}, revision: 0, updated: now() };
    return this.#transact("readwrite", async ({ drafts, wholes }) => {
      drafts.put(draft);
      wholes.put({ id: draft.id, revision: 0, elements, branches: [] });
      return draft;
    });
  }

  async draft(id) {
    const { draft, whole, since } = await this.#transact("readonly", async ({ drafts, wholes, changes }) => {
      const draft = known(await promised(drafts.get(id)));
      const whole = await promised(wholes.get(id));
      const since = await promised(changes.getAll(IDBKeyRange.bound([id, whole.revision + 1], [id, Infinity])));
      return { draft, whole, since };
    });
    const { elements, branches } = since.reduce((script, change) => apply(script, change).document, whole);
    if (since.length > SNAPSHOT) {
      // Where the storage is full, the draft opens all the same, from its changes.
      await this.#storeWhole({ id, revision: draft.revision, elements, branches }).catch(() => {});
    }
    return { ...draft, elements, branches };
  }

  /** Stores a whole draft, so that its changes are not needed but by tabs that are behind. */
  #storeWhole(whole) {
    const { id, revision } = whole;
    return this.#transact("readwrite", async ({ wholes, changes }) => {
      const stored = await promised(wholes.get(id));
      if (!stored || stored.revision >= revision) return; // another tab has removed the draft, or was faster
      wholes.put(whole);
      if (revision > KEPT_CHANGES) changes.delete(IDBKeyRange.bound([id, 0], [id, revision - KEPT_CHANGES]));
    });
  }

  async describe(id, change) {
    await this.#transact("readwrite", async ({ drafts }) => {
      drafts.put({ ...known(await promised(drafts.get(id))), ...change, updated: now() });
    });
    this.channel.postMessage({ id, ...change });
  }

  async discard(id) {
    await this.#transact("readwrite", async ({ drafts, wholes, changes }) => {
      drafts.delete(id);
      wholes.delete(id);
      changes.delete(IDBKeyRange.bound([id, 0], [id, Infinity]));
    });
    this.channel.postMessage({ id, removed: true });
  }

  async save(id, { base, ...change }) {
    const answer = await this.#transact("readwrite", async ({ drafts, changes }) => {
      const draft = known(await promised(drafts.get(id)));
      if (draft.revision !== base) {
        const since = await promised(changes.getAll(IDBKeyRange.bound([id, base + 1], [id, Infinity])));
        const done = since.find((each) => each.change === change.change);
        if (done) return { revision: done.revision };
        const isWhole = since.length === draft.revision - base;
        throw new Problem("Another tab has changed this draft.", 409, { revision: draft.revision, changes: isWhole ? since : null });
      }
      changes.put({ ...change, id, revision: base + 1 });
      drafts.put({ ...draft, revision: base + 1, updated: now() });
      return { revision: base + 1 };
    });
    this.channel.postMessage({ ...change, id, revision: answer.revision });
    return answer;
  }

  watch(id, after, onChange, signal) {
    return new Promise((resolve) => {
      const listen = ({ data }) => data.id === id && onChange(data);
      this.channel.addEventListener("message", listen);
      signal.addEventListener("abort", () => {
        this.channel.removeEventListener("message", listen);
        resolve();
      });
    });
  }
}

const now = () => new Date().toISOString();

function known(draft) {
  if (!draft) throw new Problem("This draft was removed.", 404);
  return draft;
}

const full = (error) => (error?.name === "QuotaExceededError"
  ? new Problem("The browser's storage is full.", 507)
  : new Problem(`The browser could not store it: ${error?.message ?? "it was stopped"}`));
