// The four ways of looking at answers; each asks what it shows. Knows the question, and nothing of the page around it.
import { each, Problem } from "./api.js";
import { count, fill, h, number, percent } from "./dom.js";
import { contrastOf, methodOf, question, scores, takesOne } from "./question.js";
import { rawMaps } from "./draw.js";
import { tile } from "./tile.js";
import * as words from "./words.js";

const BIG = 512, SMALL = 224, TINY = 96, MOST_RIVALS = 63, ALL_RIVALS = 1000;

function heading(map, answer) {
  const score = map.kind === "contrast" && scores(answer);
  if (score) return ["Why does ", h("b", {}, map.class.label), " score " + score + "?"];
  if (map.kind === "mean") return ["On the whole: why ", h("b", {}, map.class.label), " rather than all others?"];
  if (map.kind === "variance") return ["Where it depends on the rival"];
  const [why, p, q] = words.title(map);
  return [why + " ", h("b", {}, p), ...(q ? [" rather than ", h("b", {}, q)] : []), "?"];
}
const spoken = (map, answer) => heading(map, answer).map((x) => x.textContent ?? x).join("");

/** What the two ends of the colours say about this map. */
function ends(map) {
  const { plus, minus } = words.sides(map);
  return h("p", { class: "ends" }, h("span", { class: "end plus" }, plus), h("span", { class: "end minus" }, minus));
}

function failed(problem) {
  return problem instanceof Problem ? problem.message : "This map could not be drawn.";
}

/** Contrast, target and rival beside each other, and what they say in words. */
async function maps(app, signal) {
  const answer = await app.ask(question(app), app.current, signal);
  const order = ["contrast", "target", "rival"], group = [];
  const shown = [...answer.maps].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  shown.forEach((map, i) => group.push(tile({
    name: spoken(map, answer), heading: heading(map, answer), picture: app.current, map, image: answer.image, size: BIG, mark: i === 0, foot: [ends(map)], group, answer,
  })));
  app.answered(answer);
  const list = h("ul"), say = (evidence) => fill(list, ...words.evidence({ ...answer, evidence }).map((s) => h("li", {}, s)));
  say(answer.evidence);
  app.show(group, h("div", { class: "tiles" }, ...group.map((t) => t.root)),
    h("section", { class: "words", "aria-labelledby": "words-title" }, h("h3", { id: "words-title" }, "In words"), list));
  if (app.fields.evidence) say(await masked(app, signal) || answer.evidence);
}

/** What happens to the decision when either side is hidden: more passes of the network, so it is asked for once the maps are there. */
async function masked(app, signal) {
  try {
    return (await app.ask(question(app, { evidence: "mask", maps: "contrast" }), app.current, signal)).evidence;
  } catch (e) {
    if (e.name === "AbortError" || e.status === 0) throw e;
    return null; /* not possible for this question: the other sentences stand */
  }
}

const byRival = {
  near: ["Nearest first", (a, b) => b.rival.logit - a.rival.logit],
  mass: ["Most evidence first", (a, b) => b.map.mass_positive - a.map.mass_positive],
  share: ["Most one-sided first", (a, b) => share(b.map) - share(a.map)],
  name: ["By name", (a, b) => a.rival.label.localeCompare(b.rival.label)],
};
const share = (map) => map.mass_positive / (map.mass_positive + map.mass_negative || 1);

/** Small maps of all rivals in one answer where the server has them, with what they have in common; else the nearest, one map each. */
async function askRivals(app, contrast, signal) {
  if (app.fields.rivals) try {
    const n = Math.min(app.model.classes - 1, ALL_RIVALS);
    const answer = await app.ask(question(app, { contrast, why_not: ["all"], maps: "contrast", rivals: n, statistics: "raw" }), app.current, signal);
    const { classes, ...maps } = answer.rivals, all = { class: answer.target, method: answer.provenance.method, contrast: contrast.name, positive_means: contrast.positive_means, kind: "contrast" };
    return { answer, over: answer.maps.filter((m) => m.raw), rows: rawMaps(maps).map((raw, i) => ({ rival: classes[i], map: { ...all, rival: classes[i], raw, ...masses(raw.values) } })) };
  } catch (e) {
    if (![400, 501].includes(e.status)) throw e; /* this method or contrast has no such way */
  }
  const n = Math.min(app.model.classes - 1, MOST_RIVALS);
  const answer = await app.ask(question(app, { contrast, why_not: ["auto:" + n], maps: "contrast" }), app.current, signal);
  const scored = new Map(answer.why_not.map((c) => [c.index, c]));
  return { answer, over: [], rows: answer.maps.map((map) => ({ map, rival: scored.get(map.rival.index) })) };
}

function masses(values) {
  let mass_positive = 0, mass_negative = 0;
  for (const v of values) v > 0 ? (mass_positive += v) : (mass_negative -= v);
  return { mass_positive, mass_negative };
}

/** Why P rather than each other class, as small maps in an order that can be chosen. */
async function rivals(app, signal) {
  const own = contrastOf(app), contrast = takesOne(own) ? own : app.contrasts.find((c) => c.name === "pair") || app.contrasts.find(takesOne);
  const { answer, rows, over } = await askRivals(app, contrast, signal), group = [];
  for (const map of over)
    group.push(tile({ name: spoken(map, answer), heading: heading(map, answer), picture: app.current, map, image: answer.image, size: BIG, group, answer, own: map.kind === "variance" }));
  for (const row of rows) {
    row.tile = tile({
      name: spoken(row.map), heading: [h("b", {}, row.rival.label)], picture: app.current, map: row.map, image: answer.image, size: rows.length > 100 ? TINY : SMALL, group, answer,
      foot: [h("small", {}, "score " + number(Math.abs(answer.target.logit - row.rival.logit)) + (answer.target.logit >= row.rival.logit ? " below" : " above"))], onpick: () => app.change({ q: [row.rival], view: "maps" }),
    });
    group.push(row.tile);
  }
  const strip = h("div", { class: "tiles strip" });
  const order = () => fill(strip, ...rows.sort(byRival[app.state.sort in byRival ? app.state.sort : "near"][1]).map((r) => r.tile.root));
  const select = h("select", { id: "sort", onchange: () => { app.change({ sort: select.value }, false); order(); } },
    ...Object.entries(byRival).map(([value, [text]]) => h("option", { value }, text)));
  select.value = app.state.sort in byRival ? app.state.sort : "near";
  order();
  const all = rows.length === app.model.classes - 1;
  app.answered(answer);
  app.show(group, h("div", { class: "row spread" }, h("p", {}, "Why ", h("b", {}, answer.target.label), " rather than " + (all ? "each of the other " : "each of the nearest ") + rows.length + "?",
    own === contrast ? "" : " (asked as " + contrast.name + ")"), h("label", { class: "field inline", for: "sort" }, h("span", {}, "Order"), select)),
    over.length ? h("div", { class: "tiles over" }, ...group.slice(0, over.length).map((t) => t.root)) : null, strip);
}

function slot(name, head) {
  return h("figure", { class: "tile small waiting", "aria-label": name }, h("figcaption", {}, h("div", { class: "head" }, head)), h("div", { class: "frame" }));
}

/** Puts tiles in the place of slots as the answers come. make(item, answer or null, failure) -> tile */
async function arriving(app, items, most, slots, ask, make) {
  const group = [];
  let asked = 0;
  await each(items, most, async (item) => {
    let made;
    try {
      const answer = await ask(item);
      made = make(item, answer, null, group);
      if (made.raw) group.push(made);
    } catch (e) {
      if (e.name === "AbortError" || e.status === 0 || e.status === 401) throw e;
      made = make(item, null, failed(e), group);
    }
    slots.get(item).replaceWith(made.root);
    slots.set(item, made.root);
    app.progress(++asked, items.length);
    app.show(group);
  });
  return group;
}

/** The same question through every method. */
async function methods(app, signal) {
  const slots = new Map(app.methods.map((m) => [m, slot(m.name, m.name)]));
  app.show([], h("p", {}, "The same question through every method. Their units differ, so each has its own scale."), h("div", { class: "tiles strip wide" }, ...slots.values()));
  let first = true;
  await arriving(app, app.methods, 2, slots, (method) => app.ask(question(app, { method, maps: "contrast" }), app.current, signal), (method, answer, failure, group) => {
    if (answer && first) { app.answered(answer); first = false; }
    const map = answer?.maps[0];
    return tile({
      name: method.name + ". " + (map ? spoken(map, answer) : ""), heading: [h("b", {}, method.name)], picture: app.current, map, image: answer?.image, size: SMALL, failure, group, answer, own: true,
      mark: method === methodOf(app), foot: [h("small", { title: method.summary }, method.summary)], onpick: () => app.change({ method: method.name, view: "maps" }),
    });
  });
}

/** The same question about every picture. */
async function pictures(app, signal) {
  const list = app.pictures.length ? app.pictures : [app.current];
  const slots = new Map(list.map((p) => [p, slot(p.name, p.name)]));
  app.show([], h("p", {}, "The same question about " + count(list.length, "picture", "pictures") + (app.state.p.length ? "." : "; P is each picture's own prediction.")),
    h("div", { class: "tiles strip wide" }, ...slots.values()));
  await arriving(app, list, 3, slots, (picture) => app.ask(question(app, { maps: "contrast" }), picture, signal), (picture, answer, failure) => {
    const map = answer?.maps[0];
    if (answer && picture === app.current) app.answered(answer);
    return tile({
      name: picture.name + ". " + (map ? spoken(map, answer) : ""), heading: [h("b", {}, picture.name)], picture, map, image: answer?.image, size: SMALL, failure, mark: picture === app.current, answer,
      foot: answer ? [h("small", {}, words.title(map).slice(1).filter(Boolean).join(" / ") + ", " + percent(answer.evidence.probability))] : [],
      onpick: () => app.change({ view: "maps" }, true, picture),
    });
  });
}

export const views = { maps, rivals, methods, pictures };
