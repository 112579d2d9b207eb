// Texts that the browser stores by name. Where its storage is full or blocked, nothing is stored, and nothing found.

/** Returns what `act` returns, or `otherwise` if the browser refuses it. */
function attempted(act, otherwise) {
  try {
    return act();
  } catch {
    return otherwise;
  }
}

/** Stores a text; returns whether the browser did. */
export const store = (name, text) => attempted(() => (localStorage.setItem(name, text), true), false);

/** Returns a stored text; null if there is none. */
export const stored = (name) => attempted(() => localStorage.getItem(name), null);

/** Removes a text; returns whether the browser did. */
export const forget = (name) => attempted(() => (localStorage.removeItem(name), true), false);

/** The names of all stored texts. */
export const storedNames = () => attempted(() => Object.keys(localStorage), []);
