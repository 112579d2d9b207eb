// The worker that runs the model: reads the script so far, caches its states, and posts what it writes.

import { LSTM, readTensors } from "./model.js";
import { modelElements, openElement } from "./screenplay.js";
import { Vocabulary } from "./vocabulary.js";
import { idsOf, sourceIn, suggest } from "./writer.js";

const READ = 40, STEP = 25; // minimum elements read before the caret, and the step in which their start moves
const MOMENT = 20;          // milliseconds of work between two checks for messages
const CACHE_INTERVAL = 64;  // tokens between two cached states
const SEEDS = 1e6;          // number of seeds to draw from if the writer sets none

let loading;
const running = new Map();  // by request: its unfinished takes

async function load(space) {
  const response = await fetch("model.safetensors");
  if (!response.ok) throw new Error("The model is not beside the page.");
  const model = new LSTM(space.model, readTensors(await response.arrayBuffer()));
  return { space, model, vocabulary: new Vocabulary(space), states: [] };
}

/** Returns a model that has read some ids, from the last cached state on, and caches states on the way. */
function reading(loaded, ids) {
  const isCommon = ({ read }) => read.length <= ids.length && read.every((id, place) => id === ids[place]);
  loaded.states = loaded.states.filter(isCommon);
  const last = loaded.states.at(-1);
  const model = last ? last.model.fork() : loaded.model.fork();
  if (!last) model.forget();
  for (let place = last?.read.length ?? 0; place < ids.length; place++) {
    model.read(ids[place]);
    const count = place + 1;
    if (count % CACHE_INTERVAL === 0 || count === ids.length) loaded.states.push({ read: ids.slice(0, count), model: model.fork() });
  }
  return model;
}

async function write(loaded, { request, count, elements, seed, ...wish }) {
  const { space, vocabulary } = loaded;
  const heard = modelElements(elements.slice(Math.max(0, Math.floor((elements.length - READ) / STEP) * STEP)));
  const speakers = [...heard, wish.open, wish.next].map((each) => each?.speaker);
  const source = sourceIn(space, wish.source, speakers);
  const ids = idsOf(space, vocabulary, heard, source);
  const model = reading(loaded, ids);
  const first = seed ?? crypto.getRandomValues(new Uint32Array(1))[0] % SEEDS;
  const takes = Array.from({ length: count }, (_, n) => {
    const own = { ...wish, open: wish.open && openElement(wish.open), source, seed: (first + n) >>> 0 };
    return { n, lines: suggest(space, vocabulary, { model: model.fork(), ids, lines: heard.length }, own) };
  });
  running.set(request, takes);
  let looked = performance.now();
  while (takes.length && running.has(request)) {
    for (const take of [...takes]) {
      const { value, done } = take.lines.next();
      if (done) takes.splice(takes.indexOf(take), 1);
      else postMessage({ request, line: { n: take.n, ...value } });
    }
    if (performance.now() - looked > MOMENT) {
      await new Promise((resolve) => setTimeout(resolve));
      looked = performance.now();
    }
  }
  running.delete(request);
}

onmessage = async ({ data }) => {
  if (data.space) {
    loading = load(data.space);
    loading.catch(() => {});
  } else if (data.stop) {
    running.delete(data.stop);
  } else {
    try {
      await write(await loading, data);
      postMessage({ request: data.request, isOver: true });
    } catch (problem) {
      running.delete(data.request);
      postMessage({ request: data.request, problem: problem.message });
    }
  }
};
