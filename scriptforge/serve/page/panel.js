// The panel with the settings of the draft: one field for each.

import { castChoices, castOf } from "./cast.js";
import { byId, throttled } from "./dom.js";

const MAX_CHOICES = 100;

const TEMPERATURES = [[0.5, "careful"], [0.8, "plain"], [1, "lively"], [1.25, "daring"], [Infinity, "wild"]];
const VOICES = [[0.05, "default"], [1, "slightly stronger"], [2.2, "strong"], [Infinity, "exaggerated"]];

const called = (names, value) => names.find(([most]) => value <= most)[1];

export class Panel {
  constructor(room) {
    this.room = room;
    const number = (id) => byId(id).valueAsNumber;
    const settings = {
      temperature: () => ({ temperature: number("temperature") }),
      voice: () => ({ voice: number("voice") }),
      lines: () => ({ lines: Math.min(8, Math.max(1, Math.round(number("lines")) || 1)) }),
      "source-of": () => ({ source: byId("source-of").value || null }),
      copying: () => ({ maxCopy: Number(byId("copying").value) || null }),
      seed: () => ({ seed: byId("seed").value === "" ? null : Math.min(4294967295, Math.max(0, Math.floor(number("seed")) || 0)) }),
    };
    for (const [id, read] of Object.entries(settings)) {
      byId(id).addEventListener("input", () => room.set(read()));
    }
    byId("run").addEventListener("change", () => room.describe({ run: byId("run").value }));
    byId("only").addEventListener("change", () => {
      room.set({ cast: [...byId("only").querySelectorAll(":checked")].map(({ value }) => value) });
    });
    byId("everybody").addEventListener("click", () => {
      room.set({ cast: [] });
      this.show();
    });
    room.on("open", () => this.show());
    room.on("draft", () => this.show());
    room.on("change", throttled(() => byId("only").contains(document.activeElement) || this.#followScript(), 250));
    room.on("settings", () => (byId("panel").contains(document.activeElement) ? this.#name() : this.show()));
  }

  show() {
    const { about, settings, draft, run } = this.room;
    byId("run").replaceChildren(...about.runs.map(({ name, training }) => new Option(training ? `${name} (training)` : name, name)));
    if (!run && draft.run) byId("run").prepend(new Option(`${draft.run} (missing)`, draft.run));
    byId("run").value = draft.run;
    byId("run-about").textContent = run?.description ?? "This run is not there any more. What it wrote can be read, changed and exported.";
    byId("temperature").value = settings.temperature;
    byId("voice").value = settings.voice ?? run?.voice ?? 0;
    byId("lines").value = settings.lines;
    byId("copying").value = settings.maxCopy ?? "";
    byId("seed").value = settings.seed ?? "";
    const sources = run?.sources ?? [];
    byId("source-of").replaceChildren(new Option("any of them", ""), ...sources.map((name) => new Option(name, name)));
    byId("source-of").value = settings.source ?? "";
    byId("source-field").hidden = sources.length < 2;
    byId("voice-field").hidden = Boolean(run?.plain);
    byId("copying-field").hidden = about.mode === "browser";
    this.#showCast();
    this.#name();
  }

  /** Lists who may be chosen, unless they stand there already. */
  #showCast() {
    const choices = castChoices(this.room).slice(0, MAX_CHOICES), chosen = new Set(castOf(this.room));
    const boxes = choices.map(({ name }) => ({ type: "checkbox", value: name, checked: chosen.has(name) }));
    byId("only-field").hidden = !boxes.length;
    const listed = [...byId("only").querySelectorAll("input")];
    const isListed = ({ value, checked }, place) => listed[place].value === value && listed[place].checked === checked;
    if (listed.length === boxes.length && boxes.every(isListed)) return;
    byId("only").replaceChildren(...boxes.map((each) => {
      const label = document.createElement("label"), box = document.createElement("input");
      label.append(Object.assign(box, each), ` ${each.value}`);
      return label;
    }));
  }

  #followScript() {
    this.#showCast();
    this.#name();
  }

  #name() {
    const { settings, run } = this.room;
    byId("temperature-name").textContent = called(TEMPERATURES, settings.temperature);
    byId("voice-name").textContent = called(VOICES, settings.voice ?? run?.voice ?? 0);
    byId("temperature").setAttribute("aria-valuetext", byId("temperature-name").textContent);
    byId("voice").setAttribute("aria-valuetext", byId("voice-name").textContent);
    const isRestricted = castOf(this.room).length > 0;
    byId("everybody").hidden = !isRestricted;
    const about = settings.cast ? "" : "The script’s own characters, until you choose.";
    byId("only-about").textContent = isRestricted ? about : "If none is chosen, everyone may speak.";
  }
}
