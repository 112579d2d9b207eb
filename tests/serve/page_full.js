// Evaluated in a page of the site that may store little: stores a draft of 60 changes, and then others until nothing a tenth
// as long as that one is stored any more. Returns whether it opens, and the status of the problem with a long change of it;
// `save` saves that change, and returns whether the draft has it.
async () => {
  const { BrowserDrafts } = await import("/storage.js");
  const drafts = new BrowserDrafts("full");
  const letters = (size) => Array.from({ length: size }, () => "abcdefghijklmnop"[Math.floor(Math.random() * 16)]).join("");
  const element = (size) => ({ id: "a", kind: "action", text: letters(size), origin: null });
  const create = (first) => drafts.create({ title: "", run: "", elements: [first] });
  const first = element(100_000), { id } = await create(first);
  for (let base = 0; base < 60; base++) await drafts.save(id, { base, change: `c${base}`, edits: [] });
  for (let size = 800_000; size > 10_000;) await create(element(size)).catch(() => { size /= 2; });
  const { elements } = await new BrowserDrafts("full").draft(id);
  const change = { base: 60, change: "long", edits: [{ put: element(200_000), after: null }] };
  window.save = async () => {
    await drafts.save(id, change);
    return (await drafts.draft(id)).elements[0].text === change.edits[0].put.text;
  };
  return [elements[0].text === first.text, await save().catch(({ status }) => status)];
}
