# SPDX-License-Identifier: Apache-2.0
"""Renders traffic signs of 96x96 pixels, with the pixels known in which two classes differ.

    conditions = draw_conditions(seed=7, level="hard")
    picture = render("no right turn", conditions)                        # uint8, 96 x 96 x 3
    without = render("no right turn", conditions, leave_out=["arrow head"])
    telling = difference_mask("no right turn", "no left turn", conditions)  # bool, 96 x 96

Run as a program, it writes a montage of pictures: render.py OUT.png [--level hard] [--seed 1].
"""
import argparse

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from conditions import LEVELS, SIZE, Conditions, draw_conditions
from designs import CLASSES, TEXTURE, TEXTURE_REACH, confusable_pairs, part_texture, parts, texture

__all__ = ["CLASSES", "LEVELS", "SIZE", "Conditions", "background_objects", "confusable_pairs", "difference_mask",
           "draw_conditions", "occluders", "part_map", "parts", "render", "sign_mask"]

SUPERSAMPLE = 3
DIFFERENCE_THRESHOLD = 8   # of 255: below it, a person sees no difference either

_AXIS = (np.arange(SIZE, dtype=np.float32) + .5) / SIZE - .5
_X, _Y = np.meshgrid(_AXIS, _AXIS)


# --- geometry -----------------------------------------------------------------------------------

def _warp(image, conditions, scale, resample):
    """Sees a texture in the pose of the conditions, on a canvas of SIZE * scale pixels."""
    to_unit = np.linalg.inv(np.diag([scale, scale, 1.0]) @ conditions.homography)
    half = TEXTURE / 2
    to_texel = np.array([[half / TEXTURE_REACH, 0, half], [0, half / TEXTURE_REACH, half], [0, 0, 1]]) @ to_unit
    side = SIZE * scale
    return image.transform((side, side), Image.PERSPECTIVE, tuple((to_texel / to_texel[2, 2]).ravel()[:8]), resample)


def _draw_objects(image, objects, leave_out, opaque=()):
    draw = ImageDraw.Draw(image)
    for thing in objects:
        if thing.name in leave_out:
            continue
        for polygon, colour in thing.shapes:
            fill = tuple(int(band) for band in np.clip(colour, 0, 255)) + tuple(opaque)
            draw.polygon([tuple(point) for point in polygon * SUPERSAMPLE], fill=fill)
    return image


def _layer(image):
    """A premultiplied 4-band image at full size -> colour (0..255) and coverage (0..1) of each pixel."""
    bands = np.asarray(image.reduce(SUPERSAMPLE), np.float32)
    return bands[:, :, :3], bands[:, :, 3:] / 255


def _smooth_noise(rng, cells):
    grid = Image.fromarray(rng.standard_normal((cells, cells)).astype(np.float32), "F")
    return np.asarray(grid.resize((SIZE, SIZE), Image.BICUBIC))


# --- layers -------------------------------------------------------------------------------------

def _background(conditions, leave_out):
    side = SIZE * SUPERSAMPLE
    image = Image.new("RGB", (side, side), tuple(int(band) for band in conditions.sky))
    horizon = int(side * conditions.horizon)
    image.paste(tuple(int(band) for band in conditions.ground), (0, horizon, side, side))
    _draw_objects(image, conditions.background, leave_out)
    picture = np.asarray(image.reduce(SUPERSAMPLE), np.float32)
    rng = np.random.RandomState(conditions.seed ^ 0x5eed)
    grain = _smooth_noise(rng, 5) + .7 * _smooth_noise(rng, 14) + .5 * _smooth_noise(rng, 40)
    return picture * (1 + .6 * conditions.texture * grain[:, :, None])


def _sign(class_name, conditions, leave_out):
    names = frozenset(parts(class_name)) & frozenset(leave_out)
    warped = _warp(texture(class_name, names), conditions, SUPERSAMPLE, Image.BILINEAR)
    colour, cover = _layer(warped)
    rng = np.random.RandomState(conditions.seed ^ 0xd127)
    dirt = 1 - conditions.dirt * np.clip(_smooth_noise(rng, 9) + .5 * _smooth_noise(rng, 30), 0, 1.5)
    return colour @ conditions.paint.T.astype(np.float32) * dirt[:, :, None], cover


def _occlusion(conditions, leave_out):
    side = SIZE * SUPERSAMPLE
    image = Image.new("CMYK", (side, side), (0, 0, 0, 0))
    return _layer(_draw_objects(image, conditions.occluders, leave_out, opaque=(255,)))


def _flecks(weather):
    side = SIZE * SUPERSAMPLE
    image = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(image)
    for polygon in weather.flecks:
        draw.polygon([tuple(point) for point in polygon * SUPERSAMPLE], fill=255)
    return np.asarray(image.reduce(SUPERSAMPLE), np.float32)[:, :, None] / 255


# --- optics -------------------------------------------------------------------------------------

def _weathered(picture, weather):
    picture = picture * (1 - weather.haze) + weather.haze_colour.astype(np.float32) * weather.haze
    if weather.flecks:
        share = _flecks(weather) * weather.opacity
        picture = picture * (1 - share) + 235 * share
    return picture


def _motion_kernel(length, angle):
    kernel = np.zeros((5, 5), np.float32)
    for step in np.linspace(-.5, .5, 9):
        x, y = 2 + step * length * np.cos(angle), 2 + step * length * np.sin(angle)
        column, row = int(np.clip(np.floor(x), 0, 3)), int(np.clip(np.floor(y), 0, 3))
        fx, fy = x - column, y - row
        kernel[row:row + 2, column:column + 2] += np.outer([1 - fy, fy], [1 - fx, fx])
    return ImageFilter.Kernel((5, 5), (kernel / kernel.sum()).ravel().tolist(), scale=1)


def _blurred(picture, conditions):
    image = Image.fromarray(np.clip(picture + .5, 0, 255).astype(np.uint8), "RGB")
    image = image.filter(ImageFilter.GaussianBlur(conditions.blur))
    if conditions.motion[0] > .3:
        image = image.filter(_motion_kernel(*conditions.motion))
    return np.asarray(image, np.float32)


def _lit(picture, light):
    """Gain, gamma, colour cast, a gradient from edge to edge and a soft band of shadow."""
    level = light.gain * (1 + light.gradient[0] * _X + light.gradient[1] * _Y)
    if light.shadow:
        nx, ny, offset, half, factor = light.shadow
        distance = np.abs(nx * _X + ny * _Y - offset) - half
        level = level * (factor + (1 - factor) / (1 + np.exp(np.clip(-distance * 60, -30, 30))))
    bright = np.clip(picture / 255, 0, 1) ** np.float32(light.gamma)
    return bright * level[:, :, None] * light.cast.astype(np.float32)


def _noisy(picture, conditions):
    rng = np.random.RandomState(conditions.seed ^ 0x9015e)
    return picture + conditions.noise * rng.standard_normal((SIZE, SIZE, 3)).astype(np.float32)


# --- the interface ------------------------------------------------------------------------------

def background_objects(conditions):
    """The names of the things behind the sign, the sign's own pole among them."""
    return [thing.name for thing in conditions.background]


def occluders(conditions):
    """The names of the things in front of the sign."""
    return [thing.name for thing in conditions.occluders]


def render(class_name, conditions, leave_out=()):
    """Draws a sign of the class under the conditions: uint8, 96 x 96 x 3 (height, width, RGB).

    leave_out names parts of the sign (see parts), things behind it (see background_objects) or in
    front of it (see occluders) that are not drawn.  All else stays as it was: what lies under a
    part that is left out shows, and light, weather and noise are the same.
    """
    known = set(parts(class_name)) | set(background_objects(conditions)) | set(occluders(conditions))
    unknown = set(leave_out) - known
    if unknown:
        raise ValueError("nothing to leave out by the name of %s" % ", ".join(sorted(unknown)))
    picture = _background(conditions, leave_out)
    for colour, cover in (_sign(class_name, conditions, leave_out), _occlusion(conditions, leave_out)):
        picture = picture * (1 - cover) + colour
    picture = _blurred(_weathered(picture, conditions.weather), conditions)
    picture = _noisy(_lit(picture, conditions.light), conditions)
    return (np.clip(picture, 0, 1) * 255 + .5).astype(np.uint8)


def difference_mask(p, q, conditions, threshold=DIFFERENCE_THRESHOLD):
    """The pixels (bool, 96 x 96) in which P and Q differ under the same conditions, noise included."""
    difference = render(p, conditions).astype(int) - render(q, conditions)
    return np.abs(difference).max(axis=2) > threshold


def part_map(class_name, conditions):
    """Which part of the sign each pixel shows: (uint8 96 x 96, names).

    0 stands for no part, or one that something in front of the sign hides; i for names[i].  names
    begins with "" and then lists parts(class_name) in order.
    """
    seen = np.asarray(_warp(part_texture(class_name), conditions, 1, Image.NEAREST)).copy()
    _, cover = _occlusion(conditions, ())
    seen[cover[:, :, 0] > .5] = 0
    return seen, [""] + parts(class_name)


def sign_mask(class_name, conditions):
    """The pixels (bool, 96 x 96) within the sign's outline, hidden or not."""
    return np.asarray(_warp(part_texture(class_name), conditions, 1, Image.NEAREST)) > 0


def montage(pictures, columns):
    rows = [np.concatenate(pictures[start:start + columns], axis=1) for start in range(0, len(pictures), columns)]
    return Image.fromarray(np.concatenate(rows, axis=0))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="PNG file to write")
    parser.add_argument("--level", choices=LEVELS, default="hard")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=4, help="pictures of each class")
    arguments = parser.parse_args()
    pictures = [render(name, draw_conditions(arguments.seed + 31 * index + 1009 * copy, arguments.level))
                for copy in range(arguments.each) for index, name in enumerate(CLASSES)]
    montage(pictures, 12).save(arguments.out)


if __name__ == "__main__":
    main()
