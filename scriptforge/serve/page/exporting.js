// Files: import of scripts that are dropped or chosen, export in several formats, and printing.

import { newId } from "./document.js";
import { byId } from "./dom.js";
import { writtenElements } from "./screenplay.js";
import { isBlank } from "./typing.js";

/** A file name that is valid on every system. */
export const safeName = (title) => title.normalize("NFC").replace(/[\\/:*?"<>|\p{Cc}]+/gu, " ").trim().slice(0, 80) || "script";

/** What a script consists of, in words: `2 scenes, 13 speeches`. */
function contentsOf(elements) {
  const counted = (kind, one, several) => {
    const count = elements.filter((element) => element.kind === kind).length;
    return count ? `${count} ${count === 1 ? one : several}` : null;
  };
  const speeches = counted("character", "speech", "speeches") ?? "nobody speaks";
  return [counted("heading", "scene", "scenes"), speeches].filter(Boolean).join(", ");
}

export class Exporting {
  /** `asNew` is called with {title, elements} to create a draft of them. */
  constructor(room, editor, engine, say, asNew) {
    Object.assign(this, { room, editor, engine, say, asNew });
    byId("export-menu").addEventListener("click", ({ target }) => {
      const { format } = target.closest("button")?.dataset ?? {};
      if (!format) return;
      byId("export-menu").hidePopover();
      if (format === "print") this.print();
      else this.save(format);
    });
    byId("file").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      if (file) this.take(file);
      target.value = "";
    });
    addEventListener("dragover", (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    for (const name of ["dragleave", "drop"]) {
      addEventListener(name, (event) => (name === "drop" || !event.relatedTarget) && document.body.classList.remove("dropping"));
    }
    addEventListener("drop", (event) => {
      const [file] = event.dataTransfer.files;
      if (!file) return;
      event.preventDefault();
      this.take(file);
    });
    byId("imported").addEventListener("close", () => this.#place(byId("imported").returnValue));
  }

  /** Shows the formats that the engine writes in the menu, and accepts the files that it reads. */
  offer({ export: formats, import: suffixes }) {
    const items = [...formats, { format: "print", name: "Print, or save as PDF" }].map(({ format, name, suffix }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.format = format;
      button.textContent = name;
      if (suffix) {
        const small = document.createElement("small");
        small.textContent = `.${suffix.replace(/^\./, "")}`;
        button.append(" ", small);
      }
      const item = document.createElement("li");
      item.append(button);
      return item;
    });
    byId("export-list").replaceChildren(...items);
    byId("file").accept = suffixes.map((suffix) => (suffix.startsWith(".") ? suffix : `.${suffix}`)).join(",");
    this.formats = formats;
  }

  choose() {
    byId("file").click();
  }

  /** Saves the draft as a file. */
  async save(format) {
    const { title } = this.room.draft;
    const { suffix } = this.formats.find((each) => each.format === format) ?? this.formats[0];
    try {
      const blob = await this.engine.write(format, title, writtenElements(this.room.document.elements));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${safeName(title)}.${suffix.replace(/^\./, "")}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      this.say(`Saved as ${link.download}.`);
    } catch (problem) {
      this.say(problem.message, true);
    }
  }

  print() {
    document.title = this.room.draft.title;
    print();
  }

  /** Reads a file into an empty draft, or asks the writer where to put it. */
  async take(file) {
    this.say(`Reading ${file.name} …`);
    try {
      const { title, elements, notes } = await this.engine.read(file);
      if (!elements.length) throw new Error(`Nothing in “${file.name}” could be read as a script.`);
      const named = elements.map((element) => ({ origin: null, ...element, id: newId() }));
      this.brought = { title, elements: named };
      this.say([`Read “${file.name}”: ${contentsOf(elements)}.`, ...(notes ?? [])].join(" "));
      if (this.room.document.elements.every(isBlank)) return this.#place("here");
      byId("imported-name").textContent = title || file.name;
      byId("imported").returnValue = "";
      byId("imported").showModal();
    } catch (problem) {
      this.say(problem.message, true);
    }
    return undefined;
  }

  #place(where) {
    const { brought, room, editor } = this;
    this.brought = null;
    if (!brought || !where) return editor.focus();
    if (where === "new") return this.asNew(brought).catch((problem) => this.say(problem.message, true));
    const last = room.document.elements.at(-1);
    const range = room.caret ?? { from: { id: last.id, offset: last.text.length }, to: { id: last.id, offset: last.text.length }, isEmpty: true };
    const end = { from: range.to, to: range.to, isEmpty: true };
    const wasEmpty = room.document.elements.every(isBlank);
    editor.insert(brought.elements, end);
    if (wasEmpty && brought.title && room.draft.title === "Untitled") room.describe({ title: brought.title });
    return editor.focus();
  }
}
