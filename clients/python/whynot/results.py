# SPDX-License-Identifier: Apache-2.0
"""Answers as Python objects: what the server sent, by name and with types. Nothing is computed anew, and what this version does not know stays
in to_dict()."""
from __future__ import annotations

import base64
import dataclasses
import io
import struct
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from . import show


@dataclasses.dataclass(frozen=True)
class Class:
    index: int
    label: str


@dataclasses.dataclass(frozen=True)
class Scored(Class):
    logit: float
    probability: float


@dataclasses.dataclass(frozen=True)
class Rival(Class):
    logit_gap: float
    relative_probability: float


@dataclasses.dataclass(frozen=True)
class Masking:
    """What hiding one side of a map did to the answer."""
    map: int
    rival: Class
    fill: str
    relative_probability: float
    keep_positive: float
    keep_negative: float
    area_positive: float
    area_negative: float
    turns: bool
    words: str


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Numbers beside the maps; None where the question has no such number."""
    probability: float
    rival: Optional[Class]
    logit_gap: Optional[float]
    relative_probability: Optional[float]
    rivals: Tuple[Rival, ...]
    masking: Tuple[Masking, ...]
    foils: Optional[int]

    @property
    def words(self) -> List[str]:
        return [m.words for m in self.masking]


def _class(raw: Mapping[str, Any]) -> Class:
    return Class(int(raw["index"]), str(raw["label"]))


def _scored(raw: Mapping[str, Any]) -> Scored:
    return Scored(int(raw["index"]), str(raw["label"]), float(raw["logit"]), float(raw["probability"]))


def _number(raw: Mapping[str, Any], key: str) -> Optional[float]:
    return None if raw.get(key) is None else float(raw[key])


def _evidence(raw: Mapping[str, Any]) -> Evidence:
    rivals = tuple(Rival(int(r["index"]), str(r["label"]), float(r["logit_gap"]), float(r["relative_probability"])) for r in raw.get("rivals", []))
    masking = tuple(Masking(int(m["map"]), _class(m["rival"]), str(m["fill"]), float(m["relative_probability"]), float(m["keep_positive"]),
                            float(m["keep_negative"]), float(m["area_positive"]), float(m["area_negative"]), bool(m["turns"]), str(m["words"]))
                    for m in raw.get("masking", []))
    return Evidence(float(raw["probability"]), _class(raw["rival"]) if raw.get("rival") else None, _number(raw, "logit_gap"),
                    _number(raw, "relative_probability"), rivals, masking, raw.get("foils"))


def array_of(raw: Mapping[str, Any]) -> Any:
    """{"dtype", "shape", "data"} as a numpy array, or as nested lists."""
    data, shape = base64.b64decode(raw["data"]), [int(n) for n in raw["shape"]]
    try:
        import numpy
        return numpy.frombuffer(data, "<f4").reshape(shape).copy()
    except ImportError:
        pass
    values: List[Any] = list(struct.unpack("<%df" % (len(data) // 4), data))
    for size in reversed(shape[1:]):
        values = [values[i:i + size] for i in range(0, len(values), size)]
    return values


def picture_of(data: bytes) -> Any:
    """PIL.Image where Pillow is there, else the bytes."""
    try:
        from PIL import Image
    except ImportError:
        return data
    return Image.open(io.BytesIO(data)).convert("RGB")


@dataclasses.dataclass(frozen=True)
class Heatmap:
    kind: str  # contrast, target, rival, mean or variance
    of: Class
    rival: Optional[Class]
    method: str
    contrast: str
    layer: str
    positive_means: str
    score: Optional[float]
    range: Optional[Tuple[float, float]]  # what the first and the last colour stand for
    peak: Optional[Tuple[int, int]]
    bbox: Optional[Tuple[int, int, int, int]]  # x, y, width, height
    share_positive: Optional[float]
    mass_positive: float
    mass_negative: float
    flat: bool
    empty: bool
    title: str  # the question that this map answers, in words
    raw: Dict[str, Any] = dataclasses.field(repr=False)

    @property
    def map(self) -> Any:
        """The numbers: not normalised, not enlarged. Needs "raw" among the outputs."""
        if "raw" not in self.raw:
            raise ValueError('the numbers were not asked for: outputs must have "raw"')
        return array_of(self.raw["raw"])

    def _png(self, key: str, output: str) -> bytes:
        if key not in self.raw:
            raise ValueError('this picture was not asked for: outputs must have "%s"' % output)
        return base64.b64decode(self.raw[key])

    @property
    def heatmap_png(self) -> bytes:
        return self._png("data", "heatmap")

    @property
    def overlay_png(self) -> bytes:
        return self._png("overlay", "overlay")

    def heatmap(self) -> Any:
        return picture_of(self.heatmap_png)

    def overlay(self) -> Any:
        return picture_of(self.overlay_png)

    @property
    def speaks(self) -> str:
        """What the positive numbers speak for: "for stop", "against stop", "against yield" or "for no class in particular"."""
        if self.kind == "variance" or self.positive_means == show.NO_CLASS:
            return show.NO_CLASS
        if self.positive_means == "against the class":
            return "against " + self.of.label
        if self.positive_means == "against the rival":
            return "against " + (self.rival.label if self.rival else "the others")
        if self.positive_means == "for no class in particular":
            return self.positive_means
        return "for " + self.of.label


def _either(classes: Sequence[Mapping[str, Any]]) -> str:
    """A, B or C."""
    labels = [str(c["label"]) for c in classes]
    return " or ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)


def _title(raw: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """Maps of the kinds target and rival are each of one class, whatever else was asked."""
    kind, of, rival = raw["kind"], str(raw["class"]["label"]), raw.get("rival")
    if kind == "mean":
        return "why %s, rather than all others?" % of
    if kind == "variance":
        return "why %s: where does it depend on the rival?" % of
    if kind != "contrast":
        return "why %s?" % of
    if answer.get("value") is not None:
        return "why does %s score %.4g, rather than %.4g?" % (of, answer["target"]["logit"], answer["value"])
    rivals = [rival] if rival else answer["why_not"]
    return "why %s%s?" % (_either(answer.get("targets") or [raw["class"]]), ", rather than " + _either(rivals) if rivals else "")


def _tuple(raw: Mapping[str, Any], key: str) -> Any:
    return tuple(raw[key]) if raw.get(key) is not None else None


def _heatmap(raw: Dict[str, Any], answer: Mapping[str, Any]) -> Heatmap:
    return Heatmap(str(raw["kind"]), _class(raw["class"]), _class(raw["rival"]) if raw.get("rival") else None, str(raw["method"]), str(raw["contrast"]),
                   str(raw["layer"]), str(raw["positive_means"]), _number(raw, "score"), _tuple(raw, "range"), _tuple(raw, "peak"), _tuple(raw, "bbox"),
                   _number(raw, "share_positive"), float(raw["mass_positive"]), float(raw["mass_negative"]), bool(raw["flat"]), bool(raw["empty"]),
                   _title(raw, answer), raw)


@dataclasses.dataclass(frozen=True)
class Explanation:
    """One answer. `picture` is what was asked about, kept for notebooks."""
    id: Optional[str]
    model: str
    version: str
    sha256: str
    size: Tuple[int, int]  # width, height of the picture as it came
    predictions: Tuple[Scored, ...]
    target: Scored
    targets: Tuple[Scored, ...]  # all classes that were asked about; of several, target is the first
    why_not: Tuple[Scored, ...]
    maps: Tuple[Heatmap, ...]
    evidence: Evidence
    timings_ms: Dict[str, float]
    provenance: Dict[str, str]
    warnings: Tuple[str, ...]
    request_id: str
    raw: Dict[str, Any] = dataclasses.field(repr=False)
    picture: bytes = dataclasses.field(default=b"", repr=False)

    @property
    def first(self) -> Heatmap:
        if not self.maps:
            raise ValueError("no maps were asked for")
        return self.maps[0]

    @property
    def map(self) -> Any:
        """The numbers of the first map."""
        return self.first.map

    def overlay(self) -> Any:
        return self.first.overlay()

    def heatmap(self) -> Any:
        return self.first.heatmap()

    def to_dict(self) -> Dict[str, Any]:
        """The server's answer as it came."""
        return self.raw

    def _repr_html_(self) -> str:
        return show.explanation(self)


def explanation(raw: Dict[str, Any], picture: bytes, request_id: str) -> Explanation:
    model, image = raw["model"], raw["image"]
    return Explanation(raw.get("id"), str(model["name"]), str(model["version"]), str(model["sha256"]), (int(image["width"]), int(image["height"])),
                       tuple(_scored(p) for p in raw["predictions"]), _scored(raw["target"]),
                       tuple(_scored(p) for p in raw.get("targets", [raw["target"]])), tuple(_scored(p) for p in raw["why_not"]),
                       tuple(_heatmap(m, raw) for m in raw["maps"]), _evidence(raw["evidence"]), {k: float(v) for k, v in raw["timings_ms"].items()},
                       dict(raw["provenance"]), tuple(raw["warnings"]), request_id, raw, picture)


# ---- tables ----

@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    version: str
    description: str
    ready: bool
    classes: int
    raw: Dict[str, Any] = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Layer:
    name: str
    op: str
    shape: Tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Method:
    name: str
    summary: str
    formula: str
    source: str
    explains: str  # "a layer" or "the input"
    raw: Dict[str, Any] = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Contrast:
    name: str
    summary: str
    formula: str
    source: str
    why_not: str
    positive_means: str
    raw: Dict[str, Any] = dataclasses.field(repr=False)


def model(raw: Dict[str, Any]) -> Model:
    return Model(str(raw["name"]), str(raw["version"]), str(raw["description"]), bool(raw["ready"]), int(raw["classes"]), raw)


def layer(raw: Dict[str, Any]) -> Layer:
    return Layer(str(raw["name"]), str(raw["op"]), tuple(int(n) for n in raw["shape"]))


def method(raw: Dict[str, Any]) -> Method:
    return Method(str(raw["name"]), str(raw["summary"]), str(raw["formula"]), str(raw["source"]), str(raw["explains"]), raw)


def contrast(raw: Dict[str, Any]) -> Contrast:
    return Contrast(str(raw["name"]), str(raw["summary"]), str(raw["formula"]), str(raw["source"]), str(raw["why_not"]), str(raw["positive_means"]), raw)


def class_of(raw: Mapping[str, Any]) -> Class:
    return _class(raw)
