// NPY and ZIP files, written here; knows formats and nothing else.

const ascii = (s) => Uint8Array.from(s, (c) => c.charCodeAt(0));

/** NumPy's format 1.0: float32 little-endian, (height, width). */
export function npy(map) {
  const words = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + map.height + ", " + map.width + "), }";
  const size = Math.ceil((10 + words.length + 1) / 64) * 64;
  const out = new Uint8Array(size + 4 * map.values.length), view = new DataView(out.buffer);
  out.set([0x93, ...ascii("NUMPY"), 1, 0]);
  view.setUint16(8, size - 10, true);
  out.set(ascii(words.padEnd(size - 11) + "\n"), 10);
  map.values.forEach((v, i) => view.setFloat32(size + 4 * i, v, true));
  return out;
}

const table = Uint32Array.from({ length: 256 }, (_, i) => {
  for (let k = 0; k < 8; k++) i = i & 1 ? 0xedb88320 ^ (i >>> 1) : i >>> 1;
  return i >>> 0;
});

export function crc32(bytes) {
  let c = 0xffffffff;
  for (const b of bytes) c = table[(c ^ b) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function record(size, fields) {
  const view = new DataView(new ArrayBuffer(size));
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

/** entries: [name, Uint8Array]; stored, not compressed: pictures are that already. */
export function zip(entries, date = new Date()) {
  const time = date.getHours() << 11 | date.getMinutes() << 5 | date.getSeconds() >> 1;
  const day = Math.max(0, date.getFullYear() - 1980) << 9 | date.getMonth() + 1 << 5 | date.getDate();
  const parts = [], central = [];
  let at = 0, directory = 0;
  for (const [name, bytes] of entries) {
    const title = new TextEncoder().encode(name);
    const common = [[2, 20], [2, 0x800], [2, 0], [2, time], [2, day], [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, title.length], [2, 0]];
    const entry = record(46, [[4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]]);
    parts.push(record(30, [[4, 0x04034b50], ...common]), title, bytes);
    central.push(entry, title);
    at += 30 + title.length + bytes.length;
    directory += 46 + title.length;
  }
  const end = record(22, [[4, 0x06054b50], [2, 0], [2, 0], [2, entries.length], [2, entries.length], [4, directory], [4, at], [2, 0]]);
  return new Blob([...parts, ...central, end], { type: "application/zip" });
}
