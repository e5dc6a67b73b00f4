// What is asked of the server, from the state and the tables of what can be asked; knows no elements.
import { classValue } from "./state.js";

/** Fields of a question that have a place of their own on the page, or none on purpose; all others are drawn as they are described. */
const PLACED = ["image", "id", "model", "target", "why_not", "contrast", "method", "layer", "maps", "normalize", "relu", "colormap",
  "overlay", "align_corners", "outputs", "size", "top_k", "timeout_ms", "evidence", "version", "statistics", "rivals", "reuse"];
export const moreFields = (fields) => Object.entries(fields).filter(([name, f]) => !PLACED.includes(name) && f.type && f.type !== "object");

/** Whether this method takes that field: fields that some methods list among their options are for those alone. */
export function takes(app, method, name) {
  const listed = (m) => (m.options || m.settings || []).some((o) => (o.name ?? o) === name);
  return listed(method) || !app.methods.some(listed);
}

export const contrastOf = (app) => app.contrasts.find((c) => c.name === app.state.contrast) || app.contrasts.find((c) => c.name === "pair") || app.contrasts[0];
export const methodOf = (app) => app.methods.find((m) => m.name === app.state.method) || app.methods.find((m) => m.name === app.fields.method?.default) || app.methods[0];
export const takesOne = (contrast) => contrast.why_not.startsWith("one");
export const takesSet = (contrast) => contrast.why_not.startsWith("a set");
export const takesRivals = (contrast) => takesOne(contrast) || takesSet(contrast);
export const explainsInput = (method) => method.explains === "the input";

/** Pairs for the query string. over: {method, contrast, why_not: [..], maps, rivals, statistics, evidence} in place of the state's own. */
export function question(app, over = {}) {
  const s = app.state, out = [], contrast = over.contrast || contrastOf(app), method = over.method || methodOf(app);
  const p = contrast.several_targets ? s.p : s.p.slice(0, 1), q = takesSet(contrast) ? s.q : s.q.slice(0, 1);
  for (const c of p) out.push(["target", classValue(c)]);
  const rivals = over.why_not || (q.length ? q.map(classValue) : takesOne(contrast) ? ["auto:1"] : []);
  if (takesRivals(contrast)) for (const r of rivals) out.push(["why_not", r]);
  out.push(["contrast", contrast.name], ["method", method.name]);
  if (s.layer && !explainsInput(method)) out.push(["layer", s.layer]);
  for (const [name, f] of moreFields(app.fields))
    if (name in s.more && takes(app, method, name) && (name !== "fill" || over.evidence === "mask") && s.more[name] !== String(f.default ?? "")) out.push([name, s.more[name]]);
  const both = takesRivals(contrast) && (rivals.length > 0) ? ",target,rival" : contrast.name === "logit" ? "" : ",target";
  out.push(["maps", over.maps || "contrast" + both], ["outputs", "raw,bbox"], ["size", "input"], ["top_k", "5"]);
  if (over.rivals) out.push(["rivals", String(over.rivals)]);
  if (over.statistics) out.push(["statistics", over.statistics]);
  if (over.evidence && app.fields.evidence) out.push(["evidence", over.evidence]);
  return out;
}

/** "3.1, rather than 2" where the question is about a number; else "". */
export function scores(answer) {
  return typeof answer?.value === "number" ? Number(answer.target.logit.toPrecision(4)) + ", rather than " + answer.value : "";
}

/** The question as a sentence. */
export function sentence(answer) {
  const p = answer.target?.label, q = (answer.why_not || []).map((c) => c.label);
  if (scores(answer)) return "Why does " + p + " score " + scores(answer) + "?";
  return "Why " + p + (q.length ? ", rather than " + q.join(", ") : "") + "?";
}
