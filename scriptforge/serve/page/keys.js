// The keys of the page: one table, which is also the sheet that `?` shows.
//
// A command: {group, keys: ["Mod+Enter"], label, run, when?}. Mod is Control, and Command on a Mac. `run` may return false
// for “not now”, and the next command with the key, or the browser, has it.

export const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
const NAMES = {
  Mod: isMac ? "⌘" : "Ctrl", Alt: isMac ? "⌥" : "Alt", Shift: isMac ? "⇧" : "Shift", Enter: "Enter", Escape: "Esc",
  ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓",
};

/** The name of the keys that are pressed, as `Mod+Shift+Enter`. */
export function chordOf(event) {
  const isLetter = /^Key[A-Z]$/.test(event.code), isDigit = /^(Digit|Numpad)[0-9]$/.test(event.code);
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  let key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  if (!isPlain && isDigit) key = event.code.at(-1);
  else if (event.altKey && isLetter) key = event.code.at(-1);
  const isShifted = event.shiftKey && (key.length > 1 || /[A-Z0-9]/.test(key));
  return [(event.ctrlKey || event.metaKey) && "Mod", event.altKey && "Alt", isShifted && "Shift", key].filter(Boolean).join("+");
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

/** Fills the sheet of keys. */
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
