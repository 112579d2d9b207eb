// Scripts as text: parses what is pasted, and writes Fountain and plain text; converts speeches for models.

import { newElement } from "./document.js";
import { isBlank } from "./typing.js";

const HEADING = /^(?:(?:int|ext|est|int\.?\/ext|i\/e)[. ]|scene\b)/i;
const TRANSITION = /^(?:[\p{Lu}\s]+TO:|FADE (?:IN|OUT)[.:]?|CUT TO BLACK[.:]?)$/u;
const CUE = /^[\p{Lu}\p{N}][\p{Lu}\p{N}\p{M} .'’\-#&]*(?:\s*\([^)]*\))*$/u;
const NAME_LINE = /^([\p{L}\p{N}][\p{L}\p{N}\p{M} .'’\-#&]{0,38}?):\s+(\S.*)$/u;
const PARENTHETICAL = /^\(.*\)$/;
const SCENE_NUMBER = /\s*#[^#]*#$/;
const TITLE = /^(title|credit|author|authors|source|notes|draft date|date|contact|copyright|revision):/i;

/** Whether an element is part of a speech, below its cue. */
export const isSpoken = ({ kind }) => kind === "dialogue" || kind === "parenthetical";

/** Splits the text of a speech into dialogue and parentheticals: [{kind, text}]. */
export function speechParts(text) {
  const parts = [];
  let depth = 0, start = 0;
  const cut = (end, kind) => {
    const part = text.slice(start, end).trim();
    if (part) parts.push({ kind, text: part });
    start = end;
  };
  const end = isBalanced(text) ? text.length : 0;
  for (let place = 0; place < end; place++) {
    if (text[place] === "(" && depth++ === 0) cut(place, "dialogue");
    else if (text[place] === ")" && depth > 0 && --depth === 0) cut(place + 1, "parenthetical");
  }
  cut(text.length, "dialogue");
  return parts;
}

/** Whether the brackets of a text are balanced. */
function isBalanced(text) {
  let depth = 0;
  for (const letter of text) {
    if (letter === "(") depth += 1;
    else if (letter === ")" && --depth < 0) return false;
  }
  return depth === 0;
}

/** The elements of the page for an element of a model, {kind, speaker, text}. */
export function pageElements({ kind, speaker, text }, origin) {
  if (kind !== "dialogue") return [newElement(kind, text, origin)];
  return [newElement("character", speaker, origin), ...speechParts(text).map((part) => newElement(part.kind, part.text, origin))];
}

const CLOSING = { "(": ")", "[": "]" }, OPENING = { ")": "(", "]": "[" };

/** A parenthetical in brackets, of which only those are added that it lacks. */
export function inBrackets(text) {
  const count = (sign) => text.split(sign).length - 1;
  const first = text[0], last = text.at(-1), closing = CLOSING[first], opening = OPENING[last];
  if (closing && last === closing) return text;
  if (closing && count(first) > count(closing)) return text + closing;
  if (opening && count(last) > count(opening)) return opening + text;
  return `(${text})`;
}

const nameOf = (cue) => cue.replace(/\s*\([^)]*\)\s*$/g, "").trim();

/** The speaker that a character element names, without `(V.O.)` and the like. */
export const speakerOf = ({ text }) => nameOf(text);

/**
 * Elements of the page as a model reads them: [{kind, speaker, text}], the parts of a speech joined.
 *
 * What nobody says is action. A heading without text is kept: a new scene begins there.
 */
export function modelElements(elements) {
  const heard = [];
  let speech = null;
  for (const element of elements) {
    const { kind } = element, text = element.text.trim();
    if (isBlank(element) && kind !== "heading") continue;
    if (kind === "character") {
      speech = { kind: "dialogue", speaker: speakerOf(element), text: "" };
      heard.push(speech);
    } else if (isSpoken(element)) {
      if (!speech) heard.push(speech = { kind: "action", speaker: "", text: "" });
      speech.text = `${speech.text} ${kind === "parenthetical" ? inBrackets(text) : text}`.trim();
    } else {
      speech = null;
      heard.push({ kind, speaker: "", text });
    }
  }
  return heard.filter(({ kind, text }) => text || kind === "heading");
}

/** An element to be continued as a model reads it; a parenthetical stays open, and what nobody says is action. */
export function openElement({ kind, speaker = "", text }) {
  if (!isSpoken({ kind })) return { kind, speaker, text };
  const said = kind === "parenthetical" ? `(${text.trimStart().replace(/^\(/, "").replace(/\)$/, "")}` : text;
  return { kind: speaker ? "dialogue" : "action", speaker, text: said };
}

/** Parses pasted or imported text: Fountain, a typed screenplay, or lines of `Name: what they say`. */
export function elementsOf(text) {
  const lines = withoutTitlePage(text.normalize("NFC").replace(/\r\n?/g, "\n").replace(/[\u2028\u2029]/g, "\n").split("\n"));
  const elements = [];
  let isSpeech = false;
  const add = (kind, words) => elements.push(newElement(kind, words.replace(/\s+/g, " ").trim()));
  lines.forEach((raw, place) => {
    const line = raw.trim(), isAlone = !lines[place - 1]?.trim(), isFollowed = Boolean(lines[place + 1]?.trim());
    const [, name, words] = NAME_LINE.exec(line) ?? [];
    if (!line) {
      isSpeech = false;
    } else if (isSpeech) {
      const last = elements.at(-1);
      if (PARENTHETICAL.test(line)) add("parenthetical", line);
      else if (last.kind === "dialogue") elements[elements.length - 1] = { ...last, text: `${last.text} ${line}` };
      else add("dialogue", line);
    } else if (/^\.[^.]/.test(line)) add("heading", line.slice(1).replace(SCENE_NUMBER, ""));
    else if (/^>.*[^<]$/.test(line)) add("transition", line.slice(1));
    else if (line.startsWith("!")) add("action", line.slice(1));
    else if (HEADING.test(line) && isAlone) add("heading", line.replace(SCENE_NUMBER, ""));
    else if (TRANSITION.test(line) && isAlone) add("transition", line);
    else if (/^@/.test(line) || (CUE.test(line) && /\p{L}/u.test(line) && isAlone && isFollowed)) {
      add("character", line.replace(/^@/, "").replace(/\s*\^$/, ""));
      isSpeech = true;
    } else if (name) {
      add("character", name);
      for (const part of speechParts(words)) add(part.kind, part.text);
    } else add("action", line);
  });
  return elements;
}

function withoutTitlePage(lines) {
  if (!TITLE.test(lines[0] ?? "")) return lines;
  const end = lines.findIndex((line) => !line.trim());
  return end < 0 ? [] : lines.slice(end + 1);
}

/** The title in a Fountain text, or an empty string. */
export const titleOf = (text) => /^title:[ \t]*(.+)$/im.exec(text.slice(0, 500))?.[1].trim() ?? "";

/** The elements that a file has: all but blank ones; headings without text are kept if anything follows. */
export function writtenElements(elements) {
  const end = elements.findLastIndex((element) => !isBlank(element)) + 1;
  return elements.slice(0, end).filter((element) => !isBlank(element) || element.kind === "heading");
}

/** A heading in Fountain. Without text, or if it ends like one, it has a scene number, which readers drop. */
function fountainHeading(text, scene) {
  const numbered = !text || SCENE_NUMBER.test(text) ? `${text} #${scene}#`.trimStart() : text;
  if (HEADING.test(text) && !/^scene/i.test(text)) return numbered;
  return numbered.startsWith(".") ? `. ${numbered}` : `.${numbered}`;
}

const FOUNTAIN = {
  heading: fountainHeading,
  action: (text) => (/^[!.@>~=#(]/.test(text) || CUE.test(text) || HEADING.test(text) || TRANSITION.test(text) ? `!${text}` : text),
  character: (text) => (CUE.test(text.toUpperCase()) && text === text.toUpperCase() ? text : `@${text}`),
  parenthetical: inBrackets,
  dialogue: (text) => text,
  transition: (text) => `> ${text}`,
};

/** Yields lines, with a blank one between elements not of the same speech; `form` is told the scene's number. */
function* linesOf(elements, form) {
  let last = null, scene = 1;
  for (const element of writtenElements(elements)) {
    if (last && !(isSpoken(element) && (isSpoken(last) || last.kind === "character"))) yield "";
    if (last && element.kind === "heading") scene += 1;
    yield form(element, scene);
    last = element;
  }
}

/** Returns a script as Fountain. */
export function fountain(title, elements) {
  const lines = linesOf(elements, ({ kind, text }, scene) => FOUNTAIN[kind](text.trim().replace(/\s*\n\s*/g, " "), scene));
  return `Title: ${title}\n\n${[...lines].join("\n")}\n`;
}

const INDENT = { heading: 0, action: 0, character: 22, parenthetical: 16, dialogue: 10, transition: 45 };
const WIDTH = { heading: 60, action: 60, character: 38, parenthetical: 25, dialogue: 35, transition: 15 };
const LOUD = new Set(["heading", "character", "transition"]);

function wrapped(text, width) {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    if (lines.at(-1) && lines.at(-1).length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] += (lines.at(-1) && " ") + word;
  }
  return lines;
}

/** Returns a script as plain text with the margins of a typed screenplay; a heading without text is `SCENE 2`. */
export function typed(title, elements) {
  const form = ({ kind, text }, scene) => {
    const said = kind === "heading" && !text.trim() ? `scene ${scene}` : text;
    const words = kind === "parenthetical" ? inBrackets(text.trim()) : LOUD.has(kind) ? said.toUpperCase() : text;
    return wrapped(words, WIDTH[kind]).map((line) => " ".repeat(INDENT[kind]) + line).join("\n");
  };
  return `${title.toUpperCase()}\n\n${[...linesOf(elements, form)].join("\n")}\n`;
}

/** The number of pages of a script, estimated from the lines that it has when typed. */
export function pageCount(elements) {
  let lines = 0;
  for (const element of elements) {
    lines += Math.max(1, Math.ceil(element.text.length / WIDTH[element.kind])) + (isSpoken(element) ? 0 : 1);
  }
  return Math.max(1, Math.ceil(lines / 55));
}
