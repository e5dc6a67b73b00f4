# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: the same calls, awaited.

Threads rather than asyncio's streams: so there is one HTTP, one pool and one set of rules for trying again, TLS and proxies' answers are those of the
standard library, and reading and encoding pictures keeps off the loop, too. A thread has one request at a time, so there are never more of them under
way than threads. A task that is cancelled cuts its connections, and the server drops the work."""
from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from typing import Any, AsyncIterator, Callable, Dict, Iterable, List, Optional, Sequence, TypeVar, Union

from .client import BATCH, OUTPUTS, Answered, Client, Outcome, _or_raise
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

    async def _ask(self, call: Callable[..., T], *args: Any, **named: Any) -> T:
        abort = Abort()
        try:
            return await self._run(call, *args, abort=abort, **named)
        except asyncio.CancelledError:
            abort.now()
            raise

    async def explain(self, picture: Any, why: Any = None, rather_than: Any = None, **options: Any) -> Explanation:
        """As Client.explain."""
        return await self._ask(self.sync.explain, picture, why, rather_than, **options)

    async def explain_many(self, pictures: Iterable[Any], why: Any = None, rather_than: Any = None, *, model: Optional[str] = None, batch: int = BATCH,
                           outputs: Union[str, Sequence[str]] = OUTPUTS, errors: str = "raise", timeout: Optional[float] = None,
                           **options: Any) -> AsyncIterator[Outcome]:
        """As Client.explain_many: answers in order. `pictures` is gone through and read by one thread of its own, as they are needed."""
        chunks, ask = self.sync._batches(pictures, why, rather_than, model, batch, outputs, errors, timeout, options)
        reader = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="whynot-read")
        waiting: List["asyncio.Task[List[Answered]]"] = []

        async def first() -> List[Answered]:
            await asyncio.wait(waiting[:1])  # unlike awaiting it, this leaves it to the lines at the end to cancel it
            return waiting.pop(0).result()
        try:
            while True:
                chunk = await asyncio.get_running_loop().run_in_executor(reader, lambda: next(chunks, None))
                if chunk is None:
                    break
                waiting.append(asyncio.ensure_future(self._ask(ask, chunk)))
                if len(waiting) >= 2 * self.sync.connections:
                    for answered in await first():
                        yield _or_raise(answered, errors)
            while waiting:
                for answered in await first():
                    yield _or_raise(answered, errors)
        finally:
            reader.shutdown(wait=False)
            for task in reversed(waiting):  # those that have no thread yet come first, or they would get one that is given up here
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)  # so that they are cut when this ends, not when the loop comes by

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
