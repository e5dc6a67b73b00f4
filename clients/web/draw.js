// From raw, signed maps to pixels of a canvas; knows no question and no server.

/** The 256 colours of a row of /v1/colormaps, as bytes r g b. */
export function palette(hex) {
  const out = new Uint8Array(768);
  for (let i = 0; i < 768; i++) out[i] = parseInt(hex.substr(2 * i, 2), 16);
  return out;
}

/** float32 little-endian in base64. */
export function rawMap(raw) {
  if (raw.values) return { values: raw.values, height: raw.shape[0], width: raw.shape[1] };
  const bytes = Uint8Array.from(atob(raw.data), (c) => c.charCodeAt(0));
  return { values: new Float32Array(bytes.buffer), height: raw.shape[0], width: raw.shape[1] };
}

/** Which part of the picture the network saw, in shares of its sides. */
export function seen(image) {
  const [x, y, w, h] = image.crop, [rw, rh] = image.resized;
  return { x0: x / rw, y0: y / rh, x1: (x + w) / rw, y1: (y + h) / rh };
}

function taps(pixels, from, to, n) {
  const a = new Int32Array(pixels), t = new Float32Array(pixels), inside = new Uint8Array(pixels);
  for (let i = 0; i < pixels; i++) {
    const share = ((i + 0.5) / pixels - from) / (to - from);
    const at = Math.min(n - 1, Math.max(0, share * n - 0.5));
    a[i] = Math.min(Math.floor(at), Math.max(0, n - 2));
    t[i] = n > 1 ? at - a[i] : 0;
    inside[i] = share >= 0 && share < 1;
  }
  return { a, t, inside };
}

/** The map enlarged (bilinear, pixel areas meet) to w x h pixels of the whole picture; NaN where the network did not look. */
export function enlarge(map, part, w, h) {
  const x = taps(w, part.x0, part.x1, map.width), y = taps(h, part.y0, part.y1, map.height);
  const out = new Float32Array(w * h), v = map.values, right = map.width > 1 ? 1 : 0;
  for (let j = 0; j < h; j++) {
    const top = y.a[j] * map.width, low = map.height > 1 ? top + map.width : top, s = y.t[j];
    for (let i = 0; i < w; i++) {
      const a = x.a[i], t = x.t[i];
      const above = v[top + a] * (1 - t) + v[top + a + right] * t, below = v[low + a] * (1 - t) + v[low + a + right] * t;
      out[j * w + i] = x.inside[i] && y.inside[j] ? above * (1 - s) + below * s : NaN;
    }
  }
  return out;
}

/** n maps, (n, height, width), each as rawMap takes it. */
export function rawMaps({ data, dtype, shape: [n, height, width] }) {
  const { values } = rawMap({ data, shape: [n * height, width] }), size = height * width;
  return Array.from({ length: n }, (_, i) => ({ dtype, shape: [height, width], values: values.subarray(i * size, (i + 1) * size) }));
}

/** What the ends of the colours stand for: the strongest value; in maps over the pixels, where single ones would leave all else colourless, their
 * 99th percentile, the range that the server gives the network's input. */
export function strongest(values, pixels) {
  let most = 0;
  for (const v of values) if (Math.abs(v) > most) most = Math.abs(v);
  if (!pixels) return most;
  const sizes = Float32Array.from(values, Math.abs).sort();
  return sizes[Math.max(0, Math.ceil(0.99 * sizes.length) - 1)] || most;
}

/** -1..1 to an entry of the palette: a diverging one keeps zero in its middle whatever is shown of it. */
function entry(t, look) {
  if (look.diverging) return 128 + Math.round(127 * t);
  if (look.polarity === "both") return Math.round(255 * (t + 1) / 2);
  return Math.round(255 * Math.abs(t));
}

/** look: {palette, diverging, polarity, opacity, fade, grey, limit}; base: ImageData of the picture, changed in place. */
export function blend(base, field, look) {
  const p = base.data, limit = look.limit > 0 ? look.limit : 1, colors = look.palette;
  for (let i = 0, k = 0; i < field.length; i++, k += 4) {
    let v = field[i];
    if (look.grey) p[k] = p[k + 1] = p[k + 2] = 64 + 0.75 * (0.299 * p[k] + 0.587 * p[k + 1] + 0.114 * p[k + 2]); /* pale: any colour that is left is the map's */
    if (v !== v) { /* outside of what the network saw */
      for (let c = 0; c < 3; c++) p[k + c] = p[k + c] * 0.3 + 90;
      continue;
    }
    if ((look.polarity === "for" && v < 0) || (look.polarity === "against" && v > 0)) v = 0;
    const t = Math.max(-1, Math.min(1, v / limit));
    const alpha = look.opacity * (look.fade ? Math.sqrt(Math.abs(t)) : 1);
    const e = 3 * entry(t, look);
    for (let c = 0; c < 3; c++) p[k + c] = p[k + c] * (1 - alpha) + colors[e + c] * alpha;
  }
  return base;
}

/** Fits w x h into a square of `most`, never below 1. */
export function fit(w, h, most) {
  const s = most / Math.max(w, h);
  return [Math.max(1, Math.round(w * s)), Math.max(1, Math.round(h * s))];
}

/** Draws the picture with the map over it. map null: the picture alone. */
export function paint(canvas, bitmap, map, part, look, most) {
  const [w, h] = fit(bitmap.width, bitmap.height, most);
  canvas.width = w;
  canvas.height = h;
  const g = canvas.getContext("2d", { willReadFrequently: true });
  g.imageSmoothingQuality = "high";
  g.fillStyle = "#fff";
  g.fillRect(0, 0, w, h);
  g.drawImage(bitmap, 0, 0, w, h);
  if (map) g.putImageData(blend(g.getImageData(0, 0, w, h), enlarge(map, part, w, h), look), 0, 0);
}

/** The colours from one end of the scale to the other. */
export function paintScale(canvas, look) {
  const w = (canvas.width = 256), g = canvas.getContext("2d"), row = g.createImageData(w, 1);
  canvas.height = 1;
  const lo = look.polarity === "for" ? 0 : -1, hi = look.polarity === "against" ? 0 : 1;
  for (let i = 0; i < w; i++) {
    const e = 3 * entry(lo + (hi - lo) * i / (w - 1), look);
    row.data.set([look.palette[e], look.palette[e + 1], look.palette[e + 2], 255], 4 * i);
  }
  g.putImageData(row, 0, 0);
}

/** The cell of the map at a place of the picture (shares of its sides), or null outside. */
export function cellAt(map, part, fx, fy) {
  const x = Math.floor((fx - part.x0) / (part.x1 - part.x0) * map.width), y = Math.floor((fy - part.y0) / (part.y1 - part.y0) * map.height);
  return x >= 0 && y >= 0 && x < map.width && y < map.height ? { x, y, value: map.values[y * map.width + x] } : null;
}
