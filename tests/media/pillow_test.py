"""Compares the media tool with Pillow, byte by byte. Usage: pillow_test.py TOOL. Leaves with 77 where Pillow is not installed."""
import io
import os
import random
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from PIL import Image, ImageOps, PngImagePlugin
except ImportError:
    sys.exit(77)

TOOL = sys.argv[1]
IMAGENET = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)
random.seed(7)
rng = np.random.default_rng(7)
folder = tempfile.TemporaryDirectory()
failures = 0


def run(args, data):
    path = os.path.join(folder.name, "picture")
    with open(path, "wb") as f:
        f.write(data)
    done = subprocess.run([TOOL, *map(str, args), path], capture_output=True)
    if done.returncode:
        return None, done.stderr.decode()
    w, h = struct.unpack("ii", done.stdout[:8])
    return (w, h), done.stdout[8:]


def pixels(args, data):
    size, raw = run(args, data)
    assert size, raw
    return np.frombuffer(raw, np.uint8).reshape(size[1], size[0], 3)


def check(name, got, want, tolerance=0):
    global failures
    bad = got.shape != want.shape or (got.size and np.abs(got.astype(float) - want.astype(float)).max() > tolerance)
    if bad:
        failures += 1
        worst = "" if got.shape != want.shape else np.abs(got.astype(float) - want.astype(float)).max()
        print("not equal to Pillow:", name, got.shape, want.shape, worst)


def save(image, fmt, **options):
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def photo(w, h, seed=0):
    """Smooth structure, edges and a little noise: what photographs are made of."""
    r = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    out = np.zeros((h, w, 3), np.float32)
    for c in range(3):
        for k in range(14):
            fx, fy, p = r.normal(0, 0.35 / (k + 1), 2).tolist() + [r.uniform(0, 6)]
            out[..., c] += 60 / (1 + k * 0.3) * np.sin(fx * x + fy * y + p)
    for k in range(12):
        cx, cy, rad = r.uniform(0, w), r.uniform(0, h), r.uniform(0.03, 0.3) * min(w, h) + 1
        out[(x - cx) ** 2 + (y - cy) ** 2 < rad * rad] += r.normal(0, 60, 3)
    out += r.normal(0, 4, out.shape)
    return Image.fromarray(np.clip(out + 128, 0, 255).astype(np.uint8))


def check_resize():
    shapes = [(1, 1, 5, 7), (1, 9, 3, 2), (9, 1, 2, 3), (2, 2, 3, 3), (500, 375, 341, 256), (375, 500, 256, 341), (640, 1, 256, 4), (31, 17, 32, 18),
              (1000, 600, 7, 5), (8192, 3, 5, 3), (33, 65, 33, 20), (33, 65, 12, 65), (64, 64, 64, 64), (2000, 1500, 1, 1)]
    shapes += [tuple(random.randint(1, 90) for _ in range(4)) for _ in range(60)]
    shapes += [(random.randint(200, 900), random.randint(200, 900), random.randint(10, 500), random.randint(10, 500)) for _ in range(12)]
    for w, h, dw, dh in shapes:
        noise = Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8))
        want = np.asarray(noise.resize((dw, dh), Image.BILINEAR))
        check(f"resize {w}x{h} to {dw}x{dh}", pixels(["resize", dw, dh], save(noise, "PNG", compress_level=1)), want)
    extremes = Image.fromarray(np.where(rng.random((300, 211, 1)) < 0.5, 0, 255).repeat(3, 2).astype(np.uint8))
    check("resize of black and white", pixels(["resize", 97, 41], save(extremes, "PNG")), np.asarray(extremes.resize((97, 41), Image.BILINEAR)))


def png_modes():
    base = photo(67, 45)
    rgba = base.copy()
    rgba.putalpha(Image.fromarray(rng.integers(0, 256, (45, 67), np.uint8)))
    la = base.convert("L")
    la.putalpha(rgba.getchannel("A"))
    yield "RGB", base, {}
    yield "RGBA", rgba, {}
    yield "L", base.convert("L"), {}
    yield "LA", la, {}
    yield "1", base.convert("1"), {}
    for bits in (1, 2, 4, 8):
        yield f"P{bits}", base.convert("P", palette=Image.ADAPTIVE, colors=1 << bits), {"bits": bits}
    yield "P with tRNS", base.convert("P", palette=Image.ADAPTIVE, colors=64), {"transparency": bytes(range(64))}
    yield "RGB with tRNS", base, {"transparency": (1, 2, 3)}
    yield "L with tRNS", base.convert("L"), {"transparency": 7}
    yield "1x1", base.crop((0, 0, 1, 1)), {}


def chunk(kind, data):
    import zlib
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def raw_png(array, kind, depth, interlaced=False, extra=b"", after=b""):
    """array: h x w x channels of 8 or 16 bits; Pillow writes neither 16-bit colour nor interlaced files."""
    import zlib
    h, w = array.shape[:2]
    passes = [array] if not interlaced else [array[y::dy, x::dx] for x, y, dx, dy in ADAM7]
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else np.uint8).tobytes() for p in passes if p.size for row in p)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(rows)) + after + chunk(b"IEND", b"")


def check_png():
    for name, image, options in png_modes():
        check("PNG " + name, pixels(["decode"], save(image, "PNG", **options)), np.asarray(image.convert("RGB")))
    for w, h in [(1, 1), (3, 2), (5, 9), (67, 45)]:
        a = rng.integers(0, 256, (h, w, 3), np.uint8)
        check(f"interlaced {w}x{h}", pixels(["decode"], raw_png(a, 2, 8, True)), a)
        check(f"interlaced gray {w}x{h}", pixels(["decode"], raw_png(a[..., :1], 0, 8, True)), a[..., :1].repeat(3, 2))
    deep = rng.integers(0, 65536, (9, 13, 4)).astype(np.uint16)
    for kind, channels in ((2, 3), (6, 4)):
        data = raw_png(deep[..., :channels], kind, 16)
        check(f"16 bit, type {kind}", pixels(["decode"], data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    check("16 bit gray keeps the high byte", pixels(["decode"], raw_png(deep[..., :1], 0, 16)), (deep[..., :1] >> 8).repeat(3, 2))
    check("16 bit gray and alpha", pixels(["decode"], raw_png(deep[..., :2], 4, 16)), (deep[..., :1] >> 8).repeat(3, 2))


def check_jpeg():
    base = photo(123, 77)
    for options in ({"quality": 90}, {"quality": 75, "subsampling": 2}, {"quality": 95, "subsampling": 0}, {"quality": 80, "progressive": True}, {"quality": 85, "subsampling": 1}):
        for image in (base, base.convert("L"), base.convert("CMYK"), base.crop((0, 0, 1, 1)), base.crop((0, 0, 17, 1))):
            data = save(image, "JPEG", **options)
            check(f"JPEG {image.mode} {image.size} {options}", pixels(["decode"], data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def check_orientation():
    base = photo(40, 24)
    for o in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = o
        for order in (">", "<"):
            tiff = (b"MM" if order == ">" else b"II") + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, o, 0, 0)
            for name, data in (("JPEG", save(base, "JPEG", exif=b"Exif\0\0" + tiff)), ("PNG", save(base, "PNG", exif=tiff))):
                want = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
                check(f"{name} with orientation {o} {order}", pixels(["decode"], data), want)
        data = save(base, "JPEG", exif=exif.tobytes())
        check(f"JPEG with Pillow's EXIF, orientation {o}", pixels(["decode"], data), np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))
        late = raw_png(np.asarray(base), 2, 8, after=chunk(b"eXIf", tiff))
        check(f"PNG with late eXIf, orientation {o}", pixels(["decode"], late), np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(late)))))


def resized(image, profile):
    if profile == "squash":
        return image.resize((224, 224), Image.BILINEAR)
    w, h = image.size
    short = {"center-crop": 256, "short-448": 448}[profile]
    size = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    image = image.resize(size, Image.BILINEAR)
    if profile == "short-448":
        return image
    left, top = int(round((size[0] - 224) / 2.0)), int(round((size[1] - 224) / 2.0))
    return image.crop((left, top, left + 224, top + 224))


def preprocessed(profile, hinted, data):
    size, raw = run(["preprocess", profile, int(hinted)], data)
    assert size, raw
    return np.frombuffer(raw, np.float32).reshape(3, size[1], size[0])


def check_preprocess():
    for w, h in [(500, 375), (375, 500), (256, 257), (257, 256), (224, 224), (300, 1000), (1001, 300), (3, 2), (1, 1), (640, 479)] + [
            (random.randint(100, 700), random.randint(100, 700)) for _ in range(4)]:
        image = photo(w, h, w)
        data = save(image, "PNG", compress_level=1)
        for profile in ("squash", "center-crop") + (("short-448",) if 100 < w < 400 else ()):
            want = (np.asarray(resized(image, profile), np.float32).transpose(2, 0, 1) / 255 - IMAGENET[0, :, None, None]) / IMAGENET[1, :, None, None]
            check(f"{profile} of {w}x{h}", preprocessed(profile, False, data), want, 2e-6)


def check_reduction():
    """Large photographs decoded at reduced scale give nearly the same input; smaller ones are decoded in full."""
    global failures
    for n, (w, h) in enumerate([(2048, 2050), (1900, 2040)]):
        data = save(photo(w // 2, h // 2, n).resize((w, h), Image.BICUBIC), "JPEG", quality=85)
        full, small = preprocessed("center-crop", False, data), preprocessed("center-crop", True, data)
        difference = np.abs(full - small) * IMAGENET[1, :, None, None] * 255
        figures = difference.max(), np.percentile(difference, 99.9), difference.mean()
        print(f"{w}x{h} at reduced scale: largest {figures[0]:.1f}, 99.9 % within {figures[1]:.1f}, mean {figures[2]:.2f} grey levels")
        reduced = min(w, h) >= 8 * 256
        if figures[0] > 8.01 or figures[1] > 3.01 or figures[2] > 0.8 or (figures[0] > 0) != reduced:
            failures += 1
            print("outside what image.h promises")


for part in (check_resize, check_png, check_jpeg, check_orientation, check_preprocess, check_reduction):
    part()
print("failures:", failures)
sys.exit(failures != 0)
