"""The client against the real daemon, alone and fifty at once; and against a server that fails on purpose."""
import asyncio
import base64
import html
import http.client
import http.server
import io
import json
import os
import pickle
import re
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest
import warnings
from pathlib import Path
from unittest import mock

ROOT = os.environ.get("WHYNOT_ROOT", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [os.path.join(ROOT, "clients", "python"), os.path.join(ROOT, "tests", "http")]
import daemon  # noqa: E402
import whynot  # noqa: E402
from daemon import picture  # noqa: E402

TOKEN = "0123456789abcdef-token"


def plain(array):
    return array.tolist() if hasattr(array, "tolist") else array


class AgainstTheDaemon(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        models = daemon.slow_model(daemon.tiny_models(cls.folder.name), 64, 4)
        cls.d = daemon.Daemon(models, "--backend", "ref").__enter__()
        cls.url = "http://127.0.0.1:%d" % cls.d.port
        cls.client = whynot.Client(cls.url, model="tiny")

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.d.__exit__(None, None, None)
        cls.folder.cleanup()

    # ---- one answer ----

    def test_an_answer_is_the_servers_by_name_and_with_types(self):
        a = self.client.explain(picture(1), why="stop", rather_than="yield", id="mine", top_k=3)
        raw = self.d.ask({"image": {"b64": daemon.b64(picture(1))}, "target": "stop", "why_not": "yield", "outputs": "heatmap,overlay,raw,bbox", "top_k": 3}).json
        self.assertEqual((a.target.label, a.why_not[0].label, a.id, a.model, a.size), ("stop", "yield", "mine", "tiny", (24, 20)))
        self.assertEqual([p.label for p in a.predictions], [p["label"] for p in raw["predictions"]])
        self.assertAlmostEqual(a.evidence.logit_gap, raw["evidence"]["logit_gap"], 6)
        self.assertEqual(a.maps[0].raw["raw"], raw["maps"][0]["raw"])
        values = struct.unpack("<%df" % (len(base64.b64decode(raw["maps"][0]["raw"]["data"])) // 4), base64.b64decode(raw["maps"][0]["raw"]["data"]))
        self.assertEqual([x for row in plain(a.map) for x in row], list(values))
        self.assertEqual([len(plain(a.map)), len(plain(a.map)[0])], raw["maps"][0]["raw"]["shape"])
        self.assertEqual(a.to_dict()["maps"][0]["data"], raw["maps"][0]["data"])
        self.assertEqual((a.first.of.label, a.first.rival.label, a.first.title), ("stop", "yield", "why stop, rather than yield?"))
        self.assertTrue(a.request_id)

    def test_pictures_come_as_paths_bytes_files_and_objects(self):
        path = os.path.join(self.folder.name, "a.png")
        with open(path, "wb") as f:
            f.write(picture(2))
        same = self.client.explain(picture(2)).first.raw["raw"]
        for one in (path, bytearray(picture(2)), io.BytesIO(picture(2)), open(path, "rb")):
            self.assertEqual(self.client.explain(one).first.raw["raw"], same)
            if hasattr(one, "close"):
                one.close()
        with self.assertRaises(TypeError):
            self.client.explain(7)

    def test_arrays_and_pil_images_where_they_are_there(self):
        try:
            import numpy
            from PIL import Image
        except ImportError:
            self.skipTest("numpy or Pillow is not there")
        image = Image.open(io.BytesIO(picture(3))).convert("RGB")
        same = self.client.explain(picture(3)).first.raw["raw"]
        self.assertEqual(self.client.explain(image).first.raw["raw"], same)
        self.assertEqual(self.client.explain(numpy.asarray(image)).first.raw["raw"], same)
        a = self.client.explain(image)
        self.assertIsInstance(a.map, numpy.ndarray)
        self.assertEqual(a.overlay().size, image.size)
        with self.assertRaises(ValueError):
            self.client.explain(numpy.zeros((4, 4, 4), "uint8"))

    def test_a_pil_image_gives_the_answer_of_its_file(self):
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("Pillow is not there")
        samples = struct.pack("<480H", *((k * 2654435761 >> 7) % 65536 for k in range(480)))
        swapped = bytes(b for k in range(0, len(samples), 2) for b in (samples[k + 1], samples[k]))
        path = os.path.join(self.folder.name, "pil.png")

        def raw(one):
            return self.client.explain(one, outputs="raw").first.raw["raw"]
        grey = Image.frombytes("I;16", (24, 20), samples)
        grey.save(path)
        upper = raw(Image.frombytes("L", (24, 20), samples[1::2]))
        self.assertEqual(raw(path), upper)
        with Image.open(path) as opened:  # "I" or "I;16", by Pillow's version
            self.assertEqual(raw(opened), upper)
        for mode, data in (("I;16", samples), ("I;16L", samples), ("I;16B", swapped)):
            self.assertEqual(raw(Image.frombytes(mode, (24, 20), data)), upper, mode)
        for one in (grey.convert("I"), grey.convert("I").convert("F")):
            with self.assertRaisesRegex(ValueError, 'mode "%s".* 0..255 .*"L"' % one.mode):
                self.client.explain(one)
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
            Image.open(io.BytesIO(picture(4))).convert(mode).save(path)
            with Image.open(path) as opened:
                self.assertEqual(raw(opened), raw(path), mode)

    def test_a_pil_image_is_turned_as_its_file_is(self):
        try:
            from PIL import Image, ImageOps
        except ImportError:
            self.skipTest("Pillow is not there")
        path = os.path.join(self.folder.name, "turned.png")
        stored, exif = Image.open(io.BytesIO(picture(4))).convert("RGB"), Image.Exif()
        different = set()
        for orientation in range(1, 9):
            exif[0x0112] = orientation
            stored.save(path, exif=exif)
            by_path = self.client.explain(path)
            different.add(by_path.first.raw["raw"]["data"])
            with Image.open(path) as opened:
                for one in (opened, opened.convert("RGB"), opened.convert("RGBA"), ImageOps.exif_transpose(opened)):
                    answer = self.client.explain(one)
                    self.assertEqual((answer.size, answer.first.raw["raw"]), (by_path.size, by_path.first.raw["raw"]), orientation)
            self.assertEqual(by_path.size, (24, 20) if orientation < 5 else (20, 24))
        self.assertEqual(len(different), 8)
        stored.info["exif"] = b"Exif\0\0MM\0\x2a\0\0\xff\xff"  # damaged
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.assertEqual(self.client.explain(stored).first.raw["raw"], self.client.explain(picture(4)).first.raw["raw"])

    def test_without_numpy_and_pillow_there_are_lists_and_bytes(self):
        hidden = {name: sys.modules.get(name) for name in ("numpy", "PIL")}
        sys.modules.update(dict.fromkeys(hidden))  # None: importing it fails
        try:
            a = self.client.explain(picture(1))
            self.assertIsInstance(a.map, list)
            self.assertEqual(a.overlay()[:4], b"\x89PNG")
            self.assertEqual(daemon.read_png(a.overlay())[:2], (24, 20))
            self.assertEqual(daemon.read_png(a.heatmap())[:2], (24, 20))
        finally:
            for name, module in hidden.items():
                if module:
                    sys.modules[name] = module
                else:
                    del sys.modules[name]

    def test_rivals_are_lists_nearest_or_all(self):
        self.assertEqual([m.rival.index for m in self.client.explain(picture(1), 0, [3, 7]).maps], [3, 7])
        auto = self.client.explain(picture(1), rather_than="auto:3")
        self.assertEqual([c.index for c in auto.why_not], [p.index for p in auto.predictions[1:4]])
        every = self.client.explain(picture(1), rather_than="all")
        self.assertEqual([m.kind for m in every.maps], ["mean", "variance"])
        self.assertEqual(every.evidence.foils, 11)
        three = self.client.explain(picture(1), 2, 5, maps=["contrast", "target", "rival"])
        self.assertEqual([m.kind for m in three.maps], ["contrast", "target", "rival"])

    def test_classes_are_integers_of_any_library(self):
        class Index:
            def __index__(self):
                return 3
        for why, target in ((Index(), 3), ([Index(), "stop"], [3, "stop"]), (range(3, 5), [3, 4]), ((n for n in (3, 4)), [3, 4]), ("auto:3", "auto:3"), ([], [])):
            self.assertEqual(whynot.client.fields(why, None, {}), {"target": target})
        self.assertEqual(whynot.client.fields(None, {5}, {}), {"why_not": [5]})
        self.assertEqual([m.rival.index for m in self.client.explain(picture(1), 0, [Index(), 7], top_k=Index()).maps], [3, 7])
        for wrong in (1.5, True, [1, 2.5], [[1]], object(), b"stop", [b"stop"], {"stop": 1}, [None]):
            for argument in ("why", "rather_than"):
                with self.assertRaisesRegex(TypeError, "^%s is a class by its label or its index, or several" % argument):
                    self.client.explain(picture(1), **{argument: wrong})
        with self.assertRaisesRegex(TypeError, "no field of a question takes"):
            self.client.explain(picture(1), top_k=object())

    def test_nothing_that_is_said_is_dropped(self):
        for options, word in (({"why": 1, "target": 2}, "target is said by why"), ({"rather_than": 1, "why_not": 2}, "why_not is said by rather_than"), ({"image": "a.png"}, "image is said by the picture")):
            with self.assertRaisesRegex(TypeError, word):
                self.client.explain(picture(1), **options)
            with self.assertRaisesRegex(TypeError, word):
                list(self.client.explain_many([picture(1)], **options))
        self.assertEqual(self.client.explain(picture(1), target=2, why_not=3).target.index, 2)

    def test_classes_may_come_from_numpy(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not there")
        for one in (numpy.int64(3), numpy.uint8(3), numpy.array(3), numpy.array([3])):
            self.assertEqual([m.rival.index for m in self.client.explain(picture(1), numpy.int32(0), one, top_k=numpy.int64(2)).maps], [3])
        self.assertEqual([m.rival.index for m in self.client.explain(picture(1), "stop", numpy.array([3, 4])).maps], [3, 4])
        self.assertEqual(self.client.explain(picture(1), numpy.array(["stop"])[0]).target.label, "stop")
        self.assertEqual(self.client.explain(picture(1), contrast="regression", value=numpy.float32(1.5)).raw["value"], 1.5)
        for wrong in (numpy.float64(1), numpy.array(1.5), numpy.array([1.0, 2.0]), numpy.array([[1]]), numpy.bool_(True), numpy.array(True), numpy.array([True])):
            with self.assertRaisesRegex(TypeError, "^rather_than is a class"):
                self.client.explain(picture(1), 0, wrong)

    def test_evidence_says_in_words_what_hiding_did(self):
        a = self.client.explain(picture(1), rather_than="auto:1", evidence="mask")
        self.assertEqual(len(a.evidence.masking), 1)
        self.assertIn(a.evidence.words[0], html.unescape(a._repr_html_()))

    def test_a_map_says_what_its_positive_numbers_speak_for(self):
        score = self.client.explain(picture(1), why="stop", contrast="logit").target.logit
        for question, speaks in (({"contrast": "logit"}, "for stop"), ({"contrast": "pair", "rather_than": "yield"}, "for stop"), ({"contrast": "cross-entropy", "rather_than": "yield"}, "against yield"),
                                 ({"contrast": "cross-entropy", "rather_than": "stop"}, "against stop"), ({"contrast": "regression", "value": score + 1}, "against stop"),
                                 ({"contrast": "regression", "value": score - 1}, "for stop")):
            a = self.client.explain(picture(1), why="stop", **question)
            self.assertEqual(a.first.speaks, speaks)
            if a.first.mass_positive and a.first.mass_negative:
                self.assertIn("%.0f %% of it speaks %s" % (100 * a.first.share_positive, speaks), html.unescape(a._repr_html_()))

    def test_an_answer_names_all_classes_that_were_asked_about(self):
        one = self.client.explain(picture(1), "stop", "yield")
        self.assertEqual((one.targets, one.first.title), ((one.target,), "why stop, rather than yield?"))
        self.assertNotIn("targets", one.to_dict())
        several = self.client.explain(picture(1), [2, 0, 5], [3, 4], contrast="subset", maps="contrast,target,rival", top_k=12)
        self.assertEqual([c.index for c in several.targets], [2, 0, 5])
        self.assertEqual([(c.label, c.logit) for c in several.targets], [(c["label"], c["logit"]) for c in several.to_dict()["targets"]])
        self.assertEqual(several.target, several.targets[0])
        names = daemon.LABELS
        self.assertEqual([m.title for m in several.maps], ["why %s, %s or %s, rather than %s or %s?" % tuple(names[i] for i in (2, 0, 5, 3, 4)),
                                                           *("why %s?" % names[i] for i in (2, 0, 5, 3, 4))])
        page = several._repr_html_()
        self.assertIn(html.escape(several.first.title), page)
        self.assertEqual((page.count("background:#c0392b"), page.count("background:#2471a3")), (3, 2))
        finer = self.client.explain(picture(1), 1, [3, 4, 6], contrast="finer")
        self.assertEqual(finer.first.title, "why %s, rather than %s, %s or %s?" % tuple(names[i] for i in (1, 3, 4, 6)))
        value = self.client.explain(picture(1), 1, contrast="regression", value=30)
        self.assertEqual(value.first.title, "why does %s score %.4g, rather than 30?" % (names[1], value.target.logit))
        pairs = self.client.explain(picture(1), 1, [3, 4])
        self.assertEqual([m.title for m in pairs.maps], ["why %s, rather than %s?" % (names[1], names[i]) for i in (3, 4)])

    def test_a_variance_speaks_for_no_class(self):
        every = self.client.explain(picture(1), "stop", "all", contrast="pair")
        self.assertEqual([m.title for m in every.maps], ["why stop, rather than all others?", "why stop: where does it depend on the rival?"])
        self.assertEqual([m.speaks for m in every.maps], ["for stop", "for no class in particular"])
        self.assertNotIn("of it speaks for no class", every._repr_html_())

    def test_a_method_that_looks_at_no_class_speaks_for_none(self):
        a = self.client.explain(picture(1), "stop", contrast="logit", method="eigencam")
        self.assertEqual(a.first.speaks, "for no class in particular")
        self.assertNotIn("of it speaks", a._repr_html_())

    def test_what_was_not_asked_for_is_said_by_name(self):
        a = self.client.explain(picture(1), outputs="bbox")
        for wrong, word in ((lambda: a.map, "raw"), (a.overlay, "overlay"), (a.heatmap, "heatmap")):
            with self.assertRaisesRegex(ValueError, word):
                wrong()

    def test_a_notebook_shows_it_without_loading_anything(self):
        page = self.client.explain(picture(1), "priority, road", "yield")._repr_html_()
        self.assertEqual(page.count("<img"), 2)
        self.assertNotRegex(page, r'(src|href)="(?!data:image/)')
        self.assertNotIn("http", page)
        for label in ("why priority, road, rather than yield?", "yield"):
            self.assertIn(label, page)

    def test_tables(self):
        self.assertEqual({m.name for m in self.client.models()}, {"tiny", "other", "slow"})
        self.assertEqual([c.label for c in self.client.labels()], daemon.LABELS)
        self.assertEqual([c.label for c in self.client.labels(find="left")], ["no left turn", "turn left ahead"])
        self.assertIn("gradcam", [m.name for m in self.client.methods()])
        self.assertIn("pair", [c.name for c in self.client.contrasts()])
        self.assertTrue(self.client.layers()[0].shape)
        self.assertTrue(self.client.ready())
        with self.assertRaisesRegex(ValueError, "other"), whynot.Client(self.url) as c:
            c.labels()

    # ---- large pictures ----

    def grown(self, i, size):
        """The same picture in a larger file: a chunk that nobody reads."""
        data = picture(i)
        return data[:33] + daemon.png_chunk(b"teSt", bytes(size)) + data[33:]

    def test_a_picture_may_be_as_large_as_a_body(self):
        """16 MiB by default, of which base64 would leave 12."""
        large = self.grown(1, (16 << 20) - 4096)
        a, b = self.client.explain(large, "stop", ["yield", 3], id="a", top_k=2), self.client.explain(picture(1), "stop", ["yield", 3], id="a", top_k=2)
        for key in ("id", "predictions", "target", "why_not", "maps"):
            self.assertEqual(a.raw[key], b.raw[key], key)
        with self.assertRaises(whynot.BadPicture) as caught:
            self.client.explain(self.grown(1, 17 << 20))
        self.assertEqual(caught.exception.status, 413)
        with self.assertRaises(whynot.NotFound) as caught:
            self.client.explain(large, "stopp")
        self.assertEqual(caught.exception.did_you_mean[0], "stop")
        questions = [picture(2), whynot.Question(large, why=4, options={"id": "own"}), self.grown(1, 17 << 20), "/nope.png", picture(3)]
        got, error = self.many(lambda: questions, errors="return", id="all")
        self.assertIsNone(error)
        self.assertEqual([getattr(g, "status", None) or type(g) for g in got], [whynot.Explanation, whynot.Explanation, 413, whynot.NotAsked, whynot.Explanation])
        self.assertEqual((got[1].target.index, got[1].id, got[0].id), (4, "own", None))

    def test_a_question_is_the_same_beside_a_picture_as_it_is(self):
        """Whatever a query cannot say as JSON does is left to JSON."""
        asked = ({}, {"why": 3}, {"why": "stop", "rather_than": "yield"}, {"rather_than": [3, 7]}, {"rather_than": ["priority, road", 3, "yield"]}, {"rather_than": "auto:2"},
                 {"rather_than": "all", "rivals": 2}, {"why": "5"}, {"why": "3,7"}, {"why": "auto"}, {"rather_than": ["auto:2"]}, {"why": []}, {"why": -1}, {"why": "no entry "}, {"why": ""},
                 {"why": "a\nb"}, {"why": "\ud800"}, {"why": "\u9053&=+%"}, {"layers": ["relu0", "relu1"]}, {"layers": "relu0,relu1"}, {"layers": ["relu0,relu1", "conv0"]},
                 {"outputs": ["raw", "bbox"], "maps": ["target"]}, {"relu": True}, {"overlay": 0.25}, {"overlay": 1e-7}, {"contrast": "regression", "value": -1.5}, {"id": "+ ?&#"},
                 {"method": "ig", "steps": 2}, {"top_k": 3}, {"top_k": [3]}, {"normalize": ["minmax"]}, {"metod": "la"}, {"rather_than": ["x"] * 70}, {"why": "x" * 20000})

        def said(question):
            try:
                return {k: v for k, v in self.client.explain(picture(1), **question).raw.items() if k not in ("timings_ms", "provenance")}
            except whynot.ApiError as e:
                return e.status, e.code
        in_json = [said(question) for question in asked]
        with mock.patch.object(sys.modules["whynot.client"], "RAW_BYTES", 0):
            for question, want in zip(asked, in_json):
                with self.subTest(question=question):
                    self.assertEqual(said(question), want)
            self.assertIsNotNone(whynot.client._query(whynot.client.fields("stop", [3, 7], {"top_k": 2})))

    def test_any_time_may_be_given(self):
        for timeout in (1e6, 1e9, 1e300, float("inf")):
            with whynot.Client(self.url, model="tiny", timeout=timeout) as c:
                self.assertEqual(c.explain(picture(1)).model, "tiny")
                self.assertEqual(self.client.explain(picture(1), timeout=timeout).model, "tiny")

    # ---- many ----

    def test_a_batch_keeps_the_order_and_each_question(self):
        questions = [whynot.Question(picture(i), why=i % 12, rather_than=(i + 1) % 12) for i in range(20)]
        got = list(self.client.explain_many(questions, batch=3, outputs="raw"))
        self.assertEqual([(a.target.index, a.why_not[0].index) for a in got], [(i % 12, (i + 1) % 12) for i in range(20)])
        alone = self.client.explain(picture(7), 7, 8, outputs="raw")
        self.assertEqual(got[7].first.raw["raw"], alone.first.raw["raw"])

    def test_in_a_batch_a_bad_picture_fails_alone(self):
        pictures = [picture(1), b"no picture", picture(2)]
        got = list(self.client.explain_many(pictures, errors="return", batch=3))
        self.assertEqual([type(g) for g in got], [whynot.Explanation, whynot.BadPicture, whynot.Explanation])
        with self.assertRaises(whynot.BadPicture):
            list(self.client.explain_many(pictures))
        with self.assertRaises(ValueError):
            list(self.client.explain_many(pictures, errors="x"))

    def many(self, pictures, **options):
        """What explain_many and asyncio's gave until they ended, and what they ended with: the same."""
        def here(got):
            for one in self.client.explain_many(pictures(), rather_than="auto:1", outputs="raw", **options):
                got.append(one)

        async def ask(got):
            async with whynot.AsyncClient(self.url, model="tiny") as c:
                async for one in c.explain_many(pictures(), rather_than="auto:1", outputs="raw", **options):
                    got.append(one)
        ends = []
        for way in (here, lambda got: asyncio.run(ask(got))):
            got, error = [], None
            try:
                way(got)
            except Exception as e:
                error = e
            ends.append((got, error))
        said = [([g.first.raw["raw"] if isinstance(g, whynot.Explanation) else str(g) for g in got], type(error)) for got, error in ends]
        self.assertEqual(said[0], said[1])
        return ends[0]

    def test_in_a_batch_what_cannot_be_read_or_asked_fails_alone(self):
        alone = [self.client.explain(picture(i), rather_than="auto:1", outputs="raw").first.raw["raw"] for i in range(6)]
        good = [picture(i) for i in range(6)]

        def check(got, places):
            self.assertEqual([g.first.raw["raw"] for g in got if isinstance(g, whynot.Explanation)], alone)
            self.assertEqual({i: type(g.__cause__) for i, g in enumerate(got) if isinstance(g, whynot.NotAsked)}, places)
        for batch in (1, 2, 4, 16):
            got, error = self.many(lambda: [*good, "/nope.png"], errors="return", batch=batch)
            self.assertIsNone(error)
            check(got, {6: FileNotFoundError})
            self.assertIn("/nope.png", str(got[6]))
            got, error = self.many(lambda: ["/nope.png", 7, *good[:3], os.sep, *good[3:], whynot.Question(picture(1), why=1.5), io.StringIO("x")], errors="return", batch=batch)
            self.assertIsNone(error)
            check(got, {0: FileNotFoundError, 1: TypeError, 5: IsADirectoryError, 9: TypeError, 10: TypeError})
            ask = lambda **options: whynot.Question(picture(1), options=options)
            got, error = self.many(lambda: [*good, ask(top_k=1j), ask(value=float("nan"))], errors="return", batch=batch)
            self.assertIsNone(error)
            check(got, {6: TypeError, 7: ValueError})
        self.assertEqual([type(g) for g in self.many(lambda: ["/nope.png"] * 3, errors="return", batch=2)[0]], [whynot.NotAsked] * 3)

    def test_what_ends_a_batch_comes_after_the_answers_before_it(self):
        def breaks():
            yield from (picture(i) for i in range(6))
            raise KeyError("mine")
        for pictures, errors, kind in ((lambda: [*map(picture, range(6)), "/nope.png", picture(6)], "raise", FileNotFoundError),
                                       (breaks, "raise", KeyError), (breaks, "return", KeyError)):
            for batch in (1, 4, 16):
                got, error = self.many(pictures, errors=errors, batch=batch)
                self.assertEqual([type(g) for g in got], [whynot.Explanation] * 6)
                self.assertIs(type(error), kind)

    def test_after_the_first_unreadable_picture_nothing_is_read(self):
        left = iter(["/nope.png", *map(picture, range(50))])
        with self.assertRaises(FileNotFoundError):
            list(self.client.explain_many(left, batch=1))
        self.assertEqual(len(list(left)), 50)

    def test_fifty_at_once_get_each_its_own_answer(self):
        alone = {i: self.client.explain(picture(i), rather_than="auto:1").first.raw["raw"] for i in range(10)}

        def ask(i):
            for k in range(3):
                self.assertEqual(self.client.explain(picture((i + k) % 10), rather_than="auto:1").first.raw["raw"], alone[(i + k) % 10])
        daemon.in_threads(50, ask)
        self.assertLessEqual(len(self.client._transport._idle), self.client.connections)

    def test_connections_are_kept(self):
        with whynot.Client(self.url, model="tiny") as c:
            c.explain(picture(1))
            first = c._transport._idle[0].sock
            c.explain(picture(1))
            self.assertIs(c._transport._idle[0].sock, first)
            first.close()  # the other side went away meanwhile
            self.assertEqual(c.explain(picture(1)).model, "tiny")
        with self.assertRaisesRegex(whynot.WhynotError, "closed"):
            c.explain(picture(1))

    # ---- asyncio ----

    def test_asyncio_fifty_at_once_and_batches(self):
        alone = [self.client.explain(picture(i), rather_than="auto:1").first.raw["raw"] for i in range(10)]

        async def ask():
            async with whynot.AsyncClient(self.url, model="tiny") as c:
                got = await asyncio.gather(*(c.explain(picture(i % 10), rather_than="auto:1") for i in range(50)))
                self.assertEqual([a.first.raw["raw"] for a in got], alone * 5)
                many = [a async for a in c.explain_many([picture(i) for i in range(10)], rather_than="auto:1", batch=4)]
                self.assertEqual([a.first.raw["raw"] for a in many], alone)
                self.assertEqual(len(await c.labels()), 12)
                with self.assertRaises(whynot.NotFound):
                    await c.explain(picture(1), "nothing such")
        asyncio.run(ask())

    # ---- errors ----

    def test_problems_are_typed_and_name_the_mending(self):
        c = self.client
        cases = ((lambda: c.explain(picture(1), "stopp"), whynot.NotFound, 404), (lambda: c.explain(b"xx"), whynot.BadPicture, 415),
                 (lambda: c.explain(picture(1)[:60]), whynot.BadPicture, 422), (lambda: c.explain(picture(1), metod="la"), whynot.BadRequest, 400),
                 (lambda: c.explain(picture(1), rather_than="all", method="gradient"), whynot.NotPossible, 501),
                 (lambda: c.get("/nowhere"), whynot.NotFound, 404),
                 (lambda: c.explain(picture(1), model="slow", timeout_ms=1), whynot.DeadlinePassed, 504))
        for ask, kind, status in cases:
            with self.subTest(status=status, kind=kind), self.assertRaises(kind) as caught:
                ask()
            e = caught.exception
            self.assertEqual(e.status, status)
            self.assertTrue(e.code and e.detail and e.request_id)
            again = pickle.loads(pickle.dumps(e))
            self.assertEqual((type(again), again.detail), (type(e), e.detail))
        with self.assertRaises(whynot.NotFound) as caught:
            c.explain(picture(1), "stopp")
        self.assertIn("stop", caught.exception.did_you_mean)
        self.assertIn("did you mean", str(caught.exception))
        self.assertEqual(caught.exception.errors[0].pointer, "/target")
        with self.assertRaises(whynot.BadRequest) as caught:
            c.explain(picture(1), metod="la")
        self.assertEqual(str(caught.exception), "there is no field 'metod'; did you mean 'method'?")
        with self.assertRaisesRegex(whynot.BadPicture, "so is the picture"):
            c.explain(b"")

    def test_every_status_of_the_server_has_its_class(self):
        with open(os.path.join(ROOT, "include", "whynot", "error.h")) as f:
            rows = re.findall(r"X\((\w+), (\d+), ", f.read())
        self.assertGreater(len(rows), 20)
        for name, status in rows:
            if name not in ("OK", "INTERNAL"):
                self.assertIsNot(type(whynot.errors.from_problem(int(status), {})), whynot.ServerError, name)

    def test_keys(self):
        keys = os.path.join(self.folder.name, "keys")
        with open(os.open(keys, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
            f.write("alice explain %s\n" % TOKEN)
        with daemon.Daemon(os.path.join(self.folder.name), "--backend", "ref", "--keys", keys) as d:
            url = "http://127.0.0.1:%d" % d.port
            with whynot.Client(url, TOKEN, model="tiny") as c:
                self.assertEqual(c.explain(picture(1)).model, "tiny")
            for key in (None, TOKEN[::-1]):
                with self.assertRaises(whynot.NotPermitted) as caught, whynot.Client(url, key, model="tiny") as c:
                    c.explain(picture(1))
                self.assertEqual(caught.exception.status, 401)
        with self.assertRaises(ValueError):
            whynot.Client(url, "a\r\nHost: b")


class Flawed(http.server.BaseHTTPRequestHandler):
    """Fails as often as its server's list says, then answers."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.times.append(time.monotonic())
        wanted = self.server.failures.pop(0) if self.server.failures else 200
        if wanted == "cut":
            self.close_connection = True
            return
        if wanted == "sleep":
            time.sleep(30)
            self.close_connection = True
            return
        status, after = wanted if isinstance(wanted, tuple) else (wanted, None)
        body = b'{"models": []}' if status == 200 else json.dumps({"status": status, "detail": "not now", "code": "queue_full"}).encode()
        self.send_response(status)
        if after:
            self.send_header("Retry-After", after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.count(1)
        time.sleep(0.02)  # others may come meanwhile
        self.server.count(-1)
        self.do_GET()

    def log_message(self, *unused):
        pass


class Counted(http.server.ThreadingHTTPServer):
    """Knows how many requests were under way at the same time."""
    under_way = most = 0

    def __init__(self, *args):
        super().__init__(*args)
        self.times, self.failures, self.lock = [], [], threading.Lock()

    def count(self, more):
        with self.lock:
            self.under_way += more
            self.most = max(self.most, self.under_way)


class AgainstFailures(unittest.TestCase):
    def setUp(self):
        self.server = Counted(("127.0.0.1", 0), Flawed)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.client = whynot.Client("http://127.0.0.1:%d" % self.server.server_port, timeout=10, retries=3)

    def tearDown(self):
        self.client.close()
        self.server.shutdown()
        self.server.server_close()

    def ask(self, *failures):
        self.server.failures, self.server.times = list(failures), []
        return self.client.models()

    def test_busy_and_broken_are_tried_again(self):
        for failures in ((503,), (429, 503), ("cut", 429, "cut")):
            self.assertEqual(self.ask(*failures), [])
            self.assertEqual(len(self.server.times), len(failures) + 1)

    def test_retry_after_is_kept(self):
        self.ask((429, "1"))
        self.assertGreaterEqual(self.server.times[1] - self.server.times[0], 1)
        self.assertLess(self.server.times[1] - self.server.times[0], 20)

    def test_waits_double(self):
        self.ask(503, 503, 503)
        t = self.server.times
        self.assertGreater(t[3] - t[2], 1.4 * (t[2] - t[1]) * 0.9)
        self.assertGreaterEqual(t[1] - t[0], 0.1)

    def test_it_ends_and_says_why(self):
        with self.assertRaises(whynot.Busy) as caught:
            self.ask(*[(429, "0")] * 9)
        self.assertEqual((len(self.server.times), caught.exception.detail, caught.exception.retry_after), (4, "not now", 0))
        with self.assertRaises(whynot.ConnectionFailed):
            self.ask(*["cut"] * 9)

    def test_nothing_else_is_tried_again(self):
        for status, kind in ((500, whynot.ServerError), (504, whynot.DeadlinePassed), (408, whynot.DeadlinePassed), (414, whynot.BadRequest), (400, whynot.BadRequest), (418, whynot.ServerError)):
            with self.assertRaises(kind):
                self.ask(status)
            self.assertEqual(len(self.server.times), 1)

    def test_a_wait_that_is_longer_than_the_time_left_is_not_begun(self):
        client = whynot.Client(self.client.url, timeout=20)
        self.server.failures = [(503, "30")]
        begin = time.monotonic()
        with self.assertRaises(whynot.Busy):
            client.models()
        self.assertLess(time.monotonic() - begin, 20)

    def test_the_time_is_up(self):
        client = whynot.Client(self.client.url, timeout=0.2)
        self.server.failures = ["sleep"] * 3
        with self.assertRaises(whynot.TimedOut):
            client.models()
        self.assertEqual(len(self.server.times), 1)

    def test_a_batch_that_is_left_waits_for_nothing(self):
        def interrupts():
            yield from [b"x"] * 3  # the last one waits for what comes behind it
            daemon.wait_until(lambda: len(self.server.times) == 2)
            raise KeyboardInterrupt

        def patient():
            daemon.wait_until(lambda: len(self.server.times) == 3)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        for pictures, other in ((interrupts(), None), ([b"x"] * 3, patient)):
            self.server.failures, self.server.times = ["sleep"] * 3, []
            before = signal.signal(signal.SIGINT, signal.default_int_handler)
            thread = threading.Thread(target=other) if other else None
            begin = time.monotonic()
            try:
                if thread:
                    thread.start()
                with self.assertRaises(KeyboardInterrupt):
                    list(self.client.explain_many(pictures, batch=1))
            finally:
                signal.signal(signal.SIGINT, before)
            self.assertLess(time.monotonic() - begin, 5)
            if thread:
                thread.join()

    def test_a_cancelled_task_cuts_its_connection(self):
        self.server.failures = ["sleep"]

        async def give_up():
            async with whynot.AsyncClient(self.client.url, connections=1) as c:
                task = asyncio.ensure_future(c.explain(b"x"))
                await asyncio.sleep(0.2)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                begin = time.monotonic()
                self.assertEqual(await c.models(), [])  # the only thread is free again
                self.assertLess(time.monotonic() - begin, 20)
        asyncio.run(give_up())

    def test_a_cancelled_task_waits_no_longer_for_its_next_try(self):
        self.server.failures = [(503, "15")]

        async def give_up():
            async with whynot.AsyncClient(self.client.url, connections=1) as c:
                task = asyncio.ensure_future(c.explain(b"x"))
                while not self.server.times:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.2)
                task.cancel()
                begin = time.monotonic()
                self.assertEqual(await c.models(), [])  # the only thread is free again
                self.assertLess(time.monotonic() - begin, 10)
        asyncio.run(give_up())

    def test_what_is_given_up_while_it_connects_is_not_asked(self):
        abort, connect = whynot.transport.Abort(), http.client.HTTPConnection.connect

        def slow(connection):
            connect(connection)
            sock, connection.sock = connection.sock, None  # as it is until then
            abort.now()
            connection.sock = sock
        with mock.patch.object(http.client.HTTPConnection, "connect", slow), self.assertRaisesRegex(whynot.WhynotError, "given up"):
            self.client.explain(b"x", abort=abort)
        self.assertEqual(self.server.times, [])

    def test_a_cancelled_batch_cuts_its_connections(self):
        self.server.failures = ["sleep"] * 2

        async def give_up():
            async with whynot.AsyncClient(self.client.url, connections=2) as c:
                task = asyncio.ensure_future(c.explain_many([b"x"] * 8, batch=2).__anext__())
                while len(self.server.times) < 2:
                    await asyncio.sleep(0.01)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                begin = time.monotonic()
                self.assertEqual(await asyncio.gather(c.models(), c.models()), [[], []])  # both threads are free again
                self.assertLess(time.monotonic() - begin, 20)
                self.assertEqual(len(self.server.times), 4)  # what waited for its turn never went out
        asyncio.run(give_up())

    def test_no_more_requests_than_connections_however_large_the_pictures(self):
        self.server.failures = [400] * 99

        async def ask():
            async with whynot.AsyncClient(self.client.url, connections=3) as c:
                return [a async for a in c.explain_many([b"12345678"] * 60, batch=10, errors="return")]
        with mock.patch.object(sys.modules["whynot.client"], "BATCH_BYTES", 20):  # two of them go into one request
            self.assertEqual([type(a) for a in asyncio.run(ask())], [whynot.BadRequest] * 60)
        self.assertEqual(len(self.server.times), 30)
        self.assertLessEqual(self.server.most, 3)

    def test_asyncio_reads_pictures_beside_its_loop(self):
        self.server.failures = [400] * 9
        threads = set()

        def pictures():
            for _ in range(8):
                threads.add(threading.current_thread())
                yield b"x"

        async def ask():
            async with whynot.AsyncClient(self.client.url) as c:
                return [a async for a in c.explain_many(pictures(), batch=2, errors="return")]
        self.assertEqual(len(asyncio.run(ask())), 8)
        self.assertEqual(len(threads), 1)
        self.assertNotIn(threading.main_thread(), threads)

    def test_wrong_arguments_of_a_batch_are_refused_before_a_picture_is_read(self):
        for one in ("a.png", b"x", bytearray(b"x"), Path("a.png"), io.BytesIO(b"x")):
            with self.assertRaisesRegex(TypeError, "a list of pictures"):
                list(self.client.explain_many(one, errors="return"))
        for wrong, word in (({"errors": "retrun"}, "retrun"), ({"batch": 0}, "at least one")):
            left = iter([b"x"] * 3)

            async def ask():
                async with whynot.AsyncClient(self.client.url) as c:
                    return [a async for a in c.explain_many(left, **wrong)]
            with self.assertRaisesRegex(ValueError, word):
                asyncio.run(ask())
            with self.assertRaisesRegex(ValueError, word):
                list(self.client.explain_many(left, **wrong))
            self.assertEqual(len(list(left)), 3)
        self.assertEqual(self.server.times, [])

    def test_too_few_answers_to_a_batch_are_none(self):
        with mock.patch.object(whynot.Client, "_ask", lambda *unused: ({"explanations": []}, "")):
            got = list(self.client.explain_many([b"x"] * 3, errors="return"))
        self.assertEqual([type(g) for g in got], [whynot.WhynotError] * 3)

    def test_nobody_there(self):
        self.server.server_close()
        with self.assertRaises(whynot.ConnectionFailed):
            whynot.Client("http://127.0.0.1:1", retries=1).models()
        self.assertFalse(whynot.Client("127.0.0.1:1").ready())

    def test_an_address_is_all_used_or_refused(self):
        good = self.client.url
        for wrong in ("ftp://a", "http://", "::1", "http://127.0.0.1:99999", "http://127.0.0.1:abc", "http://127.0.0.1:0", "127.0.0.1 :1", good + "?x=1", good + "#x", good + "/ "):
            with self.assertRaisesRegex(ValueError, "address is like http://127.0.0.1:8420, not '"):
                whynot.Client(wrong)
        with self.assertRaisesRegex(ValueError, "a key is said by key="):
            whynot.Client(good.replace("//", "//me:secret-0123456789@"))
        with self.assertRaisesRegex(ValueError, "no path"):
            self.client.get("/v1/a b")
        self.assertEqual(self.server.times, [])
        for given, port in (("localhost", 80), ("https://localhost", 443), ("localhost:81", 81)):
            self.assertEqual(whynot.Client(given)._transport.port, port)

    def test_another_kind_of_server_is_called_so_and_asked_once(self):
        answers = []

        def other(listening):
            while True:
                try:
                    s, _ = listening.accept()
                except OSError:
                    return
                with s:
                    answers.append(s.recv(100))
                    s.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            threading.Thread(target=other, args=(listening,), daemon=True).start()
            with self.assertRaisesRegex(whynot.ConnectionFailed, "answers, but not as a server of http does: SSH-2.0"):
                whynot.Client("127.0.0.1:%d" % listening.getsockname()[1]).models()
            self.assertEqual(len(answers), 1)
            listening.shutdown(socket.SHUT_RDWR)
        with self.assertRaisesRegex(whynot.ConnectionFailed, "answers, but not as a server of https does"):
            whynot.Client(self.client.url.replace("http", "https")).models()

    def test_a_timeout_is_a_number(self):
        for wrong in (None, "5", True, float("nan"), [5]):
            with self.assertRaisesRegex(ValueError, "a timeout is a number of seconds, not"):
                whynot.Client(self.client.url, timeout=wrong)
            if wrong is not None:
                with self.assertRaisesRegex(ValueError, "a timeout is a number of seconds, not"):
                    self.client.explain(b"x", timeout=wrong)
        self.assertEqual(self.server.times, [])


if __name__ == "__main__":
    unittest.main()
