// The engine of the page without a server: the model runs in a worker, drafts are in the browser's storage.

import { Problem } from "./engine_server.js";
import { elementsOf, fountain, titleOf, typed } from "./screenplay.js";
import { BrowserDrafts } from "./storage.js";

const FORMATS = [
  { format: "fountain", name: "Fountain", suffix: "fountain" },
  { format: "txt", name: "Text", suffix: "txt" },
];
const WRITERS = { fountain, txt: typed };

export class BrowserEngine extends BrowserDrafts {
  constructor() {
    super(`scriptforge ${location.pathname}`);
    this.answers = new Map();
    this.asked = 0;
    this.failure = null;  // why the worker cannot write
  }

  async about() {
    const response = await fetch("space.json");
    if (!response.ok) throw new Problem("Neither a server nor a model is beside this page.", response.status);
    const space = await response.json();
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.answers.get(data.request)?.(data);
    this.worker.onerror = () => this.#fail("The model could not be started.");
    this.worker.postMessage({ space });
    const names = new Map(space.sources.map(({ id, name }) => [id, name]));
    const cast = space.voices.map(({ name, source }) => ({ name, source: names.get(source) ?? null }));
    return {
      mode: "browser",
      runs: [{ name: space.name, description: space.description, plain: space.plain, sources: [...names.values()], cast, voice: space.voice, spells: !space.plain && space.level !== "word" }],
      default_run: space.name,
      limits: {},
      import: [".fountain", ".txt", ".md"],
      export: FORMATS,
    };
  }

  async suggest(request, onLine, signal) {
    if (this.failure) throw new Problem(this.failure);
    const number = ++this.asked;
    this.worker.postMessage({ request: number, ...request, run: undefined });
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        this.answers.delete(number);
        settle(value);
      };
      this.answers.set(number, ({ line, problem, isOver }) => {
        if (problem) end(reject, new Problem(problem));
        else if (isOver) end(resolve);
        else if (!signal.aborted) onLine(line);
      });
      signal.addEventListener("abort", () => {
        this.worker.postMessage({ stop: number });
        end(resolve);
      });
    });
  }

  #fail(problem) {
    this.failure = problem;
    for (const answer of [...this.answers.values()]) answer({ problem });
  }

  /** The training text is not available in the browser, so copies are not known. */
  async marks() {
    return { ready: true, known: false, lines: [] };
  }

  async read(file) {
    const text = await file.text();
    if (text.includes("\u0000")) throw new Problem(`“${file.name}” is no text: this page reads Fountain and plain text.`);
    return { title: titleOf(text) || file.name.replace(/\.[^.]*$/, ""), elements: elementsOf(text), notes: [] };
  }

  async write(format, title, elements) {
    return new Blob([WRITERS[format](title, elements)], { type: "text/plain;charset=utf-8" });
  }
}
