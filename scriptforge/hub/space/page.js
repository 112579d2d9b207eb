// The page: loads the model beside it, and shows what it writes. All foreign text goes in as text.

import { LSTM, readTensors } from "./model.js";
import { Vocabulary } from "./vocabulary.js";
import { write } from "./writer.js";

const MOMENT = 30; // milliseconds of work between two looks at the screen

const byId = (id) => document.getElementById(id);
const pause = () => new Promise((resolve) => setTimeout(resolve));

function say(text, isWrong = false) {
  byId("status").textContent = text;
  byId("status").className = isWrong ? "wrong" : "";
}

async function load() {
  const [about, buffer] = await Promise.all([
    fetch("space.json").then((response) => response.json()),
    fetch("model.safetensors").then((response) => response.arrayBuffer()),
  ]);
  return { about, model: new LSTM(about.model, readTensors(buffer)), vocabulary: new Vocabulary(about) };
}

function prepare(about) {
  document.title = byId("name").textContent = about.name;
  byId("about").textContent = about.description;
  byId("speaker-label").hidden = byId("voice-label").hidden = about.plain;
  byId("voice").value = about.voice;
  byId("speaker").append(new Option("anybody", ""), ...about.voices.map(({ name }, place) => new Option(name, place)));
}

function show(element, line) {
  line.className = element.kind;
  line.replaceChildren();
  if (element.speaker) {
    const speaker = document.createElement("span");
    speaker.className = "speaker";
    speaker.textContent = `${element.speaker}: `;
    line.append(speaker);
  }
  line.append(element.text);
}

async function run({ about, model, vocabulary }, script, isStopped) {
  const request = {
    speaker: byId("speaker").value === "" ? null : about.voices[byId("speaker").value],
    words: byId("words").value,
    lines: byId("lines").valueAsNumber,
    temperature: byId("temperature").valueAsNumber,
    voice: byId("voice").valueAsNumber,
    seed: byId("seed").valueAsNumber,
  };
  let line = null, worked = 0, begun = performance.now();
  for (const element of write(about, model, vocabulary, request)) {
    line ??= script.appendChild(document.createElement("p"));
    show(element, line);
    if (element.isWhole) line = null;
    if (performance.now() - begun > MOMENT) {
      worked += performance.now() - begun;
      await pause();
      begun = performance.now();
    }
    if (isStopped()) break;
  }
  worked += performance.now() - begun;
  const rate = (1000 * script.textContent.length) / worked;
  script.dataset.rate = rate.toFixed(0);
  say(`${script.textContent.length} characters, ${rate.toFixed(0)} a second.`);
}

async function main() {
  const loaded = await load();
  prepare(loaded.about);
  let isStopped = false;
  byId("stop").addEventListener("click", () => (isStopped = true));
  byId("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    isStopped = false;
    byId("write").disabled = true;
    byId("stop").disabled = false;
    byId("script").replaceChildren();
    say("Writing …");
    try {
      await run(loaded, byId("script"), () => isStopped);
    } catch (problem) {
      say(problem.message, true);
    }
    byId("write").disabled = false;
    byId("stop").disabled = true;
  });
  byId("write").disabled = false;
  say("Ready.");
}

main().catch((problem) => say(`The model could not be loaded: ${problem.message}`, true));
