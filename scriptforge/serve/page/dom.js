// Helpers for the DOM that several modules share.

export const byId = (id) => document.getElementById(id);

/** Whether the outline and the panel cover the script instead of being beside it. */
export const isNarrow = () => matchMedia("(max-width: 60rem)").matches;

/** Returns a function that calls `act` once, `ms` milliseconds after its first call and in an idle moment. */
export function throttled(act, ms) {
  let timer = null;
  const run = () => {
    timer = null;
    act();
  };
  // Safari has no idle callbacks.
  const whenIdle = globalThis.requestIdleCallback ?? setTimeout;
  return () => (timer ??= setTimeout(() => whenIdle(run, { timeout: 500 }), ms));
}
