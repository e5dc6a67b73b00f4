"""Makes golden/: small pictures in every coding, and golden.txt with the SHA-256 of what Pillow makes of them. Needs Pillow."""
import hashlib
import io
import os
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
os.makedirs(here, exist_ok=True)
rng = np.random.default_rng(3)
lines = []


def picture(w, h):
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([x * 255 // max(1, w - 1), y * 255 // max(1, h - 1), (x * 37 + y * 91) % 256], -1)
    a[h // 4 : h // 2, w // 3 : w // 2] = (250, 20, 40)
    return Image.fromarray(a.astype(np.uint8))


def add(name, data, want=None):
    with open(os.path.join(here, name), "wb") as f:
        f.write(data)
    image = Image.open(io.BytesIO(data))
    if want is None:
        want = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    lines.append(f"decode {name} {want.shape[1]} {want.shape[0]} {hashlib.sha256(want.tobytes()).hexdigest()}")


def add_resize(name, w, h):
    want = np.asarray(Image.open(os.path.join(here, name)).convert("RGB").resize((w, h), Image.BILINEAR))
    lines.append(f"resize {name} {w} {h} {hashlib.sha256(want.tobytes()).hexdigest()}")


def save(image, fmt, **options):
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def raw_png(array, kind, depth, interlaced=False):
    h, w = array.shape[:2]
    passes = [array] if not interlaced else [array[y::dy, x::dx] for x, y, dx, dy in ADAM7]
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else np.uint8).tobytes() for p in passes if p.size for row in p)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


base = picture(23, 17)
alpha = Image.fromarray(rng.integers(0, 256, (17, 23), np.uint8))
rgba, la = base.copy(), base.convert("L")
rgba.putalpha(alpha)
la.putalpha(alpha)
add("rgb.png", save(base, "PNG"))
add("rgba.png", save(rgba, "PNG"))
add("gray.png", save(base.convert("L"), "PNG"))
add("gray_alpha.png", save(la, "PNG"))
add("one_bit.png", save(base.convert("1"), "PNG"))
for bits in (1, 2, 4, 8):
    add(f"palette{bits}.png", save(base.convert("P", palette=Image.ADAPTIVE, colors=1 << bits), "PNG", bits=bits))
add("palette_trns.png", save(base.convert("P", palette=Image.ADAPTIVE, colors=16), "PNG", transparency=bytes(range(0, 256, 16))))
deep = np.asarray(base).astype(np.uint16) * 257 + rng.integers(0, 256, (17, 23, 3)).astype(np.uint16)
add("rgb16.png", raw_png(deep, 2, 16))
add("gray16.png", raw_png(deep[..., :1], 0, 16), (deep[..., :1] >> 8).astype(np.uint8).repeat(3, 2))
add("interlaced.png", raw_png(np.asarray(base), 2, 8, True))
add("one_pixel.png", save(base.crop((0, 0, 1, 1)), "PNG"))
add("420.jpg", save(base, "JPEG", quality=75, subsampling=2))
add("444.jpg", save(base, "JPEG", quality=95, subsampling=0))
add("gray.jpg", save(base.convert("L"), "JPEG", quality=80))
add("cmyk.jpg", save(base.convert("CMYK"), "JPEG", quality=90))
cmyk = save(base.convert("CMYK"), "JPEG", quality=90)
at = cmyk.index(b"Adobe")
add("ycck.jpg", cmyk[: at + 11] + b"\2" + cmyk[at + 12 :])  # the same numbers, declared as YCCK
add("cmyk_not_adobe.jpg", cmyk[: at - 4] + cmyk[at + 12 :])
add("progressive.jpg", save(base, "JPEG", quality=80, progressive=True))
for o in range(1, 9):
    exif = b"MM" + struct.pack(">HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, o, 0, 0) if o % 2 else b"II" + struct.pack("<HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, o, 0, 0)
    small = picture(5, 3)
    add(f"turn{o}.jpg", save(small, "JPEG", quality=90, exif=b"Exif\0\0" + exif))
    add(f"turn{o}.png", save(small, "PNG", exif=exif))
for w, h in [(1, 1), (23, 5), (7, 17), (24, 18), (100, 3), (224, 224), (11, 8), (22, 16), (46, 34)]:
    add_resize("rgb.png", w, h)
add_resize("one_pixel.png", 9, 4)
with open(os.path.join(here, "golden.txt"), "w") as f:
    f.write("\n".join(lines) + "\n")
print(len(lines), "goldens in", here, file=sys.stderr)
