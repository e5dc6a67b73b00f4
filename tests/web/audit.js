// What an accessibility checker looks at, computed in the page: names, references, roles, contrast, sizes. Returns a list of complaints.
const complaints = [];
const say = (what, e) => complaints.push(what + ": " + (e.id ? "#" + e.id : e.outerHTML.slice(0, 120)));
const shown = (e) => e.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) && e.getClientRects().length > 0;
const hidden = (e) => { const s = getComputedStyle(e); return s.clipPath !== "none" || e.closest("[aria-hidden=true]"); };

/* ---- ids, references, names ---- */
const ids = new Set();
for (const e of document.querySelectorAll("[id]")) {
  if (ids.has(e.id)) say("an id twice", e);
  ids.add(e.id);
}
for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "aria-activedescendant", "for"])
  for (const e of document.querySelectorAll("[" + name + "]"))
    for (const id of e.getAttribute(name).split(/\s+/)) if (!ids.has(id)) say(name + " points at nothing (" + id + ")", e);
const words = (e) => { const copy = e.cloneNode(true); copy.querySelectorAll("select, input, output").forEach((x) => x.remove()); return copy.textContent; };
const nameOf = (e) => {
  if (e.getAttribute("aria-label")) return e.getAttribute("aria-label");
  if (e.getAttribute("aria-labelledby")) return e.getAttribute("aria-labelledby").split(/\s+/).map((id) => document.getElementById(id)?.textContent).join(" ");
  if (e.labels?.length) return [...e.labels].map(words).join(" ");
  return e.matches("select, input, textarea") ? "" : e.textContent || e.alt || "";
};
const operable = "button, a[href], input, select, textarea, summary, [tabindex], [role=tab], [role=option], [role=application]";
for (const e of document.querySelectorAll(operable)) if (shown(e) && !nameOf(e).trim()) say("no name", e);
for (const e of document.querySelectorAll("img")) if (!e.hasAttribute("alt")) say("no alt", e);
for (const e of document.querySelectorAll("canvas")) if (shown(e) && !e.getAttribute("aria-label") && !e.closest("button[aria-label]")) say("a canvas without words", e);
for (const e of document.querySelectorAll("fieldset")) if (!e.querySelector("legend")?.textContent) say("no legend", e);
for (const e of document.querySelectorAll("[tabindex]")) if (e.tabIndex > 0) say("tabindex above 0", e);
if (!document.documentElement.lang) say("no language", document.documentElement);
if (document.querySelectorAll("h1").length !== 1) say("not one h1", document.body);
for (const landmark of ["header", "main", "footer"]) if (!document.querySelector("body > " + landmark)) say("no " + landmark, document.body);
let level = 1;
for (const e of document.querySelectorAll("h1, h2, h3, h4")) {
  const now = Number(e.tagName[1]);
  if (shown(e) && now > level + 1) say("a heading leaves a level out", e);
  if (shown(e)) level = now;
}

/* ---- contrast (WCAG 2.1, 1.4.3 and 1.4.11) ---- */
const rgba = (text) => { const [r, g, b, a = 1] = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number); return text.startsWith("color(") ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a]; };
const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
const light = (c) => c.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const ground = (e) => {
  const layers = [];
  for (let x = e; x; x = x.parentElement) layers.push(rgba(getComputedStyle(x).backgroundColor));
  return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
};
let least = Infinity;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; (node = walker.nextNode());) {
  const e = node.parentElement;
  if (!node.data.trim() || !shown(e) || hidden(e) || e.closest(":disabled, option, noscript, script")) continue;
  const s = getComputedStyle(e), size = parseFloat(s.fontSize), large = size >= 24 || (size >= 18.66 && s.fontWeight >= 700);
  const r = ratio(over(rgba(s.color), ground(e)), ground(e));
  least = Math.min(least, r);
  if (r < (large ? 3 : 4.5)) say("contrast " + r.toFixed(2), e);
}
for (const e of document.querySelectorAll("button, select, input[type=text], input[type=number]")) {
  const s = getComputedStyle(e);
  if (!shown(e) || e.disabled || parseFloat(s.borderTopWidth) === 0 || e.matches("#says button, .thumb, [role=tab]")) continue;
  const r = Math.max(ratio(rgba(s.borderTopColor), ground(e.parentElement)), ratio(ground(e), ground(e.parentElement)));
  if (r < 3) say("border contrast " + r.toFixed(2), e);
}

/* ---- sizes (WCAG 2.2, 2.5.8) and overflow ---- */
for (const e of document.querySelectorAll("button, select, input:not([type=checkbox]):not([type=range]), summary")) {
  const b = e.getBoundingClientRect();
  if (shown(e) && !hidden(e) && !e.matches(".thumbs .clear") && (b.height < 23.5 || b.width < 23.5)) say("small target " + b.width.toFixed() + " x " + b.height.toFixed(), e);
}
const wide = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > wide) say("wider than the window (" + document.documentElement.scrollWidth + ")", document.body);
for (const e of document.querySelectorAll("button, select, input, p, canvas, label")) {
  const b = e.getBoundingClientRect();
  if (shown(e) && !hidden(e) && !e.closest(".thumbs") && (b.right > wide + 1 || b.left < -1)) say("beyond the edge", e);
}
return { complaints, least };
