// The page as a whole: what it holds, and which element changes what.
import { explain, getBlob, getJson, hasKey, Problem, useKey } from "./api.js";
import { $, count, fill, h, options, percent } from "./dom.js";
import * as draw from "./draw.js";
import { redraw, unwatch } from "./looks.js";
import { picker } from "./picker.js";
import { fromFile, fromSample, samplePath } from "./pictures.js";
import { contrastOf, explainsInput, methodOf, moreFields, takes, takesRivals, takesSet } from "./question.js";
import * as state from "./state.js";
import * as take from "./take.js";
import { views } from "./views.js";

const app = {
  state: state.read(location.hash), models: [], model: null, layers: { layers: [] }, methods: [], contrasts: [], colormaps: [], fields: {}, version: "",
  samples: [], pictures: [], current: null, answer: null, tiles: [], known: new Map(),
};
let running = null, written = "";

/* ---- what is said ---- */

function say(text) {
  $("status").textContent = text;
}

function notice(...children) {
  app.troubled = false;
  fill($("notice"), ...children);
}

function trouble(e) {
  const again = h("button", { type: "button", onclick: () => run() }, "Try again");
  if (!(e instanceof Problem)) {
    notice(h("p", {}, e.message));
  } else if (e.status === 401 || e.status === 403) {
    const input = h("input", { id: "key", type: "password", autocomplete: "off" });
    notice(h("form", { onsubmit: (s) => { s.preventDefault(); useKey(input.value); app.models.length ? run() : boot(); } },
      h("p", {}, e.message), h("label", { class: "field inline", for: "key" }, h("span", {}, "Key"), input), h("button", { type: "submit" }, "Use it")));
  } else if (e.status === 0) {
    notice(h("p", {}, h("b", {}, "The server does not answer."), " This page asks again by itself."), again);
    awaitBack();
  } else {
    const field = /^\/(target|why_not)/.exec(e.body.errors?.[0]?.pointer || "")?.[1];
    const better = field ? (e.body.did_you_mean || []).map((label) => h("button", {
      type: "button", onclick: () => app.change({ [field === "target" ? "p" : "q"]: [{ index: null, label }] }),
    }, label)) : [];
    notice(h("p", {}, e.message), ...better, again);
  }
  app.troubled = true; /* until the next answer */
  say("");
}

let waiting = null;
/** Looks every second whether the server is back, then asks again. */
function awaitBack() {
  waiting ??= setInterval(async () => {
    const alive = await fetch("/livez").then((r) => r.ok, () => false);
    if (!alive) return;
    clearInterval(waiting);
    waiting = null;
    if (app.model) run(); else boot();
  }, 1000);
}

/* ---- asking ---- */

/** The answer to a question about a picture, from memory where it was given before. */
app.ask = async (question, picture, signal) => {
  const key = app.model.name + " " + picture.id + " " + new URLSearchParams(question);
  if (!app.known.has(key)) {
    const answer = await explain(app.model.name, question, picture.blob, signal, (s) => say("The server is busy; asking again in " + Math.ceil(s) + " s."));
    app.known.set(key, answer);
    if (signal?.aborted) throw new DOMException("", "AbortError");
    if (app.known.size > 128) app.known.delete(app.known.keys().next().value);
  }
  return app.known.get(key);
};

app.answered = (answer) => {
  app.answer = answer;
  showSays();
  showQuestion();
};

app.progress = (done, all) => say(done < all ? done + " of " + all : "");

/** Tiles are drawn as they come; children, where given, replace what the panel holds. */
app.show = (tiles, ...children) => {
  if (app.tiles !== tiles) unwatch();
  app.tiles = tiles;
  if (children.length) fill($("panel"), ...children);
  redraw(app);
};

/** What is still shown about another picture would be taken for this one's answer. */
function forget() {
  if (app.state.view === "pictures" || app.tiles.every((t) => t.t.picture === app.current)) return;
  app.answer = null;
  app.show([], h("p", { class: "muted" }, "There is no answer about this picture yet."));
  showSays();
  showQuestion();
}

async function run() {
  running?.abort();
  const mine = (running = new AbortController()), begin = performance.now();
  address();
  if (!app.model || !app.current) return;
  const slow = setTimeout(() => { say("Asking …"); $("cancel").hidden = false; }, 250);
  $("panel").setAttribute("aria-busy", "true");
  try {
    await views[app.state.view](app, mine.signal);
    if (mine === running && app.troubled) notice();
    if (mine === running) say("Answered in " + Math.max(1, Math.round(performance.now() - begin)) + " ms");
  } catch (e) {
    if (mine === running) {
      forget();
      e.name === "AbortError" ? say("Stopped.") : trouble(e);
    }
  } finally {
    clearTimeout(slow);
    if (mine === running) {
      $("panel").removeAttribute("aria-busy");
      $("cancel").hidden = true;
      running = null;
    }
  }
}

/** Changes the state; asks again unless it only concerns the looks. */
app.change = (changes, ask = true, picture = null) => {
  Object.assign(app.state, changes);
  if (picture) setCurrent(picture, false);
  showControls();
  if (ask) run();
  else { address(); redraw(app); }
};

/* ---- the controls ---- */

const pick = (name) => picker(name, findClasses, (chosen) => app.change({ [name]: chosen }));
const p = pick("p"), q = pick("q");
$("p-slot").append(p.root);
$("q-slot").append(q.root);

const found = new Map();
async function findClasses(words) {
  const key = app.model.name + " " + words;
  if (!found.has(key)) {
    const path = "/v1/models/" + encodeURIComponent(app.model.name) + "/labels?" + new URLSearchParams({ q: words, limit: words ? 40 : 200 });
    found.set(key, (await getJson(path)).labels);
  }
  const notes = new Map((app.answer?.predictions || []).map((c) => [c.index, c]));
  const rows = found.get(key).map((c) => ({ ...c, note: notes.has(c.index) ? percent(notes.get(c.index).probability) : "" }));
  if (words) return rows;
  const first = [...notes.values()].map((c) => ({ index: c.index, label: c.label, note: percent(c.probability) }));
  return [...first, ...rows.filter((c) => !notes.has(c.index))];
}

function showQuestion() {
  const s = app.state, a = app.answer, contrast = contrastOf(app), rivals = takesRivals(contrast);
  const said = a?.predictions[0]?.label, rival = a?.why_not?.[0]?.label;
  p.set({ chosen: s.p, many: contrast.several_targets, empty: !s.p.length && said ? said + " (the prediction)" : "the prediction" });
  q.set({ chosen: s.q, many: takesSet(contrast), off: !rivals, empty: !rivals ? "– " + contrast.name + " names no rival –" : !s.q.length && rival ? rival + " (closest)" : takesSet(contrast) ? "the nearest" : "its closest rival" });
  $("swap").disabled = !rivals || !a || !(a.why_not?.length || s.q.length);
}

function showSays() {
  const a = app.answer;
  fill($("says"), ...(a ? a.predictions : []).map((c) => {
    const bar = h("span", { class: "bar-fill" });
    bar.style.width = 100 * c.probability + "%";
    return h("li", {}, h("span", { class: "label" }, c.label), h("span", { class: "share" }, percent(c.probability)), h("span", { class: "bar-line", "aria-hidden": "true" }, bar),
      h("button", { type: "button", "aria-label": "Why " + c.label + "?", onclick: () => app.change({ p: [c], view: "maps" }) }, "why?"),
      h("button", { type: "button", "aria-label": "Rather than " + c.label, onclick: () => app.change({ q: [c], view: "maps", ...needsRival() }) }, "why not?"));
  }));
}

/** A class named as Q wants a contrast that takes one. */
const needsRival = () => (takesRivals(contrastOf(app)) ? {} : { contrast: "" });

function describe(id, row) {
  $(id).textContent = row ? row.summary + (row.misleads ? " Mind: " + row.misleads : "") : "";
}

function showControls() {
  const s = app.state, contrast = contrastOf(app), method = methodOf(app);
  if (!contrast || !method) return;
  options($("contrast"), app.contrasts.map((c) => [c.name, c.name]), contrast.name);
  options($("method"), app.methods.map((m) => [m.name, m.name]), method.name);
  describe("contrast-about", contrast);
  describe("method-about", method);
  const input = explainsInput(method);
  options($("layer"), [["", "automatic" + (app.layers.auto ? ": " + app.layers.auto : "")], ...app.layers.layers.filter((l) => l.op !== "Input").map((l) => [l.name, l.name + "  " + l.shape.slice(1).join(" × ") + ", " + l.op])], s.layer);
  if ($("layer").selectedIndex < 0) $("layer").value = s.layer = "";
  $("layer").disabled = input;
  $("layer-about").textContent = input ? "This method explains the input itself." : "";
  options($("colors"), [["", "Blue and red"], ...app.colormaps.filter((c) => !c.diverging || c !== app.colormaps.find((x) => x.diverging)).map((c) => [c.name, c.name])], s.colors);
  for (const name of ["polarity", "scale"]) $(name).value = s[name];
  for (const name of ["fade", "grey"]) $(name).checked = s[name];
  $("opacity").value = s.opacity;
  $("opacity-value").textContent = Math.round(100 * s.opacity) + " %";
  for (const tab of $("tabs").children) {
    const on = tab.dataset.view === s.view;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    if (on) $("panel").setAttribute("aria-labelledby", tab.id);
  }
  $("tab-pictures").hidden = app.pictures.length < 2 && s.view !== "pictures";
  $("q-note").hidden = takesRivals(contrast);
  $("q-note").textContent = takesRivals(contrast) ? "" : contrast.summary;
  showQuestion();
}

/** Fields that this page has no place of its own for, as the server describes them. */
function makeOptions() {
  const method = methodOf(app), rows = moreFields(app.fields).filter(([name]) => takes(app, method, name));
  $("more").hidden = !rows.length;
  $("more").open ||= rows.some(([name]) => name in app.state.more);
  fill($("options"), ...rows.map(([name, f]) => {
    const id = "x-" + name, value = app.state.more[name] ?? String(f.default ?? "");
    const set = (v) => {
      const more = { ...app.state.more, [name]: v };
      if (v === "" || v === String(f.default ?? "")) delete more[name];
      app.change({ more });
    };
    const about = h("small", { class: "muted", id: id + "-about" }, f.description || "");
    if (f.type === "boolean") {
      const box = h("input", { id, type: "checkbox", "aria-describedby": about.id, onchange: () => set(String(box.checked)) });
      box.checked = value === "true";
      return h("div", {}, h("label", { class: "check", for: id }, box, name), about);
    }
    const edit = f.enum ? h("select", { id, "aria-describedby": about.id, onchange: () => set(edit.value) }, ...(f.default === undefined ? [h("option", { value: "" }, "–")] : []), ...f.enum.map((v) => h("option", { value: v }, v)))
      : h("input", { id, type: f.type === "string" ? "text" : "number", step: "any", min: f.minimum, max: f.maximum, "aria-describedby": about.id, onchange: () => set(edit.value) });
    edit.value = value;
    return h("div", {}, h("label", { class: "field", for: id }, h("span", {}, name), edit), about);
  }));
}

/* ---- pictures ---- */

function thumb(name, label, on, onclick, image, remove) {
  return h("li", {}, h("button", { type: "button", class: "thumb", "aria-label": label, title: label, "aria-pressed": String(on), onclick }, image), remove && h("button", { type: "button", class: "clear", "aria-label": "Remove " + name, onclick: remove }, "×"));
}

/** Elements cannot send a key, so where one is in use the picture is fetched. */
function sampleImage(path) {
  const image = h("img", { alt: "", width: 48, height: 48, loading: "lazy" });
  if (hasKey()) getBlob(path).then((blob) => { image.src = URL.createObjectURL(blob); }, () => {});
  else image.src = path;
  return image;
}

function showPictures() {
  $("own").hidden = !app.pictures.length;
  fill($("own-list"), ...app.pictures.map((x) => {
    const image = h("canvas");
    draw.paint(image, x.bitmap, null, null, null, 96);
    return thumb(x.name, x.name, x === app.current, () => { setCurrent(x); run(); }, image, () => {
      app.pictures = app.pictures.filter((y) => y !== x);
      if (x === app.current && app.pictures.length) setCurrent(app.pictures[0]);
      showPictures();
      showControls();
      if (app.pictures.includes(app.current)) run();
    });
  }));
  $("bundled").hidden = !app.samples.length;
  fill($("samples"), ...app.samples.map((s) => thumb(s.file, s.label, app.state.sample === s.file, () => openSample(s, true), s.image ??= sampleImage(samplePath(app.model.name, s.file)))));
}

function setCurrent(picture, ask = true) {
  app.current = picture;
  const bundled = picture.sample?.model === app.model.name; /* another network's sample is a picture like any other */
  app.state.sample = bundled ? picture.sample.file : "";
  app.state.picture = bundled ? "" : picture.name;
  const canvas = h("canvas", { role: "img", "aria-label": "The picture: " + picture.name });
  draw.paint(canvas, picture.bitmap, null, null, null, 512);
  fill($("stage"), canvas);
  $("picture-about").textContent = picture.name + (picture.note ? ", " + picture.note : "");
  if (ask) showPictures();
}

async function openSample(sample, fresh) {
  try {
    const picture = app.known.get("sample " + samplePath(app.model.name, sample.file)) || await fromSample(app.model.name, sample);
    app.known.set("sample " + samplePath(app.model.name, sample.file), picture);
    setCurrent(picture);
    if (fresh) Object.assign(app.state, { p: sample.label ? [await byLabel(sample.label)] : [], q: sample.why_not ? [await byLabel(sample.why_not)] : [] });
    showControls();
    run();
  } catch (e) { trouble(e); }
}

async function byLabel(label) {
  const rows = await findClasses(label);
  return rows.find((c) => c.label === label) || { index: null, label };
}

async function addFiles(files) {
  if (!files.length) return;
  notice();
  const bad = [], fresh = !app.current || !!app.current.sample, before = app.pictures.length;
  for (const file of files) {
    try {
      app.pictures.push(await fromFile(file));
    } catch (e) { bad.push(e.message); }
    if (files.length > 3) say("Reading " + count(files.length, "picture", "pictures") + " …");
  }
  say("");
  const first = app.pictures[before];
  if (first) {
    if (fresh && !app.asked) Object.assign(app.state, { p: [], q: [] });
    app.asked = null;
    setCurrent(first);
    if (app.pictures.length - before > 1) app.state.view = "pictures";
    showControls();
    await run();
  }
  if (bad.length) notice(h("p", {}, bad.length > 3 ? bad.slice(0, 3).join(" ") + " And " + (bad.length - 3) + " more." : bad.join(" ")));
}

/* ---- the network ---- */

async function setModel(name) {
  const path = "/v1/models/" + encodeURIComponent(name), [model, layers] = await Promise.all([getJson(path), getJson(path + "/layers")]);
  const other = app.model && app.model.name !== name;
  app.model = model;
  app.layers = layers;
  app.samples = model.samples || [];
  app.state.model = name;
  app.answer = null;
  if (other) { /* the same classes by name, where it has them */
    app.state.layer = "";
    for (const side of ["p", "q"]) app.state[side] = (await Promise.all(app.state[side].map((c) => byLabel(c.label)))).filter((c) => c.index !== null);
  }
  $("model").value = name;
  $("model-about").textContent = model.description || "";
  document.title = "whynot · " + name;
  showPictures();
  showControls();
}

/** The picture that the address speaks of, else the first sample. */
async function restorePicture() {
  const sample = app.samples.find((s) => s.file === app.state.sample);
  if (sample) return openSample(sample, false);
  if (app.state.picture) {
    const mine = [...app.pictures, app.current].find((x) => x?.name === app.state.picture);
    if (mine) { setCurrent(mine); return run(); }
    app.asked = app.state.picture;
    return notice(h("p", {}, "This link was made with the picture ", h("b", {}, app.state.picture), ", which does not travel with it. Drop or choose it to see the same view."));
  }
  if (app.current && !(app.current.sample && app.samples.length)) { setCurrent(app.current); return run(); }
  if (app.samples.length) return openSample(app.samples[0], !app.state.p.length && !app.state.q.length);
  say("Choose a picture to begin.");
}

async function boot() {
  try {
    const [models, methods, contrasts, colormaps, openapi, version] = await Promise.all(
      ["/v1/models", "/v1/methods", "/v1/contrasts", "/v1/colormaps", "/openapi.json", "/version"].map((path) => getJson(path)));
    Object.assign(app, { models: models.models, methods: methods.methods, contrasts: contrasts.contrasts, colormaps: colormaps.colormaps, version: version.version, fields: openapi.components.schemas.Question.properties });
    $("version").textContent = "whynot " + app.version;
    options($("model"), app.models.map((m) => [m.name, m.name + (m.ready ? "" : " (" + m.state + ")"), !m.ready]), "");
    makeOptions();
    const ready = app.models.filter((m) => m.ready), wanted = app.models.find((m) => m.name === app.state.model);
    if (!ready.length) throw new Problem(503, { detail: "No network is ready yet." });
    if (app.state.model && !wanted) notice(h("p", {}, "There is no network “" + app.state.model + "” here."));
    await setModel((wanted || ready[0]).name);
    await restorePicture();
  } catch (e) {
    trouble(e);
    if (e.status === 503) awaitBack();
  }
}

function address() {
  written = state.write(app.state);
  if (location.hash !== written) history.replaceState(null, "", written);
}

/* ---- which element does what ---- */

$("model").addEventListener("change", async () => {
  try {
    await setModel($("model").value);
    const same = app.current?.sample && app.samples.find((s) => s.file === app.current.sample.file);
    if (same) return await openSample(same, false);
    if (!app.current) return say("Choose a picture to begin.");
    setCurrent(app.current);
    run();
  } catch (e) { trouble(e); }
});
for (const name of ["contrast", "method", "layer"]) $(name).addEventListener("change", () => app.change({ [name]: $(name).value }));
$("method").addEventListener("change", makeOptions);
for (const name of ["colors", "polarity", "scale"]) $(name).addEventListener("change", () => app.change({ [name]: $(name).value }, false));
for (const name of ["fade", "grey"]) $(name).addEventListener("change", () => app.change({ [name]: $(name).checked }, false));
let frame = 0;
$("opacity").addEventListener("input", () => {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => app.change({ opacity: Number($("opacity").value) }, false));
});
$("swap").addEventListener("click", () => {
  const a = app.answer, plain = (c) => ({ index: c.index, label: c.label });
  app.change({ p: [plain(a.why_not[0] || app.state.q[0])], q: [plain(a.target)] });
});
$("cancel").addEventListener("click", () => running?.abort());
$("tabs").addEventListener("click", (e) => { if (e.target.dataset.view) app.change({ view: e.target.dataset.view }); });
$("tabs").addEventListener("keydown", (e) => {
  const all = [...$("tabs").children].filter((t) => !t.hidden), at = all.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[e.key];
  if (to === undefined) return;
  e.preventDefault();
  const tab = all[(to + all.length) % all.length];
  tab.focus();
  app.change({ view: tab.dataset.view });
});
$("choose").addEventListener("click", () => $("files").click());
$("files").addEventListener("change", async () => {
  await addFiles([...$("files").files]);
  $("files").value = "";
});
document.addEventListener("paste", (e) => addFiles([...e.clipboardData.files]));
let over = 0;
const dropping = (on) => { over = Math.max(0, over + on); document.body.classList.toggle("dropping", over > 0); };
document.addEventListener("dragenter", (e) => { e.preventDefault(); dropping(1); });
document.addEventListener("dragleave", () => dropping(-1));
document.addEventListener("dragover", (e) => e.preventDefault());
document.addEventListener("drop", (e) => {
  e.preventDefault();
  over = 0;
  dropping(0);
  addFiles([...e.dataTransfer.files]);
});
for (const [id, act] of [["copy-link", take.link], ["copy-curl", take.curl], ["copy-python", take.python], ["save-png", take.png], ["save-npy", take.numbers], ["save-bundle", take.bundle]])
  $(id).addEventListener("click", async () => {
    try {
      if (id.startsWith("save") && !app.tiles.some((t) => t.raw)) return say("There is no map yet.");
      if (id !== "copy-link" && !app.current) return say("There is no picture yet.");
      await act(app);
    } catch (e) { trouble(e); }
  });
$("dialog-copy").addEventListener("click", async () => {
  await take.copyShown();
  $("dialog-copy").textContent = "Copied";
});
window.addEventListener("hashchange", async () => {
  if (location.hash === written) return;
  const before = app.state.model;
  app.state = state.read(location.hash);
  app.state.model ||= before;
  makeOptions();
  try {
    if (app.state.model !== app.model?.name) await setModel(app.state.model);
    showControls();
    await restorePicture();
  } catch (e) { trouble(e); }
});

function theme(value) {
  if (value) document.documentElement.dataset.theme = value;
  else delete document.documentElement.dataset.theme;
}
try { $("theme").value = localStorage.getItem("whynot-theme") || ""; } catch { /* nothing is kept */ }
theme($("theme").value);
$("theme").addEventListener("change", () => {
  theme($("theme").value);
  try { localStorage.setItem("whynot-theme", $("theme").value); } catch { /* as above */ }
});

boot();
