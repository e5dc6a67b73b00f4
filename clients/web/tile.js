// One picture with one map over it: drawn, read with the pointer or the arrow keys. Knows no question.
import { $, fill, h, number } from "./dom.js";
import * as draw from "./draw.js";
import { place } from "./words.js";

/**
 * t: {name, heading: nodes, picture, map (of an answer) or null, image, size: pixels, mark, failure, onpick, foot: nodes, group: tiles read together}
 * Returns {root, raw, redraw(look), t}.
 */
export function tile(t) {
  const raw = t.map?.raw ? draw.rawMap(t.map.raw) : null, part = t.image ? draw.seen(t.image) : null;
  const canvas = h("canvas"), cross = h("span", { class: "cross", hidden: true, "aria-hidden": "true" }), value = h("output", { class: "value" });
  const frame = h("div", { class: "frame" }, canvas, cross);
  const head = h(t.onpick ? "button" : "div", t.onpick ? { class: "head", type: "button", onclick: t.onpick } : { class: "head" }, h("span", {}, ...t.heading));
  if (t.size < 300) head.title = head.textContent;
  const foot = h("div", { class: "foot" }, ...(t.foot || []), value);
  const root = h("figure", { class: "tile" + (t.mark ? " main" : "") + (t.size < 300 ? " small" : "") }, h("figcaption", {}, head), frame, foot);
  const [lo, hi] = raw ? raw.values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [0, 0]) : [0, 0];
  const self = { root, raw, canvas, t, redraw, show };
  const digits = t.size < 300 ? 2 : 3;
  let at = null;

  const rest = () => { value.textContent = raw ? number(lo, digits) + " to " + number(hi, digits) : ""; };
  function label() {
    if (!raw) return t.name;
    let best = 0;
    raw.values.forEach((v, i) => { if (v > raw.values[best]) best = i; });
    const x = part.x0 + ((best % raw.width) + 0.5) / raw.width * (part.x1 - part.x0), y = part.y0 + (Math.floor(best / raw.width) + 0.5) / raw.height * (part.y1 - part.y0);
    return t.name + " Values from " + number(lo) + " to " + number(hi) + (hi > 0 ? "; the strongest lies " + place(x, y) : "") + ". Arrow keys read values.";
  }

  /** cell: {x, y} or null; the crosshair goes there, and the value is read. */
  function show(cell) {
    cross.hidden = !cell || !raw;
    if (cross.hidden) return rest();
    const v = raw.values[cell.y * raw.width + cell.x], w = (part.x1 - part.x0) / raw.width, hh = (part.y1 - part.y0) / raw.height;
    Object.assign(cross.style, { left: 100 * (part.x0 + cell.x * w) + "%", top: 100 * (part.y0 + cell.y * hh) + "%", width: 100 * w + "%", height: 100 * hh + "%" });
    value.textContent = number(v) + " at " + cell.x + ", " + cell.y;
    return v;
  }

  function read(cell, aloud) {
    at = cell;
    for (const other of t.group || [self]) {
      const same = cell && other.raw && raw && { x: Math.floor((cell.x + 0.5) / raw.width * other.raw.width), y: Math.floor((cell.y + 0.5) / raw.height * other.raw.height) };
      other.show(same || null);
    }
    if (aloud && cell) $("status").textContent = "column " + (cell.x + 1) + ", row " + (cell.y + 1) + ": " + number(raw.values[cell.y * raw.width + cell.x]);
  }

  function redraw(look) {
    draw.paint(canvas, t.picture.bitmap, raw, part, look, t.size);
  }

  if (raw) {
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "heatmap");
    frame.addEventListener("pointermove", (e) => {
      const box = canvas.getBoundingClientRect();
      read(draw.cellAt(raw, part, (e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height));
    });
    frame.addEventListener("pointerleave", () => read(null));
    canvas.addEventListener("blur", () => read(null));
    canvas.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
      if (!step) return;
      e.preventDefault();
      const from = at || { x: Math.floor((raw.width - 1) / 2), y: Math.floor((raw.height - 1) / 2) };
      const x = Math.min(raw.width - 1, Math.max(0, from.x + (at ? step[0] : 0))), y = Math.min(raw.height - 1, Math.max(0, from.y + (at ? step[1] : 0)));
      read({ x, y }, true);
    });
  } else canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label());
  if (t.failure) fill(frame, h("p", { class: "failure" }, t.failure));
  rest();
  return self;
}
