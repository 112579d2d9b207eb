// Evaluated in a page of the site: a draft in the browser's storage, of which another tab tells, and which is loaded anew
// once it is too far ahead.
async () => {
  const { BrowserDrafts } = await import("/storage.js");
  const { DraftSaver } = await import("/drafts.js");
  const { Room } = await import("/room.js");
  const failures = [];
  const check = (isTrue, what) => isTrue || failures.push(what);
  const until = async (isTrue, what) => {
    for (let tries = 0; tries < 200 && !isTrue(); tries++) await new Promise((resolve) => setTimeout(resolve, 10));
    check(isTrue(), what);
  };
  const element = (id, text) => ({ id, kind: "action", text, origin: null });
  const branch = (id) => ({ id, name: id, after: "a", elements: [element("q", "kept")] });
  const room = new Room(), own = new BrowserDrafts("storage"), other = new BrowserDrafts("storage");
  room.about = { mode: "browser", runs: [], default_run: "" };
  const saver = new DraftSaver(room, own, () => {});
  const { id } = await other.create({ title: "A", run: "", elements: [element("a", "0")] });
  await other.save(id, { base: 0, change: "first", edits: [], branch: branch("old") });
  await saver.open(id);
  await other.describe(id, { title: "B" });
  await until(() => room.draft.title === "B", "a new title is told");
  await other.save(id, { base: 1, change: "heard", edits: [{ put: element("a", "1"), after: null }] });
  await until(() => room.document.elements[0].text === "1", "a change is told");
  saver.watching.abort(); // a tab that sleeps
  await other.save(id, { base: 2, change: "gone", edits: [], remove_branch: "old" });
  await other.save(id, { base: 3, change: "new", edits: [], branch: branch("new") });
  for (let base = 4; base < 210; base++) {
    await other.save(id, { base, change: `c${base}`, edits: [{ put: element("a", `${base}`), after: null }] });
  }
  await other.draft(id); // changes that are too old are let go
  room.edit({ change: { edits: [{ put: element("b", "mine"), after: "a" }] }, caret: null });
  await saver.flush();
  const texts = (script) => script.elements.map(({ text }) => text).join();
  const names = (script) => script.branches.map((each) => each.id).join();
  check(texts(room.document) === "209,mine", `elements are loaded anew: ${texts(room.document)}`);
  check(names(room.document) === "new", `branches are loaded anew: ${names(room.document)}`);
  const kept = await other.draft(id);
  check(texts(kept) === "209,mine" && names(kept) === "new", "and ours is kept");
  return failures;
}
