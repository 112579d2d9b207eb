// The cast: a button for each speaker of the run and the draft, with their share of the words so far.

import { byId, throttled } from "./dom.js";
import { keyName } from "./keys.js";
import { speakerOf } from "./screenplay.js";

const KEYS = 9, MAX_SHOWN = 40;

/** The number of words of each speaker in a script: a map from the name in lower case to {name, words}. */
export function wordsOf(elements) {
  const found = new Map();
  let speaker = null;
  for (const element of elements) {
    if (element.kind === "character") {
      const name = speakerOf(element), key = name.toLowerCase();
      speaker = key || null;
      if (key && !found.has(key)) found.set(key, { name, words: 0 });
    } else if (element.kind === "dialogue" && speaker) {
      found.get(speaker).words += element.text.split(/\s+/).filter(Boolean).length;
    } else if (element.kind !== "parenthetical") speaker = null;
  }
  return found;
}

/** Speakers to choose from, [{name, share}]: nine of the run, others in the draft, the rest of the run. */
export function people(cast, only, elements) {
  const words = wordsOf(elements);
  const total = [...words.values()].reduce((sum, each) => sum + each.words, 0);
  const names = only.length ? only : cast.map(({ name }) => name);
  const known = new Set(names.map((name) => name.toLowerCase()));
  const others = only.length ? [] : [...words].filter(([key]) => !known.has(key)).map(([, { name }]) => name);
  const shown = [...names.slice(0, KEYS), ...others, ...names.slice(KEYS)].slice(0, MAX_SHOWN);
  return shown.map((name) => ({ name, share: total ? (words.get(name.toLowerCase())?.words ?? 0) / total : 0 }));
}

export class Cast {
  /** `choose` is called with the name of the next speaker. */
  constructor(room, choose) {
    this.room = room;
    this.choose = choose;
    this.list = byId("cast");
    this.people = [];
    const later = throttled(() => this.show(), 250);
    room.on("open", () => this.show());
    room.on("change", later);
    room.on("settings", later);
    room.on("draft", later);
    this.list.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) choose(button.dataset.name);
    });
  }

  show() {
    const { room } = this;
    const { source } = room.settings;
    const cast = (room.run?.cast ?? []).filter((each) => !source || !each.source || each.source === source);
    this.people = people(cast, room.settings.cast, room.document.elements);
    this.people.forEach(({ name, share }, place) => {
      const button = this.list.children[place]?.firstChild ?? this.#button();
      if (button.dataset.name !== name) {
        button.dataset.name = name;
        button.querySelector(".name").textContent = name;
      }
      const percent = Math.round(100 * share);
      button.querySelector(".share").textContent = percent ? `${percent} %` : "";
      button.querySelector("kbd").textContent = place < KEYS ? place + 1 : "";
      button.querySelector("meter").value = share;
      button.title = place < KEYS ? `${name} speaks next (${keyName(`Alt+${place + 1}`)})` : `${name} speaks next`;
    });
    while (this.list.children.length > this.people.length) this.list.lastChild.remove();
    byId("who").hidden = !this.people.length;
  }

  #button() {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    for (const [tag, className] of [["kbd", ""], ["span", "name"], ["span", "share"], ["meter", ""]]) {
      const part = document.createElement(tag);
      part.className = className;
      if (tag === "meter" || tag === "kbd") part.setAttribute("aria-hidden", "true");
      button.append(part);
    }
    item.append(button);
    this.list.append(item);
    return button;
  }

  /** Chooses the speaker of a number key. */
  press(number) {
    this.show();
    const person = this.people[number - 1];
    if (person) this.choose(person.name);
  }
}
