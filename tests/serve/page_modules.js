// Evaluated in a page of the site. Random changes: each is taken back by its inverse; what two wrote at once is all there
// afterwards. And texts: what is pasted is understood, and Fountain read back.
async () => {
  const { apply, merged, rebased, recorded, emptyHistory, undone } = await import("/document.js");
  const { elementsOf, fountain, typed, speechParts, modelElements, openElement } = await import("/screenplay.js");
  const failures = [];
  const check = (isTrue, what) => isTrue || failures.push(what);
  let state = 7;
  const roll = (most) => (state = (state * 48271) % 2147483647) % most;
  const ids = ["a", "b", "c", "d", "e"];
  const element = (id, text) => ({ id, kind: "action", text, origin: null });
  const edit = (who) => {
    const id = ids[roll(5)], after = [null, ...ids][roll(6)];
    return roll(3) ? { put: element(id, `${who}${roll(1000)}`), after: after === id ? null : after } : { remove: id };
  };
  const change = (who, step) => ({ change: `${who}${step}`, edits: Array.from({ length: 1 + roll(3) }, () => edit(who)) });
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  for (let round = 0; round < 400; round++) {
    const start = { elements: ids.map((id) => element(id, `old ${id}`)), branches: [] };
    const ours = [change("our", 1), change("our", 2)], theirs = [change("their", 1)];
    let ahead = start;
    for (const each of ours) {
      const { document, inverse } = apply(ahead, each);
      check(same(apply(document, inverse).document, ahead), `not taken back: ${JSON.stringify([ahead, each])}`);
      ahead = document;
    }
    const both = merged(...ours);
    check(same(apply(start, both).document, ahead), `not one change: ${JSON.stringify(ours)}`);
    const server = apply(start, theirs[0]).document, followed = rebased(ours, theirs).changes;
    const end = followed.reduce((script, each) => apply(script, each).document, server);
    const written = server.elements.filter(({ text }) => text.startsWith("their")).map(({ text }) => text);
    const kept = end.elements.map(({ text }) => text);
    check(written.every((text) => kept.includes(text)), `theirs are gone: ${JSON.stringify([ours, theirs])}`);
    const mine = ahead.elements.filter(({ text }) => text.startsWith("our")).map(({ text }) => text);
    check(mine.every((text) => kept.includes(text)), `ours are gone: ${JSON.stringify([ours, theirs])}`);
  }
  let history = emptyHistory();
  for (const time of [0, 500, 900, 5000]) {
    const step = { change: { edits: [{ put: element("a", `t${time}`), after: null }] }, inverse: { edits: [] } };
    history = recorded(history, { ...step, tag: "type a", time });
  }
  check(history.past.length === 2, "typing is one step until there is a pause");
  check(undone(emptyHistory()) === undefined, "there is nothing to take back");
  const spoken = speechParts("(low) Go. (to Bo) Now (or never)");
  check(same(spoken.map(({ text }) => text), ["(low)", "Go.", "(to Bo)", "Now", "(or never)"]), "speeches are cut");
  check(speechParts("a ) smile :(").length === 1, "what does not close is words");
  const script = elementsOf("INT. ROOM - DAY\n\nHe waits.\n\nBO\n(low)\nGo.\nNow.\n\nmrs ash: (up) No.\n\nCUT TO:");
  const kinds = "heading action character parenthetical dialogue character parenthetical dialogue transition";
  check(script.map(({ kind }) => kind).join(" ") === kinds, "pasted text is understood");
  const again = elementsOf(fountain("A play", script));
  const plain = (elements) => elements.map(({ kind, text }) => [kind, text]);
  check(same(plain(again), plain(script)), "Fountain is read back");
  check(modelElements(script)[2].text === "(low) Go. Now.", "a speech is one to the model");
  const made = (kind, text) => ({ kind, text });
  const scenes = [made("heading", "INT. ROOM #5#"), made("action", "Fog."), made("action", ""), made("heading", " "), made("heading", ".5 MILES"), made("character", "BO"), made("dialogue", "Go."), made("heading", "ATTIC #b#"), made("action", "Rain."), made("heading", "")];
  const numbered = "INT. ROOM #5# #1#|Fog.|.#2#|. .5 MILES|BO\nGo.|.ATTIC #b# #4#|Rain.";
  check(fountain("A", scenes) === `Title: A\n\n${numbered.replaceAll("|", "\n\n")}\n`, `scenes are separate in Fountain: ${fountain("A", scenes)}`);
  const kept = scenes.filter(({ kind, text }, place) => text || (kind === "heading" && place < 9)).map(({ kind, text }) => [kind, text.trim()]);
  check(same(plain(elementsOf(fountain("A", scenes))), kept), "and read back");
  check(plain(elementsOf(typed("A", scenes))).some(([kind, text]) => kind === "heading" && text === "SCENE 2"), "and numbered in a typed page");
  const half = [made("parenthetical", "(low"), made("heading", ""), made("character", "BO"), made("parenthetical", "up)"), made("dialogue", "Go.")];
  const read = [["action", "", "(low)"], ["heading", "", ""], ["dialogue", "BO", "(up) Go."]];
  check(same(modelElements(half).map((each) => Object.values(each)), read), "brackets are whole, and scenes begin");
  check(fountain("A", half) === "Title: A\n\n(low)\n\n.#2#\n\nBO\n(up)\nGo.\n", "brackets are written whole");
  const opened = [made("parenthetical", "so"), { ...made("parenthetical", "(so)"), speaker: "BO" }, made("dialogue", "So")];
  const openAs = [["action", "", "(so"], ["dialogue", "BO", "(so"], ["action", "", "So"]];
  check(same(opened.map((each) => Object.values(openElement(each))), openAs), "what nobody says is action");
  const { Habits } = await import("/habits.js");
  const tokens = ["<cue>", "<says>", "bo", "ann", "(", ")", "go", "(("];
  const about = { layout: 2, cue: 0, level: "word", tokens, names: [[2, 1], [3, 2, 1]], marks: { closed: ["()"], longest: 3 } };
  const allowedAfter = (...ids) => {
    const habits = new Habits(about, null);
    for (const id of ids) habits.advance(id);
    return tokens.map((_, id) => id).filter((id) => habits.allows(id)).join(" ");
  };
  check(allowedAfter() === "0 1 2 3 4 6", "nothing closes that is not open");
  check(allowedAfter(4) === "2 3 5 6", "no line ends, and no bracket opens, in a bracket");
  check(allowedAfter(4, 6, 6) === "5", "what is open for long is closed");
  check(allowedAfter(4, 6, 5) === "0 1 2 3 4 6", "what was closed is closed");
  check(allowedAfter(0) === "2 3" && allowedAfter(0, 3) === "2" && allowedAfter(0, 3, 2) === "1", "names are somebody's");
  check(allowedAfter(0, 6) === tokens.map((_, id) => id).join(" "), "a name that was given may be anybody's");
  const { askingAt, accepting } = await import("/asking.js");
  const named = (id, kind, text) => ({ id, kind, text, origin: null });
  const play = [named("a", "action", "Fog."), named("b", "character", "BO"), named("c", "dialogue", "I was"), named("d", "action", "")];
  const here = { elements: play, branches: [] };
  const open = askingAt(here, "c").open;
  check(open.speaker === "BO" && open.text === "I was", "what is not finished is continued");
  const written = accepting(here, askingAt(here, "c"), [{ isOpen: true, text: " here. (sits) So." }], { run: "r", seed: 1, edited: false });
  const texts = apply(here, written.change).document.elements.map(({ text }) => text);
  check(same(texts, ["Fog.", "BO", "I was here.", "(sits)", "So.", ""]), "and its end is taken, asides by themselves");
  check(same(askingAt(here, "d", { speaker: "ANN" }).next, { speaker: "ANN" }), "who is asked for speaks");
  const { castOf, castToAnswer, speakersOf } = await import("/cast.js");
  const says = (name, text) => [made("character", name), made("dialogue", text)];
  const seated = (elements, cast = null, spells = true) => ({
    run: { spells, cast: [{ name: "jerry", source: null }, { name: "elaine", source: null }] },
    settings: { source: null, lines: 1, cast }, document: { elements },
  });
  const ferry = [...says("MARA", "One to the island, please."), ...says("IVO", "No boat."), ...says("MARA (O.S.)", "Always."), made("character", "M")];
  const bar = speakersOf(seated(ferry)).map(({ name }) => name);
  check(same(bar, ["MARA", "IVO", "jerry", "elaine", "M"]), `who speaks most in the script is first: ${bar}`);
  check(speakersOf(seated(ferry))[1].share === 0.25, "shares are of words");
  const joined = speakersOf(seated([...ferry, ...says("ELAINE", "Hi.")])).map(({ name }) => name);
  check(same(joined, ["MARA", "elaine", "IVO", "jerry", "M"]), `one of the run's cast is there once: ${joined}`);
  check(same(castOf(seated(ferry)), ["MARA", "IVO"]), "a script of two strangers is left to them");
  check(!castOf(seated([...ferry, ...says("Elaine", "Hi.")])).length, "until one of the run's cast speaks");
  check(!castOf(seated(ferry.slice(0, 2))).length, "and not to one of them");
  check(!castOf(seated(ferry, [])).length && same(castOf(seated(ferry, ["jerry"])), ["jerry"]), "unless the writer chose");
  check(!castOf(seated(ferry, null, false)).length, "or the run cannot spell their names");
  const answer = (room, count, open = null) => castToAnswer(room, { elements: ferry.slice(0, count), open });
  check(same(answer(seated(ferry), 4), ["MARA"]) && same(answer(seated(ferry), 6), ["IVO"]), "one of them answers the other");
  check(same(answer(seated(ferry), 2, { speaker: "IVO" }), ["MARA"]), "also a line that is continued");
  check(same(answer(seated([...ferry, made("action", "Fog.")]), 0), ["MARA", "IVO"]), "and anybody where nobody has spoken");
  check(same(answer(seated(ferry, ["mara"]), 6), ["mara"]), "but one alone may go on");
  const long = castOf(seated([...ferry, ...says("THE WOMAN WHO NEVER SAID ANYTHING TO ANYBODY", "No.")]));
  check(same(long, ["MARA", "IVO"]), `names that no model spells are left out: ${long}`);
  const { occurrences } = await import("/find.js");
  const found = occurrences([element("a", "İ Cat, cat.")], "CAT");
  check(same(found, [{ id: "a", from: 2, to: 5 }, { id: "a", from: 7, to: 10 }]), "words are found, whatever their line has");
  check(occurrences([element("a", "a.b axb")], "a.b").length === 1, "and as they are written");
  const { placeWithout } = await import("/typing.js");
  const range = { from: { id: "a", offset: 2 }, to: { id: "c", offset: 3 } };
  const left = [["a", 1], ["b", 0], ["c", 5], ["d", 0]].map(([id, offset]) => placeWithout(here, range, { id, offset }));
  const expected = [{ id: "a", offset: 1 }, null, { id: "a", offset: 4 }, { id: "d", offset: 0 }];
  check(same(left, expected), `places move with what is dragged away: ${JSON.stringify(left)}`);
  return failures;
}
