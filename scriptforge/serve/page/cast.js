// The cast: a button for each speaker of the draft and the run, with their share of the words so far; and who may speak.

import { cuePlace } from "./asking.js";
import { byId, throttled } from "./dom.js";
import { keyName } from "./keys.js";
import { speakerOf } from "./screenplay.js";

const KEYS = 9, MAX_SHOWN = 40;
const NAME_BYTES = 40; // longest name that every model can spell, in UTF-8

/** What the speakers of a script say: a map from the name in lower case to {name, lines, words}. */
function speechesIn(elements) {
  const found = new Map();
  let speech = null;
  for (const element of elements) {
    if (element.kind === "character") {
      const name = speakerOf(element), key = name.toLowerCase();
      if (key && !found.has(key)) found.set(key, { name, lines: 0, words: 0 });
      speech = found.get(key) ?? null;
    } else if (element.kind === "dialogue" && speech) {
      const words = element.text.split(/\s+/).filter(Boolean).length;
      speech.lines += words ? 1 : 0;
      speech.words += words;
    } else if (element.kind !== "parenthetical") speech = null;
  }
  return found;
}

/** Everybody who could speak, {name, lines, share, isOwn}: those with most lines first, then the run's cast. */
export function speakersOf({ run, settings, document }) {
  const cast = run?.cast ?? [], { source } = settings;
  const inSource = cast.filter((each) => !source || !each.source || each.source === source);
  const names = [...inSource.map(({ name }) => name), ...(settings.cast ?? [])];
  const all = new Map(names.map((name) => [name.toLowerCase(), { name, lines: 0, words: 0 }]));
  const speeches = speechesIn(document.elements);
  for (const [key, speech] of speeches) all.set(key, { ...speech, name: all.get(key)?.name ?? speech.name });
  const total = [...all.values()].reduce((sum, { words }) => sum + words, 0) || 1;
  const known = new Set(cast.map(({ name }) => name.toLowerCase()));
  return [...all]
    .map(([key, { name, lines, words }]) => ({ name, lines, share: words / total, isOwn: !known.has(key) }))
    .sort((one, other) => other.lines - one.lines);
}

/** Whether a run can write the name of a speaker. */
const canName = (run, { name, isOwn }) => !isOwn || (run?.spells && new TextEncoder().encode(name).length <= NAME_BYTES);

/** Speakers to choose from for the cast: those whose names the run can write. */
export const castChoices = (room) => speakersOf(room).filter((speaker) => canName(room.run, speaker));

/**
 * The names of those who may speak; empty for everybody.
 *
 * Unless the writer chose, these are the draft's own people, once two of them speak and nobody of the run's cast does.
 */
export function castOf(room) {
  if (room.settings.cast) return room.settings.cast;
  const speakers = speakersOf(room).filter(({ lines }) => lines);
  if (speakers.some(({ isOwn }) => !isOwn)) return [];
  const own = speakers.filter((speaker) => canName(room.run, speaker)).map(({ name }) => name);
  return own.length > 1 ? own.slice(0, MAX_SHOWN) : [];
}

/**
 * The names of those who may speak in an answer to what was asked.
 *
 * A model does not know whose turn it is among people whose names it spells: a single line is not given to the one who spoke last.
 */
export function castToAnswer(room, { elements, open }) {
  const cast = castOf(room);
  const cue = cuePlace(elements, elements.length - 1);
  const last = open ? open.speaker ?? "" : cue >= 0 ? speakerOf(elements[cue]) : "";
  const isLast = (name) => name.toLowerCase() === last.toLowerCase();
  const others = cast.filter((name) => !isLast(name));
  const isFree = room.settings.lines > 1 || !others.length || (room.run?.cast ?? []).some(({ name }) => isLast(name));
  return isFree ? cast : others;
}

/** Who may be chosen to speak next: the cast that the writer chose, or everybody. */
function offered(room) {
  const chosen = new Set((room.settings.cast ?? []).map((name) => name.toLowerCase()));
  const isOffered = ({ name }) => !chosen.size || chosen.has(name.toLowerCase());
  return speakersOf(room).filter(isOffered).slice(0, MAX_SHOWN);
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
    this.people = offered(this.room);
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
      const key = place < KEYS ? ` (${keyName(`Alt+${place + 1}`)})` : "", part = percent ? `; ${percent} % of the words so far` : "";
      button.title = `${name} speaks next${key}${part}`;
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
