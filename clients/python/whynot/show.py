# SPDX-License-Identifier: Apache-2.0
"""An answer as HTML for notebooks: pictures inside, nothing loaded from anywhere, readable on light and dark pages."""
from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Iterable, List

if TYPE_CHECKING:
    from .results import Explanation, Heatmap, Scored

WIDTH = 220
FONT = "font:14px/1.45 system-ui,sans-serif"
SOFT = "opacity:.7"
NO_CLASS = "for no class in particular"  # a variance says where maps differ; some methods look at no class


def _image(data: str, kind: str, alt: str) -> str:
    return ('<img alt="%s" src="data:%s;base64,%s" style="display:block;width:%dpx;max-width:100%%;height:auto;border-radius:4px;margin:0">'
            % (html.escape(alt, quote=True), kind, data, WIDTH))


def _figure(image: str, caption: str, below: str = "") -> str:
    return ('<figure style="margin:0;width:%dpx">%s<figcaption style="margin-top:4px;text-align:left">%s%s</figcaption></figure>'
            % (WIDTH, image, caption, '<br><span style="%s">%s</span>' % (SOFT, below) if below else ""))


def _kind(picture: bytes) -> str:
    return "image/png" if picture[:4] == b"\x89PNG" else "image/jpeg"


def _map(m: "Heatmap") -> str:
    data = m.raw.get("overlay") or m.raw.get("data")
    if not data:
        return ""
    sided = m.share_positive is not None and m.mass_negative and m.speaks != NO_CLASS  # some methods' maps never have a second side
    red = "%.0f %% of it speaks %s" % (100 * (m.share_positive or 0), m.speaks) if sided else ""
    return _figure(_image(data, "image/png", m.title), html.escape(m.title), html.escape("nothing to see" if m.empty or m.flat else red))


def _bars(predictions: Iterable["Scored"], targets: List[int], rivals: List[int]) -> str:
    rows = []
    for p in predictions:
        colour = "#c0392b" if p.index in targets else "#2471a3" if p.index in rivals else "#8a939d"
        rows.append('<tr style="background:none"><td style="text-align:left;padding:1px 8px 1px 0">%s</td><td style="padding:1px 8px 1px 0;text-align:right">'
                    '%.1f&nbsp;%%</td><td style="padding:1px 0;text-align:left"><span style="display:inline-block;height:9px;border-radius:2px;background:%s;'
                    'width:%.0fpx"></span></td></tr>' % (html.escape(p.label), 100 * p.probability, colour, max(1.0, 120 * p.probability)))
    return '<table style="border-collapse:collapse;margin:0;%s">%s</table>' % (FONT, "".join(rows))


def explanation(e: "Explanation") -> str:
    rivals = [c.index for c in e.why_not]
    parts = []
    if e.picture:
        parts.append(_figure(_image(base64.b64encode(e.picture).decode(), _kind(e.picture), "the picture"), "the picture"))
    parts += [_map(m) for m in e.maps]
    words = "".join('<p style="margin:6px 0 0">%s</p>' % html.escape(w) for w in e.evidence.words)
    warnings = "".join('<p style="margin:6px 0 0;%s">&#9888; %s</p>' % (SOFT, html.escape(w)) for w in e.warnings)
    method = e.maps[0].method + ", " + e.maps[0].contrast + ", " + e.maps[0].layer if e.maps else ""
    foot = html.escape("%s %s%s" % (e.model, e.version, " - " + method if method else ""))
    return ('<div style="%s;max-width:1000px"><div style="display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start">%s<div>%s</div></div>%s%s'
            '<div style="%s;font-size:12px;margin-top:6px">%s</div></div>'
            % (FONT, "".join(parts), _bars(e.predictions, [c.index for c in e.targets], rivals), words, warnings, SOFT, foot))


class Gallery:
    """Several answers beneath each other, in a notebook or as a page: open("gallery.html", "w").write(gallery.page())."""

    def __init__(self, answers: "Iterable[Explanation]") -> None:
        self.answers = list(answers)

    def _repr_html_(self) -> str:
        rule = '<hr style="border:0;border-top:1px solid;opacity:.2;margin:14px 0">'
        return rule.join(explanation(a) for a in self.answers)

    def page(self) -> str:
        return ('<!doctype html><html lang="en"><meta charset="utf-8"><title>whynot</title>'
                '<style>:root{color-scheme:light dark}body{margin:24px}</style>%s</html>\n' % self._repr_html_())
