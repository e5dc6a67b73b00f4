# SPDX-License-Identifier: Apache-2.0
"""The traffic signs: every class as a list of named parts made of polygons.

Unit coordinates: the sign is centred on (0, 0), x to the right, y down, and lies within about
[-1, 1].  There are no fonts and no pictures: digits and letters are strokes of their own, so the
signs are the same wherever they are drawn.
"""
import functools
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

TEXTURE = 256          # texels along each side of a sign's texture
TEXTURE_REACH = 1.12   # the texture shows [-TEXTURE_REACH, TEXTURE_REACH] in unit coordinates
_OVERSAMPLE = 4

RED = (192, 28, 40)
WHITE = (240, 240, 236)
BLACK = (22, 22, 26)
BLUE = (24, 78, 168)
YELLOW = (248, 192, 24)


class Part(NamedTuple):
    """A named part: the union of `fill`, less the union of `cut`, in one colour."""
    name: str
    colour: tuple
    fill: list
    cut: list = []


# --- shapes -------------------------------------------------------------------------------------

def ellipse(cx, cy, rx, ry, start=0.0, stop=360.0, count=48):
    """Points of an elliptic arc; angles in degrees, clockwise from the right as seen."""
    angles = np.radians(np.linspace(start, stop, count))
    return np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], axis=1)


def disc(radius, cx=0.0, cy=0.0):
    return ellipse(cx, cy, radius, radius, count=72)


def box(x0, y0, x1, y1):
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def stroke(points, width, round_ends=True):
    """Polygons of a thick line through the points: one quadrilateral a segment, discs at the joints."""
    points = np.asarray(points, float)
    polygons = []
    for a, b in zip(points[:-1], points[1:]):
        along = b - a
        normal = np.array([-along[1], along[0]]) * (width / 2 / max(np.hypot(*along), 1e-9))
        polygons.append(np.array([a + normal, b + normal, b - normal, a - normal]))
    joints = points if round_ends else points[1:-1]
    polygons += [ellipse(x, y, width / 2, width / 2, count=20) for x, y in joints]
    return polygons


def rounded(points, radius):
    """Polygons of a convex polygon grown by `radius`, with round corners."""
    points = np.asarray(points, float)
    return [points] + stroke(np.vstack([points, points[:1]]), 2 * radius)


def mirrored(polygons):
    return [polygon * np.array([-1.0, 1.0]) for polygon in polygons]


def scaled(points, factor, centre=(0.0, 0.0)):
    centre = np.asarray(centre, float)
    return (np.asarray(points, float) - centre) * factor + centre


# --- digits and letters -------------------------------------------------------------------------

def _digit_lines(digit):
    if digit == "3":
        return [np.vstack([ellipse(0, -.19, .19, .19, -155, 90), ellipse(0, .19, .21, .21, -90, 155)])]
    if digit == "5":
        top = np.array([(.18, -.38), (-.15, -.38), (-.17, -.05)])
        return [np.vstack([top, ellipse(-.01, .15, .21, .24, -140, 150)])]
    if digit == "8":
        return [ellipse(0, -.2, .165, .185), ellipse(0, .19, .205, .205)]
    if digit == "0":
        return [ellipse(0, 0, .2, .39)]
    raise KeyError(digit)


def digit_shape(digit, cx):
    polygons = []
    for line in _digit_lines(digit):
        polygons += stroke(line + np.array([cx, 0.0]), .14)
    return polygons


def lettering():
    """The word STOP in strokes."""
    s = np.vstack([ellipse(0, -.13, .11, .12, -20, -270, 24), ellipse(0, .12, .11, .13, -90, 160, 24)])
    t = [np.array([(-.13, -.25), (.13, -.25)]), np.array([(0, -.25), (0, .25)])]
    o = ellipse(0, 0, .13, .25)
    p = np.vstack([[(-.1, .25), (-.1, -.25)], ellipse(-.02, -.12, .14, .13, -90, 90, 24), [(-.1, .01)]])
    polygons = []
    for centre, lines in ((-.56, [s]), (-.19, t), (.19, [o]), (.57, [p])):
        for line in lines:
            polygons += stroke(line + np.array([centre, 0.0]), .1)
    return polygons


# --- frames -------------------------------------------------------------------------------------
# A plate reaches a little under its border, so that no seam of background shows between the two.

def ring_frame(plate_colour=WHITE):
    return [Part("plate", plate_colour, [disc(.80)]), Part("border", RED, [disc(1.0)], [disc(.78)])]


def blue_frame():
    return [Part("plate", BLUE, [disc(.95)]), Part("border", WHITE, [disc(1.0)], [disc(.93)])]


_TRIANGLE = np.array([(0, -.88), (.92, .70), (-.92, .70)])


def triangle_frame(upside_down=False):
    flip = np.array([1.0, -1.0 if upside_down else 1.0])
    centre = np.array([0.0, .173]) * flip
    outer = _TRIANGLE * flip
    plate = rounded(scaled(outer, .76, centre), .04)
    border = rounded(outer, .09)
    hole = rounded(scaled(outer, .74, centre), .04)
    return [Part("plate", WHITE, plate), Part("border", RED, border, hole)]


def diamond_frame():
    corners = np.array([(0, -.92), (.92, 0), (0, .92), (-.92, 0)])
    return [Part("border", WHITE, rounded(corners, .06)),
            Part("border line", BLACK, rounded(scaled(corners, .93), .02), rounded(scaled(corners, .90), .02)),
            Part("plate", YELLOW, rounded(scaled(corners, .68), .03))]


def octagon_frame():
    angles = np.radians(np.arange(22.5, 360, 45))
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return [Part("plate", RED, [corners * .96]), Part("border", WHITE, [corners], [corners * .93])]


# --- symbols (all pointing right; `side` mirrors them) ------------------------------------------

def _sided(parts, side):
    if side == "right":
        return parts
    return [part._replace(fill=mirrored(part.fill), cut=mirrored(part.cut)) for part in parts]


def turn_arrow(colour, side, size=1.0):
    """An arrow that goes straight up and then turns: only arm and head tell right from left."""
    width = .2 * size
    y = -.2 * size
    trunk = stroke([(0, .62 * size), (0, y)], width, round_ends=False) + [ellipse(0, y, width / 2, width / 2)]
    arm = stroke([(0, y), (.28 * size, y)], width, round_ends=False)
    head = [np.array([(.24, -.2 - .36), (.74, -.2), (.24, -.2 + .36)]) * size]
    return _sided([Part("arrow shaft", colour, trunk), Part("arrow arm", colour, arm),
                   Part("arrow head", colour, head)], side)


def straight_arrow(colour, angle):
    """An arrow through the centre; angle in degrees, 0 pointing up, clockwise."""
    shaft = stroke([(0, .62), (0, -.1)], .22, round_ends=False)
    head = [np.array([(-.4, -.08), (0, -.68), (.4, -.08)])]
    turn = np.radians(angle)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return [Part("arrow shaft", colour, [polygon @ matrix for polygon in shaft]),
            Part("arrow head", colour, [polygon @ matrix for polygon in head])]


def curve_arrow(side):
    line = [(-.2, .52), (-.2, .32), (-.16, .2), (-.08, .12), (.05, .08)]
    shaft = stroke(line, .13, round_ends=False)
    head = [np.array([(-.01, -.14), (.36, .03), (.05, .29)])]
    return _sided([Part("arrow shaft", BLACK, shaft), Part("arrow head", BLACK, head)], side)


def car(colour, name, cx):
    body = np.array([(-.24, .02), (-.2, -.02), (-.13, -.18), (.13, -.18), (.2, -.02), (.24, .02), (.24, .2),
                     (.14, .2), (.14, .14), (-.14, .14), (-.14, .2), (-.24, .2)])
    window = np.array([(-.14, -.02), (-.09, -.12), (.09, -.12), (.14, -.02)])
    shift = np.array([cx, 0.0])
    return Part(name, colour, [body * 1.15 + shift], [window * 1.15 + shift])


def walker():
    lines = [[(0, -.1), (0, .15)], [(0, .14), (-.1, .28), (-.16, .42)], [(0, .14), (.1, .28), (.13, .42)],
             [(0, -.07), (-.14, .09)], [(0, -.07), (.15, .07)]]
    polygons = [disc(.085, 0, -.23)]
    for line in lines:
        polygons += stroke(line, .085)
    stripes = [box(x - .05, .46, x + .05, .55) for x in (-.45, -.27, -.09, .09, .27, .45)]
    return [Part("pedestrian", BLACK, polygons), Part("stripes", BLACK, stripes)]


def digger():
    lines = [[(-.08, -.05), (-.16, .17)], [(-.16, .17), (-.05, .32), (-.1, .5)], [(-.16, .17), (-.27, .34), (-.36, .5)],
             [(-.08, -.03), (.05, .1), (.1, .16)]]
    polygons = [disc(.085, -.03, -.16)]
    for line in lines:
        polygons += stroke(line, .1)
    shovel = stroke([(-.12, .06), (.2, .33)], .05)
    heap = [np.array([(.08, .54), (.18, .36), (.27, .27), (.38, .38), (.5, .54)])]
    return [Part("worker", BLACK, polygons), Part("shovel", BLACK, shovel), Part("heap", BLACK, heap)]


def exclamation():
    return [Part("bar", BLACK, [np.array([(-.1, -.3), (.1, -.3), (.055, .24), (-.055, .24)]),
                                ellipse(0, -.3, .1, .1)]),
            Part("dot", BLACK, [disc(.1, 0, .42)])]


def slash(name, colour, start, stop, width):
    return Part(name, colour, stroke([start, stop], width, round_ends=False))


# --- classes ------------------------------------------------------------------------------------

def _speed_limit(number):
    return ring_frame() + [Part("digit tens", BLACK, digit_shape(number[0], -.32)),
                           Part("digit ones", BLACK, digit_shape(number[1], .32))]


def _no_turn(side):
    # The symbol lies over the slash: under it, the slash would hide one of the two heads.
    bar = slash("slash", RED, (-.57, -.57), (.57, .57), .15)
    return ring_frame() + [bar] + turn_arrow(BLACK, side, .88)


def _designs():
    no_parking = ring_frame(BLUE) + [slash("slash", RED, (-.57, -.57), (.57, .57), .19)]
    return {
        "speed limit 30": _speed_limit("30"),
        "speed limit 50": _speed_limit("50"),
        "speed limit 80": _speed_limit("80"),
        "no left turn": _no_turn("left"),
        "no right turn": _no_turn("right"),
        "turn left ahead": blue_frame() + turn_arrow(WHITE, "left"),
        "turn right ahead": blue_frame() + turn_arrow(WHITE, "right"),
        "ahead only": blue_frame() + straight_arrow(WHITE, 0),
        "keep left": blue_frame() + straight_arrow(WHITE, -135),
        "keep right": blue_frame() + straight_arrow(WHITE, 135),
        "curve left": triangle_frame() + curve_arrow("left"),
        "curve right": triangle_frame() + curve_arrow("right"),
        "no entry": [Part("plate", RED, [disc(.97)]), Part("border", WHITE, [disc(1.0)], [disc(.94)]),
                     Part("bar", WHITE, [box(-.7, -.17, .7, .17)])],
        "no vehicles": ring_frame(),
        "no overtaking": ring_frame() + [car(RED, "left car", -.34), car(BLACK, "right car", .34)],
        "no parking": no_parking,
        "no stopping": no_parking + [slash("second slash", RED, (.57, -.57), (-.57, .57), .19)],
        "yield": triangle_frame(upside_down=True),
        "stop": octagon_frame() + [Part("lettering", WHITE, lettering())],
        "priority road": diamond_frame(),
        "end of priority road": diamond_frame() + [slash("slash", BLACK, (.50, -.50), (-.50, .50), .18)],
        "roadworks": triangle_frame() + digger(),
        "pedestrian crossing": triangle_frame() + walker(),
        "general danger": triangle_frame() + exclamation(),
    }


DESIGNS = _designs()
CLASSES = list(DESIGNS)

_PAIRS = [
    ("no right turn", "no left turn"),
    ("turn right ahead", "turn left ahead"),
    ("keep right", "keep left"),
    ("curve right", "curve left"),
    ("speed limit 30", "speed limit 50"),
    ("speed limit 30", "speed limit 80"),
    ("speed limit 50", "speed limit 80"),
    ("no stopping", "no parking"),
    ("end of priority road", "priority road"),
    ("no overtaking", "no vehicles"),
    ("roadworks", "pedestrian crossing"),
]


def confusable_pairs():
    """The pairs of classes that differ in one detail, each as (P, Q)."""
    return list(_PAIRS)


def parts(class_name):
    """The names of a sign's parts, in the order in which they are drawn."""
    return [part.name for part in DESIGNS[class_name]]


# --- textures -----------------------------------------------------------------------------------

def _part_mask(part):
    side = TEXTURE * _OVERSAMPLE
    image = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(image)
    for polygons, value in ((part.fill, 255), (part.cut, 0)):
        for polygon in polygons:
            pixels = (polygon / TEXTURE_REACH + 1) * (side / 2)
            draw.polygon([tuple(point) for point in pixels], fill=value)
    return np.asarray(image.reduce(_OVERSAMPLE), np.float32) / 255


@functools.lru_cache(maxsize=None)
def part_masks(class_name):
    """Coverage of each part in the sign's texture: float32, (parts, TEXTURE, TEXTURE)."""
    return np.stack([_part_mask(part) for part in DESIGNS[class_name]])


@functools.lru_cache(maxsize=256)
def texture(class_name, left_out=frozenset()):
    """The sign seen straight on: a 4-band image, colour premultiplied by coverage, then coverage.

    Premultiplied, so that resampling mixes no colour of empty texels into the sign's edge.  The
    mode is CMYK only because it is Pillow's plain mode of four bands: no ink is meant.
    """
    colour = np.zeros((TEXTURE, TEXTURE, 3), np.float32)
    cover = np.zeros((TEXTURE, TEXTURE, 1), np.float32)
    for part, mask in zip(DESIGNS[class_name], part_masks(class_name)):
        if part.name in left_out:
            continue
        mask = mask[:, :, None]
        colour = colour * (1 - mask) + np.array(part.colour, np.float32) * mask
        cover = cover * (1 - mask) + mask
    bands = np.concatenate([colour, cover * 255], axis=2)
    return Image.fromarray((bands + .5).astype(np.uint8), "CMYK")


@functools.lru_cache(maxsize=None)
def part_texture(class_name):
    """Which part is on top in each texel: 0 none, else 1 + the index in parts()."""
    top = np.zeros((TEXTURE, TEXTURE), np.uint8)
    for index, mask in enumerate(part_masks(class_name)):
        top[mask > .5] = index + 1
    return Image.fromarray(top, "L")
