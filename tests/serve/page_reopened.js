// Evaluated in a page of the site, with numbers of changes: a draft of so many is opened again, twice, by a new tab.
async (counts) => {
  const { BrowserDrafts } = await import("/storage.js");
  const failures = [];
  const reopened = async (count) => {
    const name = `reopened ${count}`, check = (isTrue, what) => isTrue || failures.push(`${count} changes: ${what}`);
    const place = (number) => ({ put: { id: `e${number}`, kind: "action", text: `${number}`, origin: null }, after: number ? `e${number - 1}` : null });
    const expected = Array.from({ length: count }, (_, number) => number).join();
    const first = new BrowserDrafts(name);
    const { id } = await first.create({ title: "A", run: "", elements: [] });
    for (let base = 0; base < count; base++) await first.save(id, { base, change: `c${base}`, edits: [place(base)] });
    for (let tab = 0; tab < 2; tab++) {
      const { revision, elements } = await new BrowserDrafts(name).draft(id);
      check(revision === count, `revision ${revision}`);
      check(elements.map(({ text }) => text).join() === expected, `${elements.length} elements`);
    }
    const behind = (base) => first.save(id, { base, change: "late", edits: [] }).then(() => null, ({ details }) => details.changes);
    check((await behind(Math.max(0, count - 200)))?.length === Math.min(count, 200), "the latest changes are told");
    check(count <= 250 || (await behind(count - 250)) === null, "older ones are gone");
    const { revision } = await first.save(id, { base: count, change: "more", edits: [place(count)] });
    check(revision === count + 1, "and it goes on");
  };
  await Promise.all(counts.map((count) => reopened(count).catch((problem) => failures.push(`${count} changes: ${problem.message}`))));
  return failures;
}
