// The engine of the page with a server: its API, one method for each endpoint.

import { store, stored } from "./local_storage.js";

/** An error with a message for the writer. `status` is the HTTP status, 0 if there was no response. */
export class Problem extends Error {
  constructor(message, status = 0, details = {}) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

const TOKEN = "scriptforge-token";

/** Yields the objects of a body of JSON lines. */
export async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.trim()) yield JSON.parse(line);
  }
  if (rest.trim()) yield JSON.parse(rest);
}

export class ServerEngine {
  constructor() {
    this.token = takeToken();
  }

  /** Sends a request, and returns the response; throws a `Problem` if it did not succeed. */
  async request(path, { method = "GET", json, body, signal, keepalive } = {}) {
    const headers = { Authorization: `Bearer ${this.token}` };
    if (json !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(`api/${path}`, { method, headers, body: json === undefined ? body : JSON.stringify(json), signal, keepalive });
    } catch (problem) {
      if (signal?.aborted) throw problem;
      throw new Problem("The server does not answer.");
    }
    if (response.ok) return response;
    const details = await response.json().catch(() => ({}));
    const message = [details.error ?? `The server answers ${response.status}.`, details.remedy].filter(Boolean).join(" ");
    throw new Problem(message, response.status, { ...details, after: Number(response.headers.get("Retry-After")) || 1 });
  }

  async #json(path, options) {
    return (await this.request(path, options)).json();
  }

  about() {
    return this.#json("about");
  }

  /** Exchanges a password for the token, and stores that in the browser. */
  async login(password) {
    const { token } = await this.#json("login", { method: "POST", json: { password } });
    this.token = token;
    store(TOKEN, token);
  }

  /** Requests suggestions; calls `onLine` with each line of the response. Retries a busy server once. */
  async suggest(request, onLine, signal, isAgain = false) {
    let response;
    try {
      response = await this.request("suggestions", { method: "POST", json: request, signal });
    } catch (problem) {
      if (problem.status !== 429 || isAgain) throw problem;
      await new Promise((resolve) => setTimeout(resolve, Math.min(problem.details.after, 10) * 1000));
      if (!signal.aborted) await this.suggest(request, onLine, signal, true);
      return;
    }
    for await (const line of linesOf(response.body)) {
      if (line.error) throw new Problem([line.error, line.remedy].filter(Boolean).join(" "));
      onLine(line);
    }
  }

  /** The copies in lines: {ready, known, lines}, with a list of {start, end, words, source, quote} each. */
  marks(run, lines) {
    return this.#json("marks", { method: "POST", json: { run, lines } });
  }

  /** Reads a file as a script: {title, elements, notes}. */
  read(file) {
    return this.#json(`import?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
  }

  /** Returns a script as a file of a format: a Blob. */
  async write(format, title, elements) {
    return (await this.request(`export?format=${encodeURIComponent(format)}`, { method: "POST", json: { title, elements } })).blob();
  }

  drafts() {
    return this.#json("drafts");
  }

  create(draft) {
    return this.#json("drafts", { method: "POST", json: draft });
  }

  draft(id) {
    return this.#json(`drafts/${encodeURIComponent(id)}`);
  }

  describe(id, change) {
    return this.request(`drafts/${encodeURIComponent(id)}`, { method: "PATCH", json: change });
  }

  discard(id) {
    return this.request(`drafts/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /** Saves a change {base, change, edits, …}; returns {revision}, the new revision of the draft. */
  save(id, change) {
    return this.#json(`drafts/${encodeURIComponent(id)}/changes`, { method: "POST", json: change });
  }

  /** Calls `onChange` with each change of a draft after a revision, until the connection ends. */
  async watch(id, after, onChange, signal) {
    const response = await this.request(`drafts/${encodeURIComponent(id)}/changes?after=${after}`, { signal });
    for await (const change of linesOf(response.body)) onChange(change);
  }
}

/** Returns the token: that in the URL, which is removed from it if it could be stored, or the one stored before. */
function takeToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found && store(TOKEN, found)) history.replaceState(null, "", location.pathname + location.search);
  return found || (stored(TOKEN) ?? "");
}
