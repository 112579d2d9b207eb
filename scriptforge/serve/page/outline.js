// The outline: the scenes of the script, and the branches that were set aside.

import { branchName } from "./asking.js";
import { returning } from "./document.js";
import { byId, throttled, isNarrow } from "./dom.js";
import { pageCount } from "./screenplay.js";

export class Outline {
  constructor(room, editor, say) {
    Object.assign(this, { room, editor, say });
    const later = throttled(() => this.show(), 200);
    room.on("open", later);
    room.on("change", later);
    byId("scenes").addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) this.#leave(() => editor.goTo(button.dataset.id));
    });
    byId("branches").addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      const branch = button && room.document.branches.find(({ id }) => id === button.dataset.id);
      if (!branch) return;
      if (button.dataset.act === "back") this.#leave(() => this.restore(branch));
      else room.edit({ change: { edits: [], remove_branch: branch.id }, caret: room.caret?.to });
    });
  }

  /** Does what was chosen; on a narrow screen, where the outline covers the script, closes it first. */
  #leave(act) {
    if (isNarrow()) this.room.emit("side", { name: "outline", isOpen: false });
    act();
  }

  restore(branch) {
    const { room } = this;
    const from = branch.after === null ? 0 : room.document.elements.findIndex(({ id }) => id === branch.after) + 1;
    const change = returning(room.document, branch, branchName(room.document.elements.slice(from)));
    const [first] = branch.elements;
    room.edit({ change, caret: first && { id: first.id, offset: first.text.length } });
    this.say(change.branch ? "Branch restored; the text it replaced was kept as a branch." : "Branch restored.");
  }

  show() {
    const { elements, branches } = this.room.document;
    const scenes = elements.filter(({ kind, text }) => kind === "heading" && text.trim());
    fill(byId("scenes"), scenes, (item, { id, text }) => {
      const button = item.firstChild ?? item.appendChild(Object.assign(document.createElement("button"), { type: "button" }));
      button.dataset.id = id;
      if (button.textContent !== text) button.textContent = text;
    });
    byId("no-scenes").hidden = scenes.length > 0;
    fill(byId("branches"), branches, (item, { id, name, elements: kept }) => {
      item.replaceChildren(
        named("span", name || "nothing yet"),
        named("small", `${kept.length} ${kept.length === 1 ? "element" : "elements"}`),
        named("button", "Restore", { act: "back", id }),
        named("button", "Delete", { act: "delete", id }),
      );
    });
    byId("no-branches").hidden = branches.length > 0;
    const words = elements.reduce((sum, { text }) => sum + (text.match(/\S+/g)?.length ?? 0), 0);
    const pages = pageCount(elements);
    byId("count").textContent = `${pages} ${pages === 1 ? "page" : "pages"} · ${words} ${words === 1 ? "word" : "words"}`;
  }
}

function fill(list, items, show) {
  items.forEach((each, place) => show(list.children[place] ?? list.appendChild(document.createElement("li")), each));
  while (list.children.length > items.length) list.lastChild.remove();
}

function named(tag, text, data = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  Object.assign(element.dataset, data);
  if (tag === "button") element.type = "button";
  return element;
}
