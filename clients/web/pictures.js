// Pictures of whatever origin as things to draw and to send; knows no question.
import { getBlob } from "./api.js";

const SHOWN = 1024; /* pixels of the longer side that are kept for drawing */
let serial = 0;

function kind(bytes) {
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return "image/png";
  return bytes[0] === 0xff && bytes[1] === 0xd8 ? "image/jpeg" : null;
}

async function shrink(blob) {
  const whole = await createImageBitmap(blob);
  const s = SHOWN / Math.max(whole.width, whole.height);
  if (s >= 1) return whole;
  const small = await createImageBitmap(whole, { resizeWidth: Math.max(1, Math.round(whole.width * s)), resizeHeight: Math.max(1, Math.round(whole.height * s)), resizeQuality: "high" });
  whole.close();
  return small;
}

/** Formats that the browser reads and the server does not travel as PNG. */
async function asPng(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/png" });
}

/** {id, name, blob, bitmap, sample, note}; throws an Error that says what is wrong with it. */
export async function fromFile(file, name = file.name || "pasted.png") {
  let blob = file, note = "";
  try {
    const type = kind(new Uint8Array(await file.slice(0, 4).arrayBuffer()));
    if (!type) note = "sent as PNG";
    blob = type ? new Blob([await file.arrayBuffer()], { type }) : await asPng(file); /* the bytes: a file may change or go */
    return { id: ++serial, name, blob, bitmap: await shrink(blob), sample: null, note };
  } catch {
    throw new Error(name + " is not a picture that can be read.");
  }
}

export const samplePath = (model, file) => "/v1/models/" + encodeURIComponent(model) + "/sample?file=" + encodeURIComponent(file);

export async function fromSample(model, sample, signal) {
  const path = samplePath(model, sample.file);
  const blob = await getBlob(path, signal);
  return { id: ++serial, name: sample.file.split("/").pop(), blob, bitmap: await shrink(blob), sample: { ...sample, model, path }, note: "" };
}
