// Evaluated in a page of the site: two tabs were closed before their changes of the same line were sent; nothing is lost.
async () => {
  const { BrowserDrafts } = await import("/storage.js");
  const { DraftSaver } = await import("/drafts.js");
  const { Room } = await import("/room.js");
  const failures = [];
  const put = (text) => ({ edits: [{ put: { id: "a", kind: "action", text, origin: null }, after: null }] });
  for (const bases of [[3, 3], [3, 1], [1, 3]]) {
    const drafts = new BrowserDrafts("left");
    const { id } = await drafts.create({ title: "A", run: "", elements: [] });
    for (const base of [0, 1, 2]) await drafts.save(id, { base, change: `sent ${base}`, ...put(`sent ${base}`) });
    bases.forEach((base, tab) => {
      const changes = [{ change: `early ${tab}`, ...put(`early ${tab}`) }, { change: `left ${tab}`, ...put(`left ${tab}`) }];
      localStorage.setItem(`scriptforge-unsent ${id} tab${tab}`, JSON.stringify({ base, changes, described: null }));
    });
    const room = new Room();
    room.about = { mode: "browser", runs: [], default_run: "" };
    const saver = new DraftSaver(room, drafts, () => {});
    await saver.open(id);
    await saver.flush();
    saver.watching.abort();
    const kept = (await drafts.draft(id)).elements.map(({ text }) => text);
    const shown = room.document.elements.map(({ text }) => text);
    if (!kept.includes("left 0") || !kept.includes("left 1")) failures.push(`${bases}: ${kept}`);
    if (bases.includes(1) && !kept.includes("sent 2")) failures.push(`${bases}: what was saved is gone: ${kept}`);
    if (kept.join() !== shown.join()) failures.push(`${bases}: ${shown} is shown, ${kept} is kept`);
    if (Object.keys(localStorage).some((key) => key.includes("unsent"))) failures.push(`${bases}: entries are left`);
  }
  return failures;
}
