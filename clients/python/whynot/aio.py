# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: the same calls, awaited.

Threads rather than asyncio's streams: so there is one HTTP, one pool and one set of rules for trying again, TLS and proxies' answers are those of the
standard library, and reading and encoding pictures keeps off the loop, too. The threads only wait for sockets. A task that is cancelled cuts its
connection, and the server drops the work."""
from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from typing import Any, AsyncIterator, Callable, Dict, Iterable, List, Optional, TypeVar

from .client import Client, Outcome
from .errors import WhynotError
from .results import Class, Contrast, Explanation, Layer, Method, Model
from .transport import Abort

T = TypeVar("T")


class AsyncClient:
    """Takes what Client takes; connections: how many calls are under way at the same time (more wait for their turn)."""

    def __init__(self, url: Optional[str] = None, key: Optional[str] = None, *, connections: int = 16, **more: Any) -> None:
        self.sync = Client(url, key, connections=connections, **more)
        self._threads = concurrent.futures.ThreadPoolExecutor(self.sync.connections, thread_name_prefix="whynot")

    async def close(self) -> None:
        self.sync.close()
        self._threads.shutdown(wait=False)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *unused: Any) -> None:
        await self.close()

    async def _run(self, call: Callable[..., T], *args: Any, **named: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(call, *args, **named))

    async def explain(self, picture: Any, why: Any = None, rather_than: Any = None, **options: Any) -> Explanation:
        """As Client.explain."""
        abort = Abort()
        try:
            return await self._run(self.sync.explain, picture, why, rather_than, abort=abort, **options)
        except asyncio.CancelledError:
            abort.now()
            raise

    async def explain_many(self, pictures: Iterable[Any], why: Any = None, rather_than: Any = None, *, errors: str = "raise",
                           **options: Any) -> AsyncIterator[Outcome]:
        """As Client.explain_many: answers in order."""
        options.setdefault("batch", 16)
        chunk: List[Any] = []
        waiting: List["asyncio.Task[List[Outcome]]"] = []

        async def answer(some: List[Any]) -> List[Outcome]:
            return await self._run(lambda: list(_one_request(self.sync, some, why, rather_than, options)))
        try:
            for picture in pictures:
                chunk.append(picture)
                if len(chunk) == options["batch"]:
                    waiting.append(asyncio.ensure_future(answer(chunk)))
                    chunk = []
                if len(waiting) >= 2 * self.sync.connections:
                    for outcome in await waiting.pop(0):
                        yield _or_raise(outcome, errors)
            if chunk:
                waiting.append(asyncio.ensure_future(answer(chunk)))
            while waiting:
                for outcome in await waiting.pop(0):
                    yield _or_raise(outcome, errors)
        finally:
            for task in waiting:
                task.cancel()

    async def models(self) -> List[Model]:
        return await self._run(self.sync.models)

    async def labels(self, model: Optional[str] = None, find: Optional[str] = None, limit: Optional[int] = None) -> List[Class]:
        return await self._run(self.sync.labels, model, find, limit)

    async def layers(self, model: Optional[str] = None) -> List[Layer]:
        return await self._run(self.sync.layers, model)

    async def methods(self) -> List[Method]:
        return await self._run(self.sync.methods)

    async def contrasts(self) -> List[Contrast]:
        return await self._run(self.sync.contrasts)

    async def get(self, path: str, **query: Any) -> Dict[str, Any]:
        return await self._run(self.sync.get, path, **query)

    async def ready(self) -> bool:
        return await self._run(self.sync.ready)


def _one_request(client: Client, pictures: List[Any], why: Any, rather_than: Any, options: Dict[str, Any]) -> Iterable[Outcome]:
    return client.explain_many(pictures, why, rather_than, errors="return", **options)


def _or_raise(outcome: Outcome, errors: str) -> Outcome:
    if isinstance(outcome, WhynotError) and errors == "raise":
        raise outcome
    return outcome
