// Requests to the daemon this page came from; knows how it refuses, and nothing of what is asked.

/** What the daemon said no with (status 0: it did not answer at all). */
export class Problem extends Error {
  constructor(status, body = {}) {
    super(body.detail || body.title || (status ? "The server answered with status " + status + "." : "The server does not answer."));
    this.status = status;
    this.body = body;
  }
}

let key = null;
try { key = sessionStorage.getItem("whynot-key"); } catch { /* no storage: the key lasts as long as the page */ }
export const hasKey = () => key !== null;
export function useKey(text) {
  key = text;
  try { sessionStorage.setItem("whynot-key", text); } catch { /* as above */ }
}

const sleep = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener("abort", () => { clearTimeout(timer); reject(new DOMException("", "AbortError")); }, { once: true });
});

async function once(path, init) {
  const headers = { ...init.headers };
  if (key) headers.Authorization = "Bearer " + key;
  let answer;
  try {
    answer = await fetch(path, { ...init, headers, cache: "no-cache", credentials: "same-origin" });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Problem(0);
  }
  if (answer.ok) return answer;
  let body = {};
  try { body = await answer.json(); } catch { /* no body to explain it */ }
  const problem = new Problem(answer.status, body);
  problem.retryAfter = Number(answer.headers.get("Retry-After")) || 0;
  throw problem;
}

/** Asks, and asks again where the server is only busy. onwait(seconds) is told about it. */
async function request(path, init = {}, onwait) {
  for (let tries = 1; ; tries++) {
    try {
      return await once(path, init);
    } catch (e) {
      const busy = e instanceof Problem && (e.status === 429 || e.status === 503);
      if (!busy || tries === 6) throw e;
      const wait = Math.min(e.retryAfter || 1, 10) * (1 + Math.random() / 4);
      onwait?.(wait);
      await sleep(1000 * wait, init.signal);
    }
  }
}

export async function getJson(path, signal) {
  return (await request(path, { signal })).json();
}

export async function getBlob(path, signal) {
  return (await request(path, { signal })).blob();
}

export const explainPath = (model) => "/v1/models/" + encodeURIComponent(model) + "/explain";

/** question: pairs for the query string; picture: a Blob. */
export async function explain(model, question, picture, signal, onwait) {
  const path = explainPath(model) + "?" + new URLSearchParams(question);
  const answer = await request(path, { method: "POST", body: picture, signal, headers: { "Content-Type": picture.type || "application/octet-stream" } }, onwait);
  return answer.json();
}

/** Runs function(item) for all items, a few at a time; failures are the function's own. */
export async function each(items, most, run) {
  const rest = [...items];
  const lane = async () => { while (rest.length) await run(rest.shift()); };
  await Promise.all(Array.from({ length: Math.min(most, rest.length) }, lane));
}
