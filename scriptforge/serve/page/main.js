// The start of the page: finds the engine, connects the parts, and says what each key and button does.

import { Cast } from "./cast.js";
import { Completion } from "./completion.js";
import { byId, isNarrow } from "./dom.js";
import { DraftSaver } from "./drafts.js";
import { Editor } from "./editor.js";
import { BrowserEngine } from "./engine_browser.js";
import { ServerEngine } from "./engine_server.js";
import { Exporting } from "./exporting.js";
import { Find } from "./find.js";
import { isMac, keyName, listen, nameButtons, showSheet, spokenName } from "./keys.js";
import { store, stored } from "./local_storage.js";
import { Marks } from "./marks.js";
import { Outline } from "./outline.js";
import { Panel } from "./panel.js";
import { Room } from "./room.js";
import { Shelf } from "./shelf.js";
import { BrowserDrafts } from "./storage.js";
import { Suggestions } from "./suggestion.js";
import { KINDS, KIND_NAMES, become, tab } from "./typing.js";

const THEMES = ["auto", "light", "dark"];

let saying;

/** Shows a message, and has screen readers announce it (only that if `isQuiet`). Errors stay until closed. */
function say(text, isWrong = false, isQuiet = false) {
  if (isWrong) {
    byId("said").hidden = true;
    return showProblem(text);
  }
  byId("live").textContent = text;
  if (isQuiet) return;
  byId("said").textContent = text;
  byId("said").hidden = false;
  clearTimeout(saying);
  saying = setTimeout(() => (byId("said").hidden = true), 5000);
}

/** Shows an error, or hides it if the text is empty. */
function showProblem(text) {
  byId("problem").hidden = !text;
  byId("problem-words").textContent = text;
}

/** Finds the engine of the page: a server, or a model in the browser. */
async function findEngine() {
  const server = new ServerEngine();
  try {
    const about = await server.about();
    if (about.mode === "visitor") return { engine: withBrowserDrafts(server), about };
    return { engine: server, about };
  } catch (problem) {
    if (problem.status === 401) {
      if (problem.details.login) return logIn(server);
      throw problem;
    }
    const browser = new BrowserEngine();
    return { engine: browser, about: await browser.about() };
  }
}

/** Returns a server's engine with drafts in the browser, for visitors: the server does not store theirs. */
function withBrowserDrafts(server) {
  const drafts = new BrowserDrafts("scriptforge visitor");
  for (const name of ["drafts", "create", "draft", "describe", "discard", "save", "watch"]) server[name] = drafts[name].bind(drafts);
  return server;
}

/** Asks for the password until it is right. */
function logIn(server) {
  const dialog = byId("login");
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    byId("login-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        await server.login(byId("password").value);
        dialog.close();
        resolve(findEngine());
      } catch (problem) {
        byId("login-wrong").textContent = problem.message;
        byId("password").select();
      }
    });
  });
}

/** Opens or closes a side panel, and remembers that. */
function side(name, isOpen = byId(name).hidden) {
  byId(name).hidden = !isOpen;
  byId(`toggle-${name}`).setAttribute("aria-expanded", isOpen);
  document.body.classList.toggle(`with-${name}`, isOpen);
  if (!isNarrow()) store(`scriptforge-${name}`, isOpen ? "open" : "closed");
  return isOpen;
}

function theme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  store("scriptforge-theme", name);
  byId("theme").value = name;
}

function authors(isShown = !document.body.classList.contains("authors")) {
  document.body.classList.toggle("authors", isShown);
  byId("toggle-authors").setAttribute("aria-pressed", isShown);
}

const SIDES = ["outline", "panel"];
const openSides = () => SIDES.filter((name) => !byId(name).hidden);

const isFree = () => !document.querySelector("dialog[open]");
const inScript = () => document.activeElement === byId("script");
const isTyping = ({ target }) => target.closest("input, textarea, select, [contenteditable]");
const mayUndo = (event) => isFree() && (inScript() || !isTyping(event));

/** The digit of a key, whatever it types with the modifiers that are held. */
const digitOf = ({ code }) => Number(code.at(-1));

/** The shortcuts of the page; see `keys.js`. Of those with the same key, the first has precedence. */
function commandsOf(parts) {
  const inGroup = (group, commands) => commands.map((command) => ({ group, ...command }));
  return [
    ...takesCommands(parts),
    ...inGroup("Writing", writingCommands(parts)),
    ...inGroup("With the model", modelCommands(parts)),
    ...inGroup("The page", pageCommands(parts)),
  ];
}

function takesCommands({ suggestions }) {
  const inTakes = () => suggestions.takesOpen && byId("takes").contains(document.activeElement);
  const keys = ["1", "2", "3", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];
  return [{ keys, when: inTakes, run: (event) => suggestions.takeKey(event) }];
}

function writingCommands({ room, editor, suggestions, completion }) {
  const changeKind = (isBack) => void room.edit(tab(room.document, editor.range, isBack));
  const setKind = (kind) => void room.edit(become(room.document, editor.element, kind));
  const kindKeys = KINDS.map((_, place) => `Mod+${place + 1}`);
  const kindNames = KINDS.map((kind) => KIND_NAMES[kind].toLowerCase()).join(", ");
  const startKeys = ["Mod+Home", "Mod+Shift+Home", ...(isMac ? ["Mod+ArrowUp", "Mod+Shift+ArrowUp"] : [])];
  const endKeys = ["Mod+End", "Mod+Shift+End", ...(isMac ? ["Mod+ArrowDown", "Mod+Shift+ArrowDown"] : [])];
  return [
    { keys: ["Tab"], label: "What the line is: action, character, … or what comes below it",
      when: inScript, run: () => accept(suggestions, completion) || changeKind(false) },
    { keys: ["Shift+Tab"], label: "The other way round",
      when: inScript, run: () => changeKind(true) },
    { keys: ["Enter"], label: "The next line; on an empty one: action, then a new scene",
      when: inScript, run: () => {
        if (editor.element.kind === "character") completion.accept();
        return false;
      } },
    { keys: kindKeys, shown: ["Mod+1 … 6"], label: kindNames,
      when: inScript, run: (event) => setKind(KINDS[digitOf(event) - 1]) },
    { keys: startKeys, when: inScript, run: (event) => editor.goToEnd(true, event.shiftKey) },
    { keys: endKeys, when: inScript, run: (event) => editor.goToEnd(false, event.shiftKey) },
    { keys: ["Mod+Z"], buttons: ["undo"], label: "Undo the last change",
      when: mayUndo, run: () => room.undo() },
    { keys: ["Mod+Shift+Z", "Mod+Y"], shown: ["Mod+Shift+Z"], buttons: ["redo"], label: "Redo",
      when: mayUndo, run: () => room.redo() },
  ];
}

function modelCommands({ editor, suggestions, completion, find, cast }) {
  const isShown = () => inScript() && suggestions.isShown;
  const mayAccept = () => inScript() && (suggestions.isShown || completion.text);
  const speakerKeys = Array.from({ length: 9 }, (_, place) => `Alt+${place + 1}`);
  return [
    { keys: ["Mod+Enter"], buttons: ["go-on"], label: "Continue; accepts the suggestion first",
      when: isFree, run: () => void suggestions.goOn() },
    // Tab is here for the sheet of keys alone: its command for writing comes first, and accepts, too.
    { keys: ["Tab", "ArrowRight"], buttons: ["take"], label: "Accept the suggestion",
      when: mayAccept, run: () => accept(suggestions, completion) },
    { keys: ["ArrowDown"], buttons: ["another"], label: "Another suggestion",
      when: isShown, run: () => suggestions.another() },
    { keys: ["ArrowUp"], label: "The suggestion before",
      when: isShown, run: () => suggestions.previous() },
    { keys: ["Escape"], buttons: ["stop", "drop"], label: "Stop writing; discard the suggestion",
      when: isFree, run: () => escape({ editor, suggestions, completion, find }) },
    { keys: ["Mod+Shift+Enter"], buttons: ["three-takes"],
      label: "Three takes side by side; 1, 2 or 3 accepts one",
      when: isFree, run: () => void suggestions.goOn(null, 3) },
    { keys: speakerKeys, shown: ["Alt+1 … 9"], label: "Who speaks next",
      when: isFree, run: (event) => cast.press(digitOf(event)) },
    { keys: ["Alt+Enter"], buttons: ["try-again"],
      label: "Try again from here; what follows becomes a branch",
      when: isFree, run: () => void suggestions.retry() },
  ];
}

function pageCommands({ editor, exporting, find, shelf }) {
  const mayAsk = (event) => isFree() && (event.key === "F1" || !isTyping(event));
  return [
    { keys: ["Mod+F"], buttons: ["open-find"], label: "Find and replace",
      when: isFree, run: () => find.open() },
    { keys: ["Mod+S"], label: "Save a Fountain file",
      when: isFree, run: () => void exporting.save(exporting.formats[0].format) },
    { keys: ["Mod+O"], buttons: ["open-file"], label: "Open a file",
      when: isFree, run: () => exporting.choose() },
    { keys: ["Alt+D"], buttons: ["open-shelf"], label: "Drafts",
      when: isFree, run: () => void shelf.open() },
    { keys: ["Alt+S"], buttons: ["toggle-outline"], label: "Scenes and branches",
      when: isFree, run: () => toggle("outline") },
    { keys: ["Alt+P"], buttons: ["toggle-panel"], label: "How the model writes",
      when: isFree, run: () => toggle("panel") },
    { keys: ["Alt+E"], buttons: ["open-export"], label: "Export",
      when: isFree, run: () => {
        byId("export-menu").togglePopover();
        byId("export-menu").querySelector("button").focus();
      } },
    { keys: ["Alt+W"], buttons: ["toggle-authors"], label: "Who wrote which line",
      when: isFree, run: () => authors() },
    { keys: ["F6"], label: "Out of the script, to the next part of the page",
      when: isFree, run: () => moveFocus(1, editor) },
    { keys: ["Shift+F6"], when: isFree, run: () => moveFocus(-1, editor) },
    { keys: ["?", "F1"], buttons: ["open-keys"], label: "This sheet (F1 while you write)",
      when: mayAsk, run: () => byId("keys").showModal() },
  ];
}

/** Accepts the suggestion that is shown, or else the completion; returns whether there was one. */
function accept(suggestions, completion) {
  if (!suggestions.isShown) return completion.accept();
  suggestions.accept();
  return true;
}

/** Closes the innermost thing that is open, or returns to the script; returns whether there was any. */
function escape({ editor, suggestions, completion, find }) {
  const menu = byId("export-menu");
  if (menu.matches(":popover-open")) menu.hidePopover();
  else if (suggestions.asked) suggestions.escape();
  else if (completion.text) completion.drop();
  else if (find.isOpen && byId("find").contains(document.activeElement)) find.close();
  else if (isNarrow() && openSides().length) openSides().forEach((name) => side(name, false));
  else if (!byId("problem").hidden) showProblem("");
  else if (!inScript()) editor.focus();
  else return false;
  return true;
}

/** Opens a side panel and moves the focus there, or closes it. */
function toggle(name) {
  if (side(name)) byId(name).querySelector("button, input, select")?.focus();
}

/** Moves the focus to the next part of the page, or to the one before if `step` is -1. */
function moveFocus(step, editor) {
  const ofSides = openSides().map((name) => byId(name).querySelector("button, select"));
  const targets = [byId("title"), byId("script"), byId("go-on"), ...ofSides].filter(Boolean);
  const now = targets.findIndex(isFocusNear);
  const next = targets[(now + step + targets.length) % targets.length];
  if (next === editor.root) editor.focus();
  else next.focus();
}

/** Whether the focus is in the same part of the page as a control. */
function isFocusNear(control) {
  const focused = document.activeElement;
  return control === focused || control.closest("header, main, footer, nav, aside")?.contains(focused);
}

function buttonsOf({ room, editor, suggestions, exporting, find, shelf }) {
  const presses = {
    "toggle-outline": () => side("outline"),
    "toggle-panel": () => side("panel"),
    "toggle-authors": () => authors(),
    "open-shelf": () => shelf.open(),
    "open-find": () => find.open(),
    "open-file": () => exporting.choose(),
    "open-keys": () => byId("keys").showModal(),
    undo: () => room.undo(),
    redo: () => room.redo(),
    "go-on": () => suggestions.goOn(),
    "three-takes": () => suggestions.goOn(null, 3),
    "try-again": () => suggestions.retry(),
    stop: () => suggestions.escape(),
    take: () => suggestions.accept(),
    another: () => suggestions.another(),
    drop: () => suggestions.dismiss(),
    "close-takes": () => suggestions.dismiss(),
    "more-takes": () => suggestions.moreTakes(),
  };
  for (const [id, press] of Object.entries(presses)) byId(id).addEventListener("click", press);
  // Pressing a button of the dock leaves the focus in the script.
  byId("dock").addEventListener("pointerdown", (event) => event.target.closest("button") && document.activeElement === editor.root && event.preventDefault());
  byId("theme").addEventListener("change", ({ target }) => theme(target.value));
  byId("kind").addEventListener("change", ({ target }) => {
    if (editor.element) room.edit(become(room.document, editor.element, target.value));
    editor.focus();
  });
  for (const button of document.querySelectorAll("dialog .close")) button.addEventListener("click", () => button.closest("dialog").close());
  // `close` comes late: after Escape and at once Mod+F, the focus is already in the search field.
  const isElsewhere = () => document.activeElement?.closest("input, select, textarea");
  for (const id of ["shelf", "keys"]) byId(id).addEventListener("close", () => isElsewhere() || editor.focus());
}

/** Keeps the controls in the bar and the dock up to date. */
function follow({ room, editor, suggestions }) {
  byId("kind").replaceChildren(...KINDS.map((kind) => new Option(KIND_NAMES[kind], kind)));
  const showKind = (isSaid) => {
    const kind = editor.element?.kind;
    if (!kind || byId("kind").value === kind) return;
    byId("kind").value = kind;
    if (isSaid) say(KIND_NAMES[kind], false, true);
  };
  const showDock = () => {
    const isWriting = Boolean(suggestions.writing), isShown = suggestions.isShown;
    byId("stop").hidden = !isWriting;
    byId("take").hidden = byId("another").hidden = byId("drop").hidden = !isShown;
    byId("go-on").hidden = byId("three-takes").hidden = byId("try-again").hidden = isShown || isWriting || suggestions.takesOpen;
  };
  const showSteps = () => {
    byId("undo").disabled = !room.history.past.length;
    byId("redo").disabled = !room.history.future.length;
  };
  room.on("open", () => showKind(false));
  for (const name of ["change", "caret"]) room.on(name, () => showKind(true));
  for (const name of ["open", "change", "caret", "writing", "shown"]) room.on(name, showDock);
  for (const name of ["open", "change"]) room.on(name, showSteps);
  room.on("said", (text) => say(text));
  room.on("side", ({ name, isOpen }) => side(name, isOpen));
}

/** Names the keys wherever the page mentions them, as they are called on this machine. */
function showKeys(commands) {
  showSheet(byId("key-list"), commands);
  nameButtons(commands);
  byId("script-help").textContent = `Tab changes what a line is. ${spokenName("Mod+Enter")} lets the model continue. F6 leads out of the script. F1 shows all keys.`;
  const hint = `INT. SOMEWHERE — or press ${keyName("Mod+Enter")}, and the model begins`;
  byId("script").style.setProperty("--hint", JSON.stringify(hint));
}

async function main() {
  byId("problem-close").addEventListener("click", () => showProblem(""));
  byId("app").hidden = false;
  theme(THEMES.find((name) => name === stored("scriptforge-theme")) ?? "auto");
  const { engine, about } = await findEngine();
  const room = new Room();
  room.about = about;
  document.body.dataset.mode = about.mode;
  const editor = new Editor(byId("script"), room);
  const suggestions = new Suggestions(room, editor, engine, say);
  const completion = new Completion(room, editor, suggestions);
  const saver = new DraftSaver(room, engine, (state, text) => {
    if (byId("saved").textContent !== text) byId("saved").textContent = text;
    byId("saved").dataset.state = state;
  });
  const shelf = new Shelf(room, engine, saver, say);
  const exporting = new Exporting(room, editor, engine, say, (brought) => shelf.begin(brought));
  const parts = {
    room, editor, suggestions, completion, exporting, shelf,
    find: new Find(room, editor),
    cast: new Cast(room, (name) => suggestions.goOn({ speaker: name })),
  };
  new Marks(room, editor, engine);
  new Outline(room, editor, say);
  new Panel(room);
  exporting.offer(about);
  follow(parts);
  buttonsOf(parts);
  const commands = commandsOf(parts);
  listen(commands);
  showKeys(commands);
  for (const name of SIDES) {
    const isWanted = stored(`scriptforge-${name}`) ?? (name === "outline" ? "open" : "closed");
    side(name, !isNarrow() && isWanted === "open");
  }
  await shelf.start();
  if (about.notes?.length) say(about.notes.join(" "), true);
  document.body.dataset.ready = "yes";
  editor.focus();
}

main().catch((problem) => {
  byId("app").hidden = false;
  say(problem.message, true);
});
