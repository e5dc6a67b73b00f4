// How all maps that are shown look together: scale, colours, legend. Knows tiles and settings, and not what was asked.
import { $, fill, h, number } from "./dom.js";
import * as draw from "./draw.js";

function look(app, limit) {
  const s = app.state, row = app.colormaps.find((c) => c.name === s.colors) || app.colormaps.find((c) => c.diverging) || app.colormaps[0];
  row.bytes ??= draw.palette(row.palette);
  return { palette: row.bytes, diverging: row.diverging, polarity: s.polarity, opacity: s.opacity, fade: s.fade, grey: s.grey, limit };
}

const MANY = 100; /* of more tiles than that only those near the window are drawn */
const byRoot = new WeakMap();
const near = new IntersectionObserver((entries) => {
  for (const e of entries) {
    const t = byRoot.get(e.target);
    t.near = e.isIntersecting;
    if (t.near) drawTile(t);
  }
}, { rootMargin: "400px" });

const overPixels = (t) => t.t.map?.layer === "input";
const strongest = (t) => (t.strongest ??= t.raw ? draw.strongest(t.raw.values, overPixels(t)) : 0);

/** Draws the tile as it should look now, unless it does already. */
export function drawTile(t) {
  if (t.stale) t.redraw(t.look);
  t.stale = false;
}

/** All tiles that are shown, on one scale or each on its own, and the legend that says which. */
export function redraw(app) {
  if (!app.colormaps.length) return;
  const drawn = app.tiles.filter((t) => t.raw), own = app.state.scale === "own" || app.state.view === "methods";
  const limit = drawn.reduce((most, t) => Math.max(t.t.own ? 0 : strongest(t), most), 0);
  for (const t of app.tiles) {
    t.look = look(app, own || t.t.own ? strongest(t) : limit);
    t.stale = true;
    if (app.tiles.length <= MANY || t.near) drawTile(t);
    else if (t.near === undefined) { byRoot.set(t.root, t); near.observe(t.root); t.near = false; }
  }
  showLegend(app, own ? null : limit, drawn.length > 0, drawn.some(overPixels));
}

const swatch = (l, high) => "rgb(" + [...l.palette.slice(high ? 765 : 0).slice(0, 3)].join() + ")";

function showLegend(app, limit, any, fine) {
  $("legend").hidden = !any;
  if (!any) return;
  const l = look(app, 1), bar = h("canvas", { role: "img", "aria-label": "Colour scale" }), polarity = app.state.polarity;
  const end = (v) => (limit === null ? (v ? (v < 0 ? "strongest against" : "strongest for") : "0") : number(v * limit));
  draw.paintScale(bar, l);
  fill($("legend"), h("span", {}, end(polarity === "for" ? 0 : -1)), h("div", { class: "scale" }, bar, polarity === "both" ? h("i", {}) : null), h("span", {}, end(polarity === "against" ? 0 : 1)),
    h("small", { class: "muted" }, (limit === null ? "each map on its own scale" : "one scale for all maps, in units of the score") + (fine ? "; over pixels the strongest hundredth goes beyond it" : "")));
  document.documentElement.style.setProperty("--plus", swatch(l, true));
  document.documentElement.style.setProperty("--minus", swatch(l, false));
}

/** Tiles that are gone need no watching. */
export const unwatch = () => near.disconnect();
