# SPDX-License-Identifier: Apache-2.0
"""Questions to a server: pictures in, explanations out. Knows the native interface; no transport, no threads but for batches."""
from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import io
import json
import operator
import os
import ssl
import struct
import zlib
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union
from urllib.parse import quote, urlencode

from . import results
from .errors import ApiError, ConnectionFailed, NotAsked, TimedOut, WhynotError, from_problem
from .results import Class, Contrast, Explanation, Layer, Method, Model
from .transport import Abort, Transport

Which = Union[int, str]
Rather = Union[None, Which, Sequence[Which]]
OUTPUTS = "heatmap,overlay,raw,bbox"
NO_ANSWER = "the answer is not one of a whynot server"
BATCH = 16  # most pictures in one request
BATCH_BYTES = 6 << 20  # of pictures in one request; the server takes 16 MiB of base64 by default
RAW_BYTES = 11 << 20  # a picture above that goes as it is, not as base64, which is a third longer
QUERY_BYTES = 8192  # most of a question beside such a picture; the server reads 16 KiB of head by default
QUERY_FIELDS = 60  # most of its fields there; the server reads 64
Outcome = Union[Explanation, WhynotError]


class _Stop:
    """An error that ends a batch, raised in its turn: what was asked before it is answered first."""

    def __init__(self, error: Exception) -> None:
        self.error = error


Instance = Tuple[Dict[str, Any], bytes]  # a picture's own fields and its file
Chunk = List[Union[Instance, WhynotError, _Stop]]  # what one request asks, and in their places the errors of pictures that it cannot ask about
Answered = Union[Outcome, _Stop]


def _png_of_array(picture: Any) -> bytes:
    """uint8 [H, W] or [H, W, 3] (anything with the buffer's shape: numpy, and what turns into it)."""
    view = memoryview(picture.tobytes())
    shape = tuple(int(n) for n in picture.shape)
    if str(picture.dtype) != "uint8" or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3) or 0 in shape:
        raise ValueError("an array must be uint8, [height, width] or [height, width, 3]; this one is %s %s" % (picture.dtype, shape))
    height, width = shape[:2]
    line = width * (3 if len(shape) == 3 else 1)
    rows = b"".join(b"\0" + bytes(view[y * line:(y + 1) * line]) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if len(shape) == 3 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def _upright(picture: Any) -> Any:
    """Turned as its EXIF says, as the server turns a file; EXIF that cannot be read turns nothing there, either."""
    try:
        from PIL import ImageOps
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def _png_of_pil(picture: Any) -> bytes:
    """As the server would see its file: upright, and of 16 bits the upper eight."""
    mode = str(picture.mode)
    sixteen = mode.startswith("I;16") or (mode == "I" and getattr(picture, "format", None) == "PNG")  # Pillow before 11 opens a PNG of 16 bits as "I"
    if mode in ("I", "F") and not sixteen:
        raise ValueError('a PIL image of mode "%s" does not say which of its values are black and white: scale them to 0..255 and convert it to "L", '
                         'as in Image.fromarray(numpy.uint8(values))' % mode)
    picture = _upright(picture)
    if sixteen:
        picture = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    elif mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    out = io.BytesIO()
    picture.save(out, "PNG", exif=b"")  # older Pillows write the EXIF of before
    return out.getvalue()


def picture_bytes(picture: Any) -> bytes:
    """A path, the bytes of a PNG or JPEG file, an open binary file, a PIL image or a uint8 array."""
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return bytes(picture)
    if isinstance(picture, (str, os.PathLike)):
        with open(picture, "rb") as f:
            return f.read()
    if hasattr(picture, "save") and hasattr(picture, "mode"):
        return _png_of_pil(picture)
    if hasattr(picture, "read"):
        data = picture.read()
        if isinstance(data, bytes):
            return data
        raise TypeError("the file must be open for bytes")
    if hasattr(picture, "tobytes") and hasattr(picture, "shape"):
        return _png_of_array(picture)
    raise TypeError("a picture is a path, bytes, a binary file, a PIL image or a uint8 array, not %s" % type(picture).__name__)


@dataclasses.dataclass
class Question:
    """A picture with a question of its own, for batches. What is None is the batch's."""
    picture: Any
    why: Union[None, Which, Sequence[Which]] = None
    rather_than: Rather = None
    options: Dict[str, Any] = dataclasses.field(default_factory=dict)


def _whole(value: Any) -> Optional[int]:
    """An integer of any library; None: this is none."""
    if isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _class_asked(value: Any, argument: str) -> Which:
    if isinstance(value, str):
        return str(value)
    number = _whole(value)
    if number is None:
        raise TypeError("%s is a class by its label or its index, or several of them in a list or an array of integers; not %.80r" % (argument, value))
    return number


def _classes_asked(value: Any, argument: str) -> Union[Which, List[Which]]:
    several = _whole(value) is None and not isinstance(value, (str, bytes, bytearray, Mapping)) and hasattr(value, "__iter__") and getattr(value, "shape", 1) != ()
    return [_class_asked(one, argument) for one in value] if several else _class_asked(value, argument)


def _number(value: Any) -> Any:
    """For json: a number of any library in an option."""
    if str(getattr(value, "dtype", "")) == "bool":
        return bool(value)
    number = _whole(value)
    if number is None and hasattr(value, "__float__"):
        return float(value)
    if number is None:
        raise TypeError("no field of a question takes %.80r" % (value,))
    return number


def _listed(value: Any) -> Any:
    return ",".join(value) if isinstance(value, (list, tuple)) else value


def fields(why: Any, rather_than: Any, options: Mapping[str, Any]) -> Dict[str, Any]:
    """The question's keys as the server spells them; what is None is left out."""
    for key, argument, given in (("target", "why", why), ("why_not", "rather_than", rather_than), ("image", "the picture", True)):
        if given is not None and options.get(key) is not None:
            raise TypeError("%s is said by %s, not by both" % (key, argument))
    out = {k: v for k, v in options.items() if v is not None}
    for key in ("outputs", "maps"):
        if key in out:
            out[key] = _listed(out[key])
    if why is not None:
        out["target"] = _classes_asked(why, "why")
    if rather_than is not None:
        out["why_not"] = _classes_asked(rather_than, "rather_than")
    return out


def _in_query(key: str, value: Any) -> Optional[List[str]]:
    """A field's values as a query string says them; None: only JSON can. In a query digits are an index, a list of one is that one, and layers are
    parted by commas."""
    listed, a_class = isinstance(value, (list, tuple)), key in ("target", "why_not")
    several = value if listed else [value]
    if a_class and several and all(type(one) is int for one in several):
        return [",".join(map(str, several))]
    if listed and not (several and (a_class or key == "layers")):
        return None
    for one in several:
        if isinstance(one, (list, tuple, dict)):
            return None
        if isinstance(one, str):
            special = a_class and (not one.strip("0123456789,") or (listed and one.lower().startswith("auto")))
            if not one or special or (key == "layers" and listed and "," in one) or any(c < " " or "\x7f" == c or "\ud800" <= c <= "\udfff" for c in one):
                return None
    return [one if isinstance(one, str) else json.dumps(one, default=_number) for one in several]


def _query(question: Mapping[str, Any]) -> Optional[str]:
    """The question as a query string; None: only JSON can say it."""
    pairs: List[Tuple[str, str]] = []
    for key, value in question.items():
        texts = _in_query(key, value)
        if texts is None:
            return None
        pairs += [(key, text) for text in texts]
    query = urlencode(pairs)
    return query if len(pairs) <= QUERY_FIELDS and len(query) <= QUERY_BYTES else None


class Client:
    """Any number of threads may use one client. timeout: seconds for one call, with all its tries; connections: kept open, and how many a batch uses."""

    def __init__(self, url: Optional[str] = None, key: Optional[str] = None, *, model: Optional[str] = None, timeout: float = 60.0, retries: int = 5,
                 connections: int = 4, ssl_context: Optional[ssl.SSLContext] = None) -> None:
        self.url = url or os.environ.get("WHYNOT_SERVER") or "http://127.0.0.1:8420"
        self.model = model
        self.connections = max(1, connections)
        self._transport = Transport(self.url, key, timeout, retries, self.connections, ssl_context)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()

    # ---- questions ----

    def explain(self, picture: Any, why: Union[None, Which, Sequence[Which]] = None, rather_than: Rather = None, *, model: Optional[str] = None,
                contrast: Optional[str] = None, method: Optional[str] = None, layer: Optional[str] = None, evidence: Optional[str] = None,
                maps: Union[None, str, Sequence[str]] = None, outputs: Union[str, Sequence[str]] = OUTPUTS, timeout: Optional[float] = None,
                abort: Optional[Abort] = None, **options: Any) -> Explanation:
        """Why P, rather than Q?

        why: a class by label or index, None for the prediction. rather_than: a class, a list of them, "auto:3" for the three nearest rivals, "all"
        for every other class. evidence="mask" asks whether hiding what the map shows turns the decision. Other fields of a question (normalize,
        colormap, size, top_k, reuse, id, ...) go along by name."""
        data = picture_bytes(picture)
        named = {"contrast": contrast, "method": method, "layer": layer, "evidence": evidence, "maps": maps, "outputs": outputs}
        raw, request_id = self._ask_about(model, fields(why, rather_than, {**options, **named}), data, timeout, abort)
        return results.explanation(raw, data, request_id)

    def explain_many(self, pictures: Iterable[Any], why: Union[None, Which, Sequence[Which]] = None, rather_than: Rather = None, *,
                     model: Optional[str] = None, batch: int = BATCH, outputs: Union[str, Sequence[str]] = OUTPUTS, errors: str = "raise",
                     timeout: Optional[float] = None, **options: Any) -> Iterator[Outcome]:
        """Answers in the order of the pictures, as they come; requests of up to `batch` pictures go side by side over the client's connections.
        pictures: anything that explain() takes, or Question objects. errors="return": a picture that has no answer gives its error in its place, one
        that could not be read or asked about a NotAsked. "raise": the first error is raised after the answers before it.
        Pictures are read as they are needed."""
        chunks, ask = self._batches(pictures, why, rather_than, model, batch, outputs, errors, timeout, options)
        for outcome in _side_by_side(chunks, ask, self.connections):
            yield _or_raise(outcome, errors)

    def _batches(self, pictures: Iterable[Any], why: Union[None, Which, Sequence[Which]], rather_than: Rather, model: Optional[str], batch: int,
                 outputs: Union[str, Sequence[str]], errors: str, timeout: Optional[float],
                 options: Mapping[str, Any]) -> Tuple[Iterator[Chunk], Callable[..., List[Answered]]]:
        """The requests to be, read as they are taken, and what asks one of them (and takes an Abort); wrong arguments are refused before a picture is read."""
        if errors not in ("raise", "return"):
            raise ValueError('errors is "raise" or "return", not %r' % (errors,))
        if isinstance(pictures, (str, bytes, bytearray, memoryview, os.PathLike)) or hasattr(pictures, "read"):
            raise TypeError("pictures is a list of pictures, or anything else that gives one after the other; explain() takes one")
        if batch < 1:
            raise ValueError("a batch has at least one picture, not %r" % (batch,))
        standard = fields(why, rather_than, {**options, "outputs": outputs})

        def ask(chunk: Chunk, abort: Optional[Abort] = None) -> List[Answered]:
            return self._ask_batch(model, standard, chunk, timeout, abort)
        return self._chunks(pictures, batch, errors), ask

    @staticmethod
    def _instances(pictures: Iterable[Any], errors: str) -> Iterator[Union[Instance, WhynotError, _Stop]]:
        try:
            for one in pictures:
                question = one if isinstance(one, Question) else Question(one)
                try:
                    instance = fields(question.why, question.rather_than, question.options), picture_bytes(question.picture)
                    json.dumps(instance[0], default=_number, allow_nan=False)  # what cannot be sent costs no other its answer
                except Exception as e:  # of a file, of Pillow, of whatever object this is
                    if errors == "raise":
                        raise
                    yield NotAsked.of(e)
                else:
                    yield instance
        except Exception as e:
            yield _Stop(e)

    @staticmethod
    def _chunks(pictures: Iterable[Any], batch: int, errors: str) -> Iterator[Chunk]:
        chunk: Chunk = []
        size = 0
        for one in Client._instances(pictures, errors):
            more = len(one[1]) if isinstance(one, tuple) else 0
            if chunk and (len(chunk) == batch or size + more > BATCH_BYTES):
                yield chunk
                chunk, size = [], 0
            chunk.append(one)
            size += more
        if chunk:
            yield chunk

    def _ask_batch(self, model: Optional[str], standard: Dict[str, Any], chunk: Chunk, timeout: Optional[float],
                   abort: Optional[Abort]) -> List[Answered]:
        asked = [one for one in chunk if isinstance(one, tuple)]
        answers = iter(self._ask_instances(model, standard, asked, timeout, abort) if asked else [])
        return [next(answers) if isinstance(one, tuple) else one for one in chunk]

    def _ask_instances(self, model: Optional[str], standard: Dict[str, Any], asked: List[Instance], timeout: Optional[float],
                       abort: Optional[Abort]) -> List[Outcome]:
        try:
            if len(asked) == 1 and len(asked[0][1]) > RAW_BYTES:
                own, data = asked[0]
                raw, request_id = self._ask_about(model, {**{k: v for k, v in standard.items() if k != "id"}, **own}, data, timeout, abort)
                return [results.explanation(raw, data, request_id)]
            instances = [{**own, "image": {"b64": base64.b64encode(data).decode()}} for own, data in asked]
            raw, request_id = self._ask(model, {**standard, "instances": instances}, timeout, abort)
            if len(raw.get("explanations", [])) != len(asked):
                raise WhynotError(NO_ANSWER)
        except WhynotError as e:
            return [e] * len(asked)
        return [results.explanation(one, data, request_id) if "code" not in one else from_problem(int(one["status"]), one)
                for one, (_, data) in zip(raw["explanations"], asked)]

    def _ask_about(self, model: Optional[str], question: Dict[str, Any], data: bytes, timeout: Optional[float],
                   abort: Optional[Abort]) -> Tuple[Dict[str, Any], str]:
        query = _query(question) if len(data) > RAW_BYTES else None
        if query is None:
            return self._ask(model, {**question, "image": {"b64": base64.b64encode(data).decode()}}, timeout, abort)
        return self._post(model, "?" + query if query else "", data, "application/octet-stream", timeout, abort)

    def _ask(self, model: Optional[str], body: Dict[str, Any], timeout: Optional[float], abort: Optional[Abort]) -> Tuple[Dict[str, Any], str]:
        return self._post(model, "", json.dumps(body, default=_number).encode(), "application/json", timeout, abort)

    def _post(self, model: Optional[str], query: str, body: bytes, kind: str, timeout: Optional[float],
              abort: Optional[Abort]) -> Tuple[Dict[str, Any], str]:
        name = model or self.model
        path = "/v1/models/%s/explain" % quote(name, safe="") if name else "/v1/explain"
        head = {"Content-Type": kind, "X-Request-Timeout-Ms": str(max(1, int(self._transport.limit(timeout) * 1000)))}
        _, headers, data = self._transport.call("POST", path + query, body, head, timeout, abort)
        return self._object(data), headers.get("X-Request-Id") or ""

    # ---- what there is ----

    @staticmethod
    def _object(data: bytes) -> Dict[str, Any]:
        try:
            root = json.loads(data)
        except ValueError:
            root = None
        if not isinstance(root, dict):
            raise WhynotError(NO_ANSWER)
        return root

    def get(self, path: str, **query: Any) -> Dict[str, Any]:
        """Any other table of the server: get("/v1/colormaps")."""
        text = urlencode({k: v for k, v in query.items() if v is not None})
        return self._object(self._transport.call("GET", path + ("?" + text if text else ""))[2])

    def _model_path(self, model: Optional[str], what: str = "") -> str:
        name = model or self.model
        if not name:
            there = self.models()
            if len(there) != 1:
                raise ValueError("name the model; there are: " + ", ".join(m.name for m in there))
            name = there[0].name
        return "/v1/models/%s%s" % (quote(name, safe=""), what)

    def models(self) -> List[Model]:
        return [results.model(m) for m in self.get("/v1/models")["models"]]

    def labels(self, model: Optional[str] = None, find: Optional[str] = None, limit: Optional[int] = None) -> List[Class]:
        """Its classes; find: those whose label holds these words."""
        return [results.class_of(c) for c in self.get(self._model_path(model, "/labels"), q=find, limit=limit)["labels"]]

    def layers(self, model: Optional[str] = None) -> List[Layer]:
        return [results.layer(x) for x in self.get(self._model_path(model, "/layers"))["layers"]]

    def methods(self) -> List[Method]:
        return [results.method(m) for m in self.get("/v1/methods")["methods"]]

    def contrasts(self) -> List[Contrast]:
        return [results.contrast(c) for c in self.get("/v1/contrasts")["contrasts"]]

    def ready(self) -> bool:
        """Whether questions are answered now; asks once."""
        try:
            self._transport.call("GET", "/readyz", timeout=min(self._transport.timeout, 5.0), retries=0)
        except (ConnectionFailed, TimedOut, ApiError):
            return False
        return True

    def sample(self, file: str, model: Optional[str] = None) -> bytes:
        """A picture that comes with a model: its manifest lists them, and model.raw["samples"]."""
        return self._transport.call("GET", self._model_path(model, "/sample?" + urlencode({"file": file})))[2]


def _or_raise(answered: Answered, errors: str) -> Outcome:
    if isinstance(answered, _Stop):
        raise answered.error
    if isinstance(answered, WhynotError) and errors == "raise":
        raise answered
    return answered


def _side_by_side(chunks: Iterator[Chunk], work: Callable[..., List[Answered]], threads: int) -> Iterator[Answered]:
    """Results in order, no more than two chunks a thread read ahead. Whoever leaves early waits for nothing: what is under way is cut."""
    with concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="whynot") as pool:
        waiting: List[Tuple["concurrent.futures.Future[List[Answered]]", Abort]] = []

        def first() -> List[Answered]:
            answered = waiting[0][0].result()  # stays in the list until it is there
            waiting.pop(0)
            return answered
        try:
            for chunk in chunks:
                abort = Abort()
                waiting.append((pool.submit(work, chunk, abort), abort))
                if len(waiting) >= 2 * threads:
                    yield from first()
            while waiting:
                yield from first()
        finally:
            for future, abort in reversed(waiting):  # those that have no thread yet come first, or they would get one that is given up here
                future.cancel()
                abort.now()
