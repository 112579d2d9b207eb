// The shelf: the list of drafts, to open, create, copy and remove them.

import { byId } from "./dom.js";
import { stored } from "./local_storage.js";

export class Shelf {
  constructor(room, engine, saver, say) {
    Object.assign(this, { room, engine, saver, say });
    const makers = { "new-draft": () => this.begin(), "copy-draft": () => this.copy() };
    for (const [id, act] of Object.entries(makers)) {
      byId(id).addEventListener("click", () => this.#once(byId(id), () => act().then(() => byId("shelf").close())));
    }
    byId("drafts").addEventListener("click", ({ target }) => this.#press(target.closest("button")));
    byId("title").addEventListener("change", () => room.describe({ title: byId("title").value.trim() || "Untitled" }));
    const show = () => {
      byId("title").value = room.draft.title;
      document.title = `${room.draft.title} · writing room`;
    };
    room.on("open", show);
    room.on("draft", ({ title }) => title !== undefined && show());
  }

  /** Opens a draft; if drafts are the browser's and its storage does not work, a new one that nothing keeps. */
  async start() {
    try {
      await this.#openLast();
    } catch (problem) {
      if (this.room.about.mode === "writer") throw problem;
      this.saver.openUnkept(problem);
      this.say(problem.message, true);
    }
  }

  /** Opens the draft named in the URL, or the one that was open last, or the latest; else creates one. */
  async #openLast() {
    const drafts = await this.engine.drafts();
    const asked = new URLSearchParams(location.search).get("draft") ?? stored("scriptforge-last");
    const draft = drafts.find(({ id }) => id === asked) ?? drafts[0];
    if (draft) await this.saver.open(draft.id);
    else await this.begin();
  }

  async begin({ title = "Untitled", elements = [] } = {}) {
    const run = this.room.run?.name ?? this.room.about.default_run ?? this.room.about.runs[0]?.name ?? "";
    const { id } = await this.engine.create({ title, run, elements });
    await this.saver.open(id);
  }

  copy() {
    const { draft, document: script } = this.room;
    return this.begin({ title: `${draft.title} (copy)`, elements: script.elements });
  }

  async open() {
    byId("shelf").showModal();
    await this.#show();
  }

  async #show() {
    await this.saver.flush();
    try {
      const drafts = await this.engine.drafts();
      byId("drafts").replaceChildren(...drafts.map((draft) => this.#item(draft)));
    } catch (problem) {
      this.say(problem.message, true);
    }
  }

  #item({ id, title, run, updated, elements }) {
    const item = document.createElement("li"), open = document.createElement("button"), remove = document.createElement("button");
    const name = document.createElement("strong"), more = document.createElement("small");
    name.textContent = title;
    const day = new Date(updated);
    const when = Number.isNaN(day.getTime()) ? "" : day.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    more.textContent = [elements === undefined ? "" : `${elements} elements`, run, when].filter(Boolean).join(" · ");
    open.append(name, more);
    if (id === this.room.draft?.id) open.setAttribute("aria-current", "true");
    Object.assign(open, { type: "button", className: "open" });
    Object.assign(open.dataset, { id, act: "open" });
    Object.assign(remove, { type: "button", textContent: "Remove" });
    remove.setAttribute("aria-label", `Remove ${title}`);
    Object.assign(remove.dataset, { id, act: "remove" });
    item.append(open, remove);
    return item;
  }

  /** Runs the action of a button, which is disabled until it is done; reports errors. */
  async #once(button, act) {
    button.disabled = true;
    try {
      await act();
    } catch (problem) {
      this.say(problem.message, true);
    }
    button.disabled = false;
  }

  #press(button) {
    if (!button) return;
    const { id, act, sure } = button.dataset;
    if (act === "open") {
      this.#once(button, () => this.saver.open(id).then(() => byId("shelf").close()));
    } else if (sure) {
      this.#once(button, () => this.#remove(id));
    } else {
      button.dataset.sure = "yes";
      button.textContent = "Remove for good?";
    }
  }

  async #remove(id) {
    await this.saver.flush();
    await this.engine.discard(id);
    if (id === this.room.draft.id) {
      this.saver.leave();
      await this.start();
    }
    await this.#show();
  }
}
