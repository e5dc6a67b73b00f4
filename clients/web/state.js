// The question and the settings, and their way into the address and back; knows no server and no elements.

export const standard = {
  model: "", sample: "", picture: "", p: [], q: [], contrast: "", method: "", layer: "", view: "maps", colors: "",
  opacity: 0.85, polarity: "both", scale: "shared", fade: true, grey: true, sort: "near", more: {},
};

/** A class: its index and label, where both are known; a hand-written address may give either. */
export function readClass(text) {
  const both = /^(\d+):(.*)$/s.exec(text);
  if (both) return { index: Number(both[1]), label: both[2] };
  return /^\d+$/.test(text) ? { index: Number(text), label: text } : { index: null, label: text };
}
export const writeClass = (c) => (c.index === null ? c.label : c.index + ":" + c.label);
/** As the server takes it: an index, but where the class is called by digits, which it would take for another's, with its name. */
export const classValue = (c) => (c.index === null ? c.label : /^\d+$/.test(c.label) && c.label !== String(c.index) ? c.label + " (" + c.index + ")" : String(c.index));

export function read(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const s = structuredClone(standard);
  for (const name of ["model", "sample", "picture", "contrast", "method", "layer", "view", "colors", "polarity", "scale", "sort"])
    if (given.has(name)) s[name] = given.get(name);
  if (given.has("why")) s.p = given.getAll("why").map(readClass);
  if (given.has("rather_than")) s.q = given.getAll("rather_than").map(readClass);
  if (given.has("opacity")) s.opacity = Math.min(1, Math.max(0, Number(given.get("opacity")) || 0));
  for (const name of ["fade", "grey"]) if (given.has(name)) s[name] = given.get(name) !== "0";
  for (const [name, value] of given) if (name.startsWith("x-")) s.more[name.slice(2)] = value;
  for (const [name, allowed] of [["view", ["maps", "rivals", "methods", "pictures"]], ["polarity", ["both", "for", "against"]], ["scale", ["shared", "own"]]])
    if (!allowed.includes(s[name])) s[name] = standard[name];
  return s;
}

export function write(s) {
  const out = new URLSearchParams();
  for (const name of ["model", "sample", "picture"]) if (s[name]) out.set(name, s[name]);
  for (const c of s.p) out.append("why", writeClass(c));
  for (const c of s.q) out.append("rather_than", writeClass(c));
  for (const name of ["contrast", "method", "layer", "view", "colors", "polarity", "scale", "sort", "opacity"])
    if (s[name] !== standard[name]) out.set(name, s[name]);
  for (const name of ["fade", "grey"]) if (s[name] !== standard[name]) out.set(name, s[name] ? "1" : "0");
  for (const [name, value] of Object.entries(s.more)) out.set("x-" + name, value);
  return "#" + out;
}
