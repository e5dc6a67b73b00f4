// Elements and numbers in words; knows nothing of pictures, questions or the server.

export const $ = (id) => document.getElementById(id);

/** h("button", {type: "button", onclick: f, "aria-label": "x"}, "text", child) */
export function h(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (key === "class") e.className = value;
    else if (key in e && typeof value !== "string") e[key] = value;
    else e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

export function fill(parent, ...children) {
  parent.replaceChildren(...children.filter((c) => c !== null && c !== undefined && c !== false));
}

export function options(select, rows, chosen) {
  fill(select, ...rows.map(([value, text, off]) => h("option", { value, disabled: !!off }, text)));
  select.value = chosen;
}

export function debounce(f, ms) {
  let timer;
  return (...args) => { clearTimeout(timer); timer = setTimeout(() => f(...args), ms); };
}

/** Three significant digits unless told otherwise, with a real minus sign. */
export function number(v, digits = 3) {
  if (!Number.isFinite(v)) return "–";
  const a = Math.abs(v);
  const s = a === 0 ? "0" : a >= 1e4 || a < 1e-3 ? v.toExponential(1) : String(Number(v.toPrecision(digits)));
  return s.replaceAll("-", "−");
}

export function percent(v) {
  if (v > 0 && v < 0.001) return "< 0.1 %";
  if (v < 1 && v > 0.999) return "> 99.9 %";
  return (100 * v).toFixed(v < 0.0995 ? 1 : v > 0.9 && v < 1 ? 1 : 0) + " %";
}

export const count = (n, one, many) => n + " " + (n === 1 ? one : many);

export function save(name, blob) {
  const a = h("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}
