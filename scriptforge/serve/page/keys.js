// The keyboard shortcuts: one table, from which the sheet that `?` shows and the titles of buttons are made.
//
// A command: {group, keys: ["Mod+Enter"], label, run, when?, buttons?, shown?}. Mod is Control, or Command on
// a Mac; Alt is Control with Option there, since Option alone types letters. If `run` returns false, the key
// goes to the next command that has it, or to the browser. `buttons` are the ids of buttons that do the same,
// and `shown` the keys to show in place of `keys`.

import { byId } from "./dom.js";

export const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
const NAMES = {
  Mod: isMac ? "⌘" : "Ctrl", Alt: isMac ? "⌃⌥" : "Alt", Shift: isMac ? "⇧" : "Shift", Enter: "Enter", Escape: "Esc",
  ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓",
};

/** The keys of a command as they are labelled, such as `Ctrl+Enter`. */
export const keyName = (keys) => keys.split("+").map((key) => NAMES[key] ?? key).join(isMac ? "" : "+");

const SPOKEN = { Mod: isMac ? "Command" : "Control", Alt: isMac ? "Control and Option" : "Alt" };

/** The same for screen readers: `Control and Enter`. */
export const spokenName = (keys) => keys.split("+").map((key) => SPOKEN[key] ?? key).join(" and ");

/** The modifiers that are held, without Shift; `Control` and `Option` alone, on a Mac, are in no command. */
function heldIn({ ctrlKey, metaKey, altKey }) {
  if (!isMac) return [(ctrlKey || metaKey) && "Mod", altKey && "Alt"];
  return [metaKey && "Mod", ctrlKey && altKey ? "Alt" : (ctrlKey && "Control") || (altKey && "Option")];
}

/** The keys of an event, as commands name them: `Mod+Shift+Enter`. */
export function chordOf(event) {
  const isLetter = /^Key[A-Z]$/.test(event.code), isDigit = /^(Digit|Numpad)[0-9]$/.test(event.code);
  const held = heldIn(event).filter(Boolean);
  let key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  if ((held.length && isDigit) || (held.includes("Alt") && isLetter)) key = event.code.at(-1);
  const isShifted = event.shiftKey && (key.length > 1 || /[A-Z0-9]/.test(key));
  return [...held, isShifted && "Shift", key].filter(Boolean).join("+");
}

/** Listens for the keys of commands. */
export function listen(commands) {
  addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    const chord = chordOf(event);
    for (const { keys, run, when } of commands) {
      if (!keys.includes(chord) || (when && !when(event))) continue;
      if (run(event) === false) continue;
      event.preventDefault();
      event.stopPropagation();
      return;
    }
  }, true);
}

/** Fills the sheet of keyboard shortcuts. */
export function showSheet(list, commands) {
  const groups = Map.groupBy(commands.filter(({ label }) => label), ({ group }) => group);
  list.replaceChildren(...[...groups].map(([group, members]) => {
    const section = document.createElement("section"), title = document.createElement("h3"), table = document.createElement("dl");
    title.textContent = group;
    for (const { shown, keys, label } of members) {
      const term = document.createElement("dt"), meaning = document.createElement("dd");
      (shown ?? keys).forEach((keyNames, place) => {
        if (place) term.append(" or ");
        keyNames.split("+").forEach((name, at) => {
          if (at) term.append(" ");
          const key = document.createElement("kbd");
          key.textContent = NAMES[name] ?? name;
          term.append(key);
        });
      });
      meaning.textContent = label;
      table.append(term, meaning);
    }
    section.append(title, table);
    return section;
  }));
}

/** Adds the keys of commands to the titles of their buttons. */
export function nameButtons(commands) {
  for (const { buttons = [], keys, shown = keys } of commands) {
    for (const id of buttons) {
      const button = byId(id), key = button.querySelector("kbd");
      button.title += ` (${shown.map(keyName).join(" or ")})`;
      if (key) key.textContent = keyName(keys[0]);
    }
  }
}
