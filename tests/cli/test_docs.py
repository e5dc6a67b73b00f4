"""What the documentation names is there: files, sections, options, variables, addresses, metrics, and the defaults of a question's fields."""
import json
import os
import re
import textwrap
import unittest

from command import ROOT, daemon, whynot

SKIPPED = re.compile(r"^(build.*|\.git|\.cache|__pycache__)$")
FOLDERS = "clients|cmake|configs|deploy|docs|include|kernels|models|server|tests"
OTHERS = {"--preset"}  # options of other people's programs


def tree():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if not SKIPPED.match(f))
        for name in folders + files:
            yield os.path.relpath(os.path.join(folder, name), ROOT)


def text_of(path):
    with open(os.path.join(ROOT, path), errors="replace") as f:
        return f.read()


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


class Docs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.paths = set(tree())
        cls.pages = {p: text_of(p) for p in sorted(cls.paths) if p.endswith(".md")}
        cls.sources = "\n".join(text_of(p) for p in cls.paths if not p.endswith((".md", "test_docs.py", ".png", ".jpg", ".onnx")) and os.path.isfile(os.path.join(ROOT, p))
                                and os.path.getsize(os.path.join(ROOT, p)) < 400000)
        assert len(cls.pages) > 40 and len(cls.sources) > 1e6

    def named(self, pattern, start=""):
        """(page, what matches) of everything between backquotes."""
        for page, text in self.pages.items():
            if page.startswith(start):
                for quoted in re.findall(r"`([^`\n]+)`", text):
                    for found in re.findall(pattern, quoted):
                        yield page, found

    def test_links_lead_to_files_and_sections(self):
        count = 0
        for page, text in self.pages.items():
            for path, section in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text):
                if "://" in path:
                    continue
                there = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
                self.assertTrue(there in self.paths, (page, path))
                if section:
                    self.assertIn(section, [anchor(h) for h in re.findall(r"^#+ (.*)$", self.pages[there], re.M)], (page, there))
                count += 1
        self.assertGreater(count, 100)

    def test_files_are_there(self):
        count = 0
        for page, path in self.named(r"(?<![\w./{-])((?:%s)/[\w./-]*[\w-])" % FOLDERS):
            if "NAME" not in path:
                self.assertTrue(path in self.paths or path + ".c" in self.paths, (page, path))  # or a program that is built of it
                count += 1
        self.assertGreater(count, 60)

    def test_options_and_variables_are_there(self):
        for page, option in self.named(r"(?<![\w-])(--[a-z][a-z0-9-]+)"):
            words = {option, '"%s"' % option[2:], "(" + option[2:].replace("-", "_") + ","}  # as it is written, in a table of options, in one of the daemon's
            self.assertTrue(option in OTHERS or any(w in self.sources for w in words), (page, option))
        for page, name in self.named(r"\bWHYNOT_[A-Z_]+\b"):
            self.assertTrue(name in self.sources or "(%s," % name[7:].lower() in self.sources, (page, name))

    def test_what_is_said_of_the_interface_is_so(self):
        with daemon.Daemon(os.path.join(ROOT, "models"), "--access-log=false") as d:
            routes = d.get("/openapi.json").json["paths"]
            metrics = set(re.findall(r"^# TYPE whynot_(\w+)", d.get("/metrics").body.decode(), re.M))
        patterns = [re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(p)) for p in routes]  # a name, or what stands for one
        for page, path in self.named(r"^(?:GET |POST |PUT )?(/(?:v1|v2|livez|readyz|health|metrics|predict|explanations|ping|setup|webhook|openapi|version)\b[^ `?]*)"):
            self.assertTrue(any(re.fullmatch(p, path) for p in patterns) or any(p.startswith(path + "/") for p in routes), (page, path))
        table = self.pages["docs/api.md"].split("| metric (`whynot_`)")[1].split("\n\n")[0]
        self.assertEqual(metrics - set(re.findall(r"`(\w+)`", table)), set())
        for page, metric in self.named(r"\bwhynot_(\w+?)(?:_bucket|_sum|_count)?\b(?!\.)"):
            self.assertTrue(metric in metrics or "whynot_" + metric in self.sources, (page, metric))

    def test_the_contrast_that_is_shown_is_the_one_that_is_there(self):
        shown = re.search(r"   ```c\n(.*?)   ```", self.pages["docs/adding-a-contrast.md"], re.S).group(1)
        self.assertEqual(textwrap.dedent(shown), text_of("kernels/contrasts/mean.c"))
        flags = set(re.findall(r"WN_CONTRAST_\w+", text_of("include/whynot/explain.h")))
        self.assertLessEqual(set(re.findall(r"`(WN_CONTRAST_\w+)`", self.pages["docs/adding-a-contrast.md"])), flags)
        unbalanced = {re.search(r'\.name = "([\w-]+)"', text_of(p)).group(1) for p in self.paths if p.startswith("kernels/contrasts/") and "WN_CONTRAST_UNBALANCED" in text_of(p)}
        said = re.search(r"does not sum to 0 \(([^)]*)\)", self.pages["docs/adding-a-contrast.md"]).group(1)
        self.assertEqual(set(re.findall(r"`([\w-]+)`", said)), unbalanced)

    def test_an_engine_keeps_as_many_plans_as_is_said(self):
        kept = dict(re.findall(r"^#define (\w+) (\d+)$", text_of("kernels/engine.h"), re.M))
        said = re.search(r"the (\d+) last kinds of question, by layer and kind of method, and (\d+) of those about all classes", self.pages["docs/operations.md"])
        self.assertEqual(said.groups(), (kept["MAX_PLANS"], kept["MAX_STACK_PLANS"]))

    def test_the_times_of_an_answer_are_all_said(self):
        said = re.search(r'"timings_ms": \{(.*?)\}', self.pages["docs/api.md"]).group(1)
        declared = re.search(r'^X\(Timings, "([^"]*)"', text_of("server/schemas.def"), re.M).group(1)
        self.assertEqual(re.findall(r'"(\w+)"', said), re.findall(r"(\w+):", declared))

    def test_the_fields_of_a_question_have_the_defaults_that_are_said(self):
        with daemon.Daemon(os.path.join(ROOT, "models"), "--access-log=false") as d:
            fields = d.get("/openapi.json").json["components"]["schemas"]["Question"]["properties"]
        said = {}
        for line in re.findall(r"^\| `.*$", self.pages["docs/api.md"], re.M):
            cells = [c.strip() for c in line.strip("|").split(" | ")]
            names, values = re.findall(r"`(\w+)`", cells[0]), re.findall(r"`([^`]*)`", cells[1]) if len(cells) > 1 else []
            for i, name in enumerate(names):
                said.setdefault(name, values[i] if len(values) == len(names) else None)
        self.assertEqual(set(fields) - set(said), {"image"})
        for name, field in fields.items():
            if "default" in field:
                default = field["default"]
                default = json.dumps(default) if isinstance(default, bool) else default
                value = said[name] if isinstance(default, str) or said[name] is None else float(said[name])
                self.assertEqual(value, default, name)


if __name__ == "__main__":
    unittest.main()
