// An answer in words, and as commands for elsewhere; knows the answer's fields, and no elements.
import { number, percent } from "./dom.js";

/** Where a place lies, in shares of the picture's sides. */
export function place(x, y) {
  const across = x < 0.38 ? "left" : x > 0.62 ? "right" : "", down = y < 0.38 ? "upper" : y > 0.62 ? "lower" : "";
  if (!across && !down) return "in the middle";
  if (!across) return "in the " + down + " middle";
  return down ? "on the " + down + " " + across : "on the " + across;
}

/** The same for the answer's bbox and size: how much of the picture it is, and where. */
export function where(map) {
  if (!map.bbox || !map.size) return null;
  const [x, y, w, h] = map.bbox, [W, H] = map.size;
  return { share: (w * h) / (W * H), text: place((x + w / 2) / W, (y + h / 2) / H) };
}

export function title(map) {
  const p = map.class.label, q = map.rival?.label;
  if (map.kind === "rival") return ["Why", p, null];
  return ["Why", p, map.kind === "contrast" && q ? q : null];
}

function odds(ratio) {
  if (!(ratio > 0)) return "";
  return ratio >= 1e6 ? "more than a million times as likely as" : ratio >= 1.05 ? Number(ratio.toPrecision(2)).toLocaleString("en") + " times as likely as" : ratio > 0.95 ? "about as likely as"
    : "less likely (" + percent(ratio) + ") than";
}

function decision(answer) {
  const [first, second] = answer.predictions;
  if (!first) return [];
  return ["The network says " + first.label + " (" + percent(first.probability) + ")" + (second ? "; next comes " + second.label + " (" + percent(second.probability) + ")." : ".")];
}

function comparison(answer) {
  const p = answer.target, q = answer.why_not?.[0];
  if (!q || p.index === q.index) return [];
  return [p.label + " is " + odds(Math.exp(p.logit - q.logit)) + " " + q.label + ": its score lies " + number(Math.abs(p.logit - q.logit)) + (p.logit >= q.logit ? " above." : " below.")];
}

/** What the positive and the negative values of this map speak for. */
export function sides(map) {
  const p = map.class.label, q = map.kind === "contrast" && map.rival?.label;
  if (isClassless(map)) return { plus: "for no class in particular", minus: "with the opposite sign" };
  if (map.positive_means === "against the class") return { plus: "against " + p, minus: "for " + p };
  if (map.positive_means === "against the rival") return { plus: "against " + (map.rival?.label ?? "the others"), minus: "for " + (map.rival?.label ?? "the others") };
  return { plus: "for " + p, minus: q ? "for " + q : "against " + p };
}

const isClassless = (map) => map.positive_means === "for no class in particular"; /* its method looks at none */
const isForClass = (map) => map.positive_means === "for the class";

function speaksFor(map) {
  return sides(map).plus + (isForClass(map) && map.kind === "contrast" && map.rival ? " rather than " + map.rival.label : "");
}

function places(map) {
  if (map.not_found) return ["No part of the picture is enough: even the whole of it leaves " + map.class.label + " behind by " + number(-map.not_found.margin) + "."];
  if (map.flat) return ["This map is the same everywhere: at this layer nothing tells the classes apart."];
  if (map.empty) return ["Nothing in the picture speaks " + speaksFor(map) + "."];
  const at = where(map), all = map.mass_positive + map.mass_negative, out = [];
  if (isClassless(map)) return at ? ["This map is strongest " + at.text + ", within " + percent(at.share) + " of the picture, whichever class is asked about."] : [];
  if (at) out.push("What speaks most " + speaksFor(map) + " lies " + at.text + ", within " + percent(at.share) + " of the picture.");
  if (map.mass_negative > 0) out.push(percent(map.mass_positive / all) + " of the evidence speaks " + (isForClass(map) ? "for it, " : sides(map).plus + ", ") + percent(map.mass_negative / all) + (isForClass(map) ? " against." : " " + sides(map).minus + "."));
  return out;
}

/** What happened when the network was asked again with one side hidden: that which speaks for the class, be its values positive or negative. */
function hiding(answer, main) {
  const m = answer.evidence?.masking?.[0]; /* asked for the first map alone */
  if (!m || !Number.isFinite(m.keep_negative)) return [];
  const reversed = main.positive_means === "against the class", { plus, minus } = sides(main);
  const only = percent(reversed ? m.keep_negative : m.keep_positive), after = percent(reversed ? m.keep_positive : m.keep_negative);
  const before = percent(m.relative_probability), p = main.class.label, q = m.rival.label, area = percent(reversed ? m.area_negative : m.area_positive);
  if (isClassless(main)) return ["Keeping only what the map marks (" + area + " of the picture) gives " + p + " against " + q + ": " + before + ", then " + only + "; hiding it: " + after + "."];
  const against = "(" + p + " against " + q + ": " + before + ", then " + after + ").", what = "Hiding what speaks " + (reversed ? minus : speaksFor(main)) + " (" + area + " of the picture) ";
  const kept = "Keeping only that gives " + only + ".";
  if (m.relative_probability > 0.5) return [what + (m.turns ? "turns" : "does not turn") + " the decision " + against, kept];
  const theirs = isForClass(main) ? "against " + p : reversed ? plus : minus; /* the rival wins, by this side of the map */
  return ["Hiding what speaks " + theirs + (m.turns ? " turns" : " does not turn") + " the decision: " + p + " against " + q + " goes from " + before + " to " + only + "."];
}

/** Sentences, the most telling first. */
export function evidence(answer) {
  const main = answer.maps.find((m) => m.kind === "contrast") || answer.maps[0];
  return [...(main ? [...places(main).slice(0, 1), ...hiding(answer, main), ...places(main).slice(1)] : []), ...comparison(answer), ...decision(answer), ...(answer.warnings || []).map((w) => w[0].toUpperCase() + w.slice(1) + ".")];
}

/* ---- commands ---- */

const quote = (s) => "'" + s.replaceAll("'", "'\\''") + "'";
/** What a label may do to a line that is only a comment. */
const plain = (s) => s.replace(/[\u0000-\u001f\u007f\u2028\u2029]/g, " ");

/** ask: {origin, model, question: pairs, words, key: whether one is needed, picture: {name, sample, type}}. The key itself stays out of what is copied. */
export function asCurl(ask) {
  const url = ask.origin + "/v1/models/" + encodeURIComponent(ask.model) + "/explain?" + new URLSearchParams(ask.question);
  const key = ask.key ? " -H \"Authorization: Bearer $WHYNOT_KEY\"" : "";
  const from = ask.picture.sample ? "curl -sSf" + key + " " + quote(ask.origin + ask.picture.sample) + " |\n" : "";
  return "# " + plain(ask.words) + "\n" + from + "curl -sS --data-binary " + (from ? "@-" : quote("@" + ask.picture.name)) + " -H " + quote("Content-Type: " + ask.picture.type) + key + " \\\n  " + quote(url) + "\n";
}

export function asPython(ask) {
  const text = JSON.stringify, rows = ask.question.map(([k, v]) => "    (" + text(k) + ", " + text(v) + "),\n").join("");
  const picture = ask.picture.sample ? "urllib.request.urlopen(urllib.request.Request(" + text(ask.origin + ask.picture.sample) + ", headers=key)).read()" : "open(" + text(ask.picture.name) + ", \"rb\").read()";
  return "# " + plain(ask.words) + `
import json
${ask.key ? "import os\n" : ""}import urllib.parse
import urllib.request

key = ${ask.key ? '{"Authorization": "Bearer " + os.environ["WHYNOT_KEY"]}' : "{}"}
picture = ${picture}
question = [
${rows}]
url = ${text(ask.origin + "/v1/models/" + encodeURIComponent(ask.model) + "/explain?")} + urllib.parse.urlencode(question)
request = urllib.request.Request(url, picture, {"Content-Type": ${text(ask.picture.type)}, **key})
with urllib.request.urlopen(request) as reply:
    answer = json.load(reply)
for m in answer["maps"]:
    rival = m["rival"]["label"] if m["rival"] else None
    print(m["kind"], m["class"]["label"], rival, m["raw"]["shape"], m["mass_positive"], m["mass_negative"])
`;
}
