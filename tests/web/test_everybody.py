"""The page in a real browser: with the keyboard alone, read aloud, in the dark, on a small screen."""
import os
import unittest

import harness
from harness import P, Q, PageTest


def audit():
    with open(os.path.join(harness.HERE, "audit.js")) as f:
        return f.read()


class Everybody(PageTest):
    def test_names_roles_contrast_and_sizes_in_every_view(self):
        self.allowed = ("status of 4", "status of 5")
        for width, dark, view in ((1280, False, "maps"), (1280, True, "maps"), (360, False, "maps"), (360, True, "rivals"), (1280, True, "methods"), (768, False, "rivals")):
            self.b.view(width, 800, dark)
            self.open("#view=" + view, "!document.querySelector('.tile.waiting')")
            found = self.b.js(audit())
            self.assertEqual(found["complaints"], [], "%d px, %s, %s" % (width, "dark" if dark else "light", view))
            self.assertGreater(found["least"], 4.5)

    def test_messages_lists_and_dialogs_hold_the_same(self):
        self.allowed = ("status of 404",)
        for width in (1280, 360):
            self.b.view(width, 800)
            self.b.open(self.url("#sample=samples/no-right-turn-1.png&why=no+rihgt+turn"))
            self.b.wait("document.querySelector('#notice button')")
            self.assertEqual(self.b.js(audit())["complaints"], [])
            self.click("#p")
            self.b.wait("!document.querySelector('#p-list').hidden")
            self.assertEqual(self.b.js(audit())["complaints"], [])
            self.b.keys("\ue00c")
            self.click("#copy-link")
            self.b.wait("document.querySelector('#dialog').open")
            self.assertEqual(self.b.js(audit())["complaints"], [])

    def test_the_browser_names_everything_that_can_be_operated(self):
        self.open()
        nodes = self.b.cdp("Accessibility.getFullAXTree")["nodes"]
        operable = {"button", "combobox", "textbox", "slider", "checkbox", "link", "tab", "application", "img"}
        seen = set()
        for n in nodes:
            role = n.get("role", {}).get("value")
            if n.get("ignored") or role not in operable:
                continue
            seen.add(role)
            self.assertTrue(n.get("name", {}).get("value", "").strip(), n)
        self.assertLessEqual({"button", "combobox", "slider", "checkbox", "tab", "application", "link"}, seen)

    def test_a_whole_question_with_the_keyboard_alone(self):
        self.open()
        tab, enter = "\ue004", "\ue007"
        focus = "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
        order, rings = [], []
        self.b.js("document.activeElement.blur()")
        for _ in range(70):
            self.b.keys(tab)
            order.append(self.b.js("return " + focus))
            rings.append(self.b.js("const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 || !!document.activeElement.closest('.picker:focus-within')"))
            if order[-1] == "BODY":
                break
        for name in ("skip", "model", "p", "swap", "q", "choose", "tab-maps", "opacity", "colors", "polarity", "scale", "fade", "grey", "contrast", "method", "layer",
                     "copy-link", "copy-curl", "copy-python", "save-png", "save-npy", "save-bundle"):
            self.assertIn(name, order)
        self.assertLess(order.index("p"), order.index("q"))
        self.assertLess(order.index("q"), order.index("tab-maps"))
        self.assertTrue(all(r for r, o in zip(rings, order) if o != "BODY"), "a focus that cannot be seen: " + str([o for r, o in zip(rings, order) if not r]))
        self.b.js("document.getElementById('model').focus()")
        while self.b.js("return " + focus) != "p":
            self.b.keys(tab)
        self.b.keys("speed limit 3")
        self.b.wait("!document.querySelector('#p-list').hidden && document.querySelectorAll('#p-list li').length === 1")
        self.b.keys(enter)
        self.b.answered("document.querySelector('#panel .head').textContent.startsWith('Why speed limit 30')")
        self.assertEqual(self.b.js("return " + focus), "p", "the focus stays")
        while self.b.js("return " + focus) != "tab-maps":
            self.b.keys(tab)
        self.b.keys("\ue014")
        self.b.answered("document.querySelector('#tab-rivals').getAttribute('aria-selected') === 'true' && document.querySelectorAll('#panel .strip .tile').length === 23")
        self.b.js("document.querySelector('#panel .strip .tile:nth-child(2) button.head').focus()")
        self.b.keys(enter)
        self.b.answered("document.querySelectorAll('#panel .tile').length === 3")

    def test_what_happens_is_told_to_who_cannot_see_it(self):
        self.open()
        self.assertEqual(self.b.one("#status").get_attribute("role"), "status")
        self.assertEqual(self.b.one("#notice").get_attribute("role"), "alert")
        label = self.b.one("#panel canvas").get_attribute("aria-label")
        self.assertRegex(label, r"^Why no right turn rather than no left turn\? Values from .* to .*; the strongest lies .*\. Arrow keys read values\.$")

    def test_360_pixels_are_enough_for_every_control(self):
        self.b.view(360, 740)
        self.open()
        self.assertEqual(self.b.js("return document.documentElement.scrollWidth"), 360)
        for name in ("p", "q", "swap", "choose", "opacity", "colors", "contrast", "method", "layer", "copy-link", "save-bundle"):
            self.click("#" + name) if name in ("swap",) else self.b.js("document.getElementById(arguments[0]).scrollIntoView()", name)
            box = self.b.one("#" + name).rect
            self.assertTrue(box["x"] >= 0 and box["x"] + box["width"] <= 360, name)
        self.b.answered("document.querySelector('#panel .head').textContent === 'Why %s rather than %s?'" % (Q, P))


if __name__ == "__main__":
    unittest.main()
