// Taking an answer along: link, commands, PNG, NPY and the bundle. Knows what is shown, and not how it was asked.
import { hasKey } from "./api.js";
import { $, save } from "./dom.js";
import { npy, zip } from "./files.js";
import { drawTile } from "./looks.js";
import { question, sentence } from "./question.js";
import * as words from "./words.js";

const slug = (s) => s.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "").toLowerCase().slice(0, 120) || "map";
function shown(app) {
  const tiles = app.tiles.filter((t) => t.raw);
  tiles.forEach(drawTile);
  return tiles;
}
const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());

function nameOf(t) {
  const m = t.t.map;
  const stem = app => app.replace(/\.[^.]*$/, "");
  return slug([stem(t.t.picture.name), m.kind, m.class.label, m.rival ? "not " + m.rival.label : "", m.method].join(" "));
}

async function hash(blob) {
  if (!globalThis.crypto?.subtle) return null; /* only where the page came over https or from this machine */
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return [...digest].map((b) => b.toString(16).padStart(2, "0")).join("");
}

/* ---- text ---- */

function dialog(title, note, text) {
  $("dialog-title").textContent = title;
  $("dialog-note").textContent = note;
  $("dialog-text").value = text;
  $("dialog-copy").textContent = "Copy";
  $("dialog").showModal();
  $("dialog-text").select();
}

export async function copyShown() {
  const text = $("dialog-text");
  try {
    await navigator.clipboard.writeText(text.value);
  } catch { /* only a secure context has a clipboard */
    text.select();
    document.execCommand("copy");
  }
  $("dialog-copy").textContent = "Copied";
}

export function link(app) {
  const note = app.state.sample ? "It opens this question about this sample, as you see it now."
    : "It carries the question and the settings. The picture itself (" + (app.current?.name || "none") + ") does not travel with it: whoever opens it is asked for the picture.";
  dialog("Link to this view", note, location.href);
}

function command(app) {
  const p = app.current;
  return { origin: location.origin, key: hasKey(), model: app.model.name, question: question(app), words: sentence(app.answer || { target: { label: "?" } }),
    picture: { name: p.name, sample: p.sample?.path, type: p.blob.type || "application/octet-stream" } };
}
export const curl = (app) => dialog("This question as curl", "The answer is JSON; add -H 'Accept: image/png' for a picture, application/x-npy for the numbers.", words.asCurl(command(app)));
export const python = (app) => dialog("This question as Python", "Python's standard library is enough.", words.asPython(command(app)));

/* ---- files ---- */

/** All maps that are shown, with their headings, as one picture. */
export function png(app) {
  const tiles = shown(app), columns = Math.min(tiles.length, tiles.length > 4 ? 4 : tiles.length), gap = 16, line = 26;
  const w = Math.max(...tiles.map((t) => t.canvas.width)), hh = Math.max(...tiles.map((t) => t.canvas.height));
  const sheet = document.createElement("canvas"), g = sheet.getContext("2d");
  sheet.width = columns * (w + gap) + gap;
  sheet.height = Math.ceil(tiles.length / columns) * (hh + line + gap) + gap;
  g.fillStyle = "#fff";
  g.fillRect(0, 0, sheet.width, sheet.height);
  g.fillStyle = "#1c2126";
  g.font = (w > 300 ? "16px" : "13px") + " system-ui, sans-serif";
  tiles.forEach((t, i) => {
    const x = gap + (i % columns) * (w + gap), y = gap + Math.floor(i / columns) * (hh + line + gap);
    g.fillText(t.root.querySelector(".head").textContent, x, y + 16, w);
    g.drawImage(t.canvas, x, y + line);
  });
  sheet.toBlob((blob) => save(nameOf(tiles[0]) + ".png", blob), "image/png");
}

export function numbers(app) {
  const t = shown(app)[0];
  save(nameOf(t) + ".npy", new Blob([npy(t.raw)]));
}

function describe(t, file) {
  const { raw, ...m } = t.t.map; /* the numbers lie beside it */
  return { npy: file + ".npy", png: file + ".png", picture: t.t.picture.name, shape: raw.shape, dtype: raw.dtype, ...m };
}

export async function bundle(app) {
  const entries = [], maps = [], pictures = new Map(), used = new Set();
  const drawn = await Promise.all(shown(app).map(async (t) => [t, await bytesOf(await new Promise((done) => t.canvas.toBlob(done, "image/png")))]));
  for (const [t, picture] of drawn) {
    let file = "maps/" + nameOf(t);
    for (let n = 2; used.has(file); n++) file = "maps/" + nameOf(t) + "-" + n;
    used.add(file);
    entries.push([file + ".npy", npy(t.raw)], [file + ".png", picture]);
    maps.push(describe(t, file));
    pictures.set(t.t.picture, t.t.answer);
  }
  const about = [];
  for (const [p, answer] of pictures) {
    const file = "pictures/" + about.length + "-" + p.name.replace(/[^\w.-]+/g, "-");
    entries.push([file, await bytesOf(p.blob)]);
    about.push({ file, name: p.name, sample: p.sample?.path || null, sha256: await hash(p.blob), ...answer.image, predictions: answer.predictions, target: answer.target, why_not: answer.why_not, evidence: answer.evidence });
  }
  const first = [...pictures.values()][0];
  const manifest = {
    made_by: "whynot " + app.version, made_at: new Date().toISOString(), address: location.href, words: sentence(first), question: question(app),
    model: first.model, provenance: first.provenance, warnings: first.warnings, pictures: about, maps,
  };
  entries.unshift(["manifest.json", new TextEncoder().encode(JSON.stringify(manifest, null, 1) + "\n")]);
  save("whynot-" + nameOf(shown(app)[0]) + ".zip", zip(entries));
}

