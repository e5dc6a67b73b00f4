# SPDX-License-Identifier: Apache-2.0
"""The conditions under which a sign is seen: pose, light, weather, background, occlusion, noise.

Everything random is drawn here, from a seed and a level of difficulty, and nothing here knows the
class.  Two signs can therefore be drawn under the very same conditions, and the pixels in which
they then differ are those, and only those, in which the two classes differ.

numpy.random.RandomState is used on purpose: its streams are frozen, those of the newer generators
are not.
"""
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

import numpy as np

from designs import disc, ellipse, stroke

SIZE = 96
LEVELS = ("easy", "normal", "hard")


class SceneObject(NamedTuple):
    """A named thing in the picture: polygons in picture coordinates (pixels), each with its colour."""
    name: str
    shapes: list


class Light(NamedTuple):
    gain: float
    gamma: float
    cast: np.ndarray
    gradient: np.ndarray     # (dx, dy): relative brightness added from edge to edge
    shadow: Optional[tuple]  # (nx, ny, offset, half width, factor): a soft band of shadow


class Weather(NamedTuple):
    kind: str                # "clear", "rain", "snow" or "fog"
    haze: float              # share of the picture replaced by the haze's colour
    haze_colour: np.ndarray
    flecks: list             # polygons of streaks and flakes, in pixels
    opacity: float


@dataclass
class Conditions:
    """All that is random about a picture, but for the class of its sign."""
    seed: int
    level: str
    centre: np.ndarray = None
    radius: float = 0.0
    homography: np.ndarray = None   # unit coordinates of the sign -> pixels
    paint: np.ndarray = None        # 3x3: how faded or tinted the sign's paint is
    dirt: float = 0.0
    sky: np.ndarray = None
    ground: np.ndarray = None
    horizon: float = 0.0
    texture: float = 0.0
    background: list = field(default_factory=list)
    occluders: list = field(default_factory=list)
    weather: Weather = None
    light: Light = None
    blur: float = 0.0
    motion: tuple = (0.0, 0.0)      # length in pixels, angle
    noise: float = 0.0


class _Level(NamedTuple):
    radius: tuple
    angle: float
    corner: float
    gain: tuple
    gamma: float
    cast: float
    gradient: float
    shadow: float
    objects: tuple
    occluders: tuple
    weather: float
    haze: float
    blur: float
    motion: float
    noise: tuple
    fade: float


_LEVELS = {
    "easy": _Level((32, 41), 3, .03, (.85, 1.1), .1, .03, .1, 0, (0, 3), (0, 0), 0, 0, .3, 0, (.003, .01), .1),
    "normal": _Level((29, 41), 8, .07, (.65, 1.2), .25, .08, .3, .4, (2, 6), (0, 1), .4, .25, .7, 1.5,
                     (.005, .03), .2),
    "hard": _Level((25, 41), 14, .12, (.45, 1.35), .4, .15, .5, .7, (4, 10), (1, 3), 1, .4, 1.05, 2.8,
                   (.015, .055), .35),
}


def _colour(rng, low=20, high=235):
    return rng.uniform(low, high, 3)


def _sky_and_ground(rng):
    """Mostly colours that a street has; else any, so that the background says nothing of the class."""
    if rng.rand() < .3:
        return _colour(rng, 60, 240), _colour(rng, 30, 180)
    sky = np.array([(120, 165, 220), (165, 185, 205), (200, 205, 210), (225, 190, 160)][rng.randint(4)], float)
    ground = np.array([(100, 100, 102), (85, 115, 60), (140, 120, 95), (120, 130, 110)][rng.randint(4)], float)
    return sky + rng.uniform(-25, 25, 3), ground + rng.uniform(-25, 25, 3)


def _vivid(rng):
    """A colour as signs have it, so that colour alone says nothing about where the sign is."""
    base = np.array([(192, 28, 40), (24, 78, 168), (248, 192, 24), (240, 240, 236), (22, 22, 26)], float)
    return np.clip(base[rng.randint(len(base))] + rng.uniform(-25, 25, 3), 0, 255)


# --- background ---------------------------------------------------------------------------------

def _pole(rng):
    x, width = rng.uniform(0, SIZE), rng.uniform(1, 4)
    top = rng.uniform(-10, 60)
    lean = rng.uniform(-3, 3)
    return [(np.array([(x, top), (x + width, top), (x + width + lean, SIZE), (x + lean, SIZE)]), _colour(rng, 30, 190))]


def _building(rng):
    x, width = rng.uniform(-20, 86), rng.uniform(18, 50)
    top, bottom = rng.uniform(-10, 50), rng.uniform(60, 100)
    wall = _colour(rng, 60, 220)
    shapes = [(np.array([(x, top), (x + width, top), (x + width, bottom), (x, bottom)]), wall)]
    pane = wall * rng.uniform(.35, .8)
    step, size = rng.uniform(6, 12), rng.uniform(2.5, 5)
    for row in np.arange(top + 3, bottom - size, step):
        for column in np.arange(x + 3, x + width - size, step):
            corners = [(column, row), (column + size, row), (column + size, row + size), (column, row + size)]
            shapes.append((np.array(corners), pane))
    return shapes


def _tree(rng):
    x, y, size = rng.uniform(0, SIZE), rng.uniform(10, 70), rng.uniform(8, 22)
    green = np.array([rng.uniform(20, 110), rng.uniform(60, 150), rng.uniform(15, 70)])
    trunk = np.array([(x - 1.5, y), (x + 1.5, y), (x + 2, SIZE), (x - 2, SIZE)])
    shapes = [(trunk, np.array([80.0, 60.0, 40.0]) * rng.uniform(.5, 1.3))]
    for _ in range(9):
        dx, dy = rng.normal(0, size * .45, 2)
        radius = size * rng.uniform(.3, .6)
        shapes.append((ellipse(x + dx, y + dy, radius, radius, count=14), green * rng.uniform(.6, 1.3)))
    return shapes


def _disc(rng):
    x, y, radius = rng.uniform(0, SIZE), rng.uniform(0, SIZE), rng.uniform(3, 18)
    return [(disc(radius, x, y), _vivid(rng))]


def _ring(rng):
    x, y, radius = rng.uniform(0, SIZE), rng.uniform(0, SIZE), rng.uniform(5, 20)
    return [(disc(radius, x, y), _vivid(rng)), (disc(radius * rng.uniform(.6, .85), x, y), _vivid(rng))]


def _triangle(rng):
    centre = rng.uniform(0, SIZE, 2)
    corners = centre + rng.uniform(5, 18) * ellipse(0, 0, 1, 1, rng.uniform(0, 360), 0, 4)[:3]
    return [(corners, _vivid(rng))]


def _patch(rng):
    """A board of stripes."""
    x, y = rng.uniform(0, 80, 2)
    width, height = rng.uniform(8, 34, 2)
    count = rng.randint(1, 6)
    colours = [_vivid(rng), _vivid(rng)]
    edges = np.linspace(0, width, count + 1)
    return [(np.array([(x + a, y), (x + b, y), (x + b, y + height), (x + a, y + height)]), colours[i % 2])
            for i, (a, b) in enumerate(zip(edges[:-1], edges[1:]))]


def _bar(rng):
    start = rng.uniform(0, SIZE, 2)
    stop = start + rng.normal(0, 22, 2)
    colour = _vivid(rng)
    return [(polygon, colour) for polygon in stroke([start, stop], rng.uniform(2, 7), round_ends=False)]


_BACKGROUND = [("pole", _pole), ("building", _building), ("tree", _tree), ("disc", _disc), ("ring", _ring),
               ("triangle", _triangle), ("patch", _patch), ("bar", _bar)]


def _numbered(rng, makers, count):
    objects, seen = [], {}
    for _ in range(count):
        kind, make = makers[rng.randint(len(makers))]
        seen[kind] = seen.get(kind, 0) + 1
        objects.append(SceneObject("%s %d" % (kind, seen[kind]), make(rng)))
    return objects


def _sign_pole(rng, centre, radius):
    half = radius * rng.uniform(.05, .1)
    lean = rng.uniform(-4, 4)
    x, y = centre
    corners = np.array([(x - half, y), (x + half, y), (x + half + lean, SIZE + 1), (x - half + lean, SIZE + 1)])
    return SceneObject("sign pole", [(corners, np.full(3, rng.uniform(70, 190)))])


# --- occlusion ----------------------------------------------------------------------------------
# What hides the sign stays thin, small or at its rim: a person must still be able to tell the class.

def _leaf(rng, centre, radius):
    angle = rng.uniform(0, 2 * np.pi)
    middle = centre + radius * rng.uniform(.85, 1.05) * np.array([np.cos(angle), np.sin(angle)])
    green = np.array([rng.uniform(30, 130), rng.uniform(80, 160), rng.uniform(20, 70)])
    shapes = []
    for _ in range(4):
        spot = middle + rng.normal(0, radius * .12, 2)
        turn = rng.uniform(0, np.pi)
        rotate = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        blade = ellipse(0, 0, radius * rng.uniform(.12, .2), radius * rng.uniform(.06, .1), count=16)
        shapes.append((blade @ rotate + spot, green * rng.uniform(.7, 1.2)))
    return shapes


def _twig(rng, centre, radius):
    start = centre + radius * rng.uniform(-1.2, 1.2, 2)
    direction = rng.normal(0, 1, 2)
    stop = start + direction / np.hypot(*direction) * radius * 1.6
    colour = np.array([90.0, 70.0, 50.0]) * rng.uniform(.4, 1.4)
    return [(polygon, colour) for polygon in stroke([start, stop], radius * rng.uniform(.03, .06), round_ends=False)]


def _post(rng, centre, radius):
    side = 1 if rng.rand() < .5 else -1
    x = centre[0] + side * radius * rng.uniform(.75, 1.0)
    half = radius * rng.uniform(.05, .1)
    corners = np.array([(x - half, -1), (x + half, -1), (x + half, SIZE + 1), (x - half, SIZE + 1)])
    return [(corners, np.full(3, rng.uniform(40, 180)))]


def _sticker(rng, centre, radius):
    spot = centre + radius * rng.uniform(-.6, .6, 2)
    turn = rng.uniform(0, np.pi / 2)
    corners = ellipse(0, 0, 1, 1, 45, 405, 5)[:4] * radius * np.array([rng.uniform(.07, .13), rng.uniform(.07, .11)])
    rotate = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return [(corners @ rotate + spot, _colour(rng, 30, 230))]


_OCCLUDERS = [("leaf", _leaf), ("twig", _twig), ("post", _post), ("sticker", _sticker)]


def _draw_occluders(rng, level, centre, radius):
    makers = [(kind, lambda r, make=make: make(r, centre, radius)) for kind, make in _OCCLUDERS]
    low, high = level.occluders
    return _numbered(rng, makers, rng.randint(low, high + 1))


# --- weather and light --------------------------------------------------------------------------

def _rain(rng):
    slant = rng.uniform(-.4, .4)
    flecks = []
    for _ in range(rng.randint(25, 70)):
        start, length = rng.uniform(-8, SIZE, 2), rng.uniform(4, 14)
        flecks += stroke([start, start + length * np.array([slant, 1.0])], rng.uniform(.35, .8), round_ends=False)
    return flecks


def _snow(rng):
    return [ellipse(x, y, r, r, count=9)
            for x, y, r in zip(rng.uniform(0, SIZE, 60), rng.uniform(0, SIZE, 60), rng.uniform(.4, 1.4, 60))]


def _draw_weather(rng, level):
    kind = ("rain", "snow", "fog")[rng.randint(3)] if rng.rand() < level.weather else "clear"
    haze = {"clear": 0.0, "rain": .4, "snow": .5, "fog": 1.0}[kind] * level.haze * rng.uniform(.4, 1)
    flecks = {"rain": _rain, "snow": _snow}.get(kind, lambda _: [])(rng)
    return Weather(kind, haze, np.full(3, rng.uniform(150, 220)), flecks, rng.uniform(.3, .7))


def _draw_light(rng, level):
    shadow = None
    if rng.rand() < level.shadow:
        angle = rng.uniform(0, 2 * np.pi)
        shadow = (np.cos(angle), np.sin(angle), rng.uniform(-.4, .4), rng.uniform(.1, .6), rng.uniform(.45, .8))
    return Light(rng.uniform(*level.gain), np.exp(rng.uniform(-level.gamma, level.gamma)),
                 1 + rng.uniform(-level.cast, level.cast, 3), rng.uniform(-level.gradient, level.gradient, 2), shadow)


# --- pose ---------------------------------------------------------------------------------------

def solve_homography(source, target):
    """The 3x3 matrix that takes four source points to four target points."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows, float), np.array(values, float)), 1).reshape(3, 3)


def _draw_pose(rng, level):
    radius = rng.uniform(*level.radius)
    slack = max(SIZE / 2 - radius * .98, 0)
    centre = SIZE / 2 + rng.uniform(-slack, slack, 2)
    turn = np.radians(rng.uniform(-level.angle, level.angle))
    rotate = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    corners = (square + rng.uniform(-level.corner, level.corner, (4, 2)) * 1.4) @ rotate * radius + centre
    return centre, radius, solve_homography(square, corners)


def _draw_paint(rng, fade):
    """Faded paint loses saturation and takes a slight tint."""
    share = rng.uniform(0, fade)
    return np.eye(3) * (1 - share) + share / 3 + rng.uniform(-.06, .06, (3, 3)) * fade * 2


def draw_conditions(seed, level="hard"):
    """Draws conditions: the same seed and level give the same conditions on each machine."""
    rng = np.random.RandomState(seed)
    limits = _LEVELS[level]
    drawn = Conditions(seed=seed, level=level)
    drawn.centre, drawn.radius, drawn.homography = _draw_pose(rng, limits)
    drawn.paint = _draw_paint(rng, limits.fade)
    drawn.dirt = rng.uniform(0, limits.fade * .6)
    drawn.sky, drawn.ground = _sky_and_ground(rng)
    drawn.horizon = rng.uniform(.2, .9)
    drawn.texture = rng.uniform(.05, .3)
    low, high = limits.objects
    drawn.background = _numbered(rng, _BACKGROUND, rng.randint(low, high + 1))
    drawn.background.append(_sign_pole(rng, drawn.centre, drawn.radius))
    drawn.occluders = _draw_occluders(rng, limits, drawn.centre, drawn.radius)
    drawn.weather = _draw_weather(rng, limits)
    drawn.light = _draw_light(rng, limits)
    drawn.blur = rng.uniform(0, limits.blur)
    drawn.motion = (rng.uniform(0, limits.motion), rng.uniform(0, np.pi))
    drawn.noise = rng.uniform(*limits.noise)
    return drawn
