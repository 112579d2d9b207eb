// What several parts of the page do with the document of the browser.

export const byId = (id) => document.getElementById(id);

/** Whether the outline and the panel lie over the script instead of beside it. */
export const isNarrow = () => matchMedia("(max-width: 60rem)").matches;

/** Returns a function that has `act` done once, `ms` milliseconds after its first call and when the browser has a moment. */
export function debounced(act, ms) {
  let timer = null;
  const run = () => {
    timer = null;
    act();
  };
  // Safari has no idle callbacks.
  const whenIdle = globalThis.requestIdleCallback ?? setTimeout;
  return () => (timer ??= setTimeout(() => whenIdle(run, { timeout: 500 }), ms));
}
