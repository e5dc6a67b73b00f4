"""A server whose answers take exactly as long as it was told, and which can be made to stall: standard library only."""
import asyncio
import threading
import time


class KnownServer:
    """delay(i) -> seconds that the i-th request takes; reply(i, method, path, headers, body) -> (status, headers, body, chunked)."""

    def __init__(self, delay=lambda i: 0.0, reply=None):
        self.delay, self.reply = delay, reply or (lambda *a: (200, {}, b"fine", False))
        self.seen, self.connections, self.early = [], 0, {}
        self.stalled_until = 0.0

    def __enter__(self):
        started = threading.Event()
        self.loop = asyncio.new_event_loop()

        def serve():
            asyncio.set_event_loop(self.loop)
            self.server = self.loop.run_until_complete(asyncio.start_server(self.talk, "127.0.0.1", 0, backlog=1024, limit=1 << 24))
            self.port = self.server.sockets[0].getsockname()[1]
            started.set()
            self.loop.run_forever()
        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        started.wait()
        return self

    def __exit__(self, *unused):
        async def end():
            tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for t in tasks:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.loop.stop()
        asyncio.run_coroutine_threadsafe(end(), self.loop)
        self.thread.join()

    def url(self, path="/"):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def stall(self, begin, seconds):
        """From `begin` seconds from now on, nothing is answered for so long."""
        self.stall_begin, self.stalled_until = time.monotonic() + begin, time.monotonic() + begin + seconds

    async def talk(self, reader, writer):
        self.connections += 1
        try:
            while await self.exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async def exchange(self, reader, writer):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:] if line)}
        if headers.get("expect") and path in self.early:
            writer.write(b"HTTP/1.1 %d Early\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n" % self.early[path])
            await writer.drain()
            self.seen.append((method, path, headers, None))
            return False
        if headers.get("expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        i = len(self.seen)
        self.seen.append((method, path, headers, body))
        await asyncio.sleep(self.delay(i))
        now = time.monotonic()
        if self.stalled_until and self.stall_begin <= now < self.stalled_until:
            await asyncio.sleep(self.stalled_until - now)
        status, more, data, chunked = self.reply(i, method, path, headers, body)
        head = "HTTP/1.1 %d Known\r\n" % status + "".join("%s: %s\r\n" % kv for kv in more.items())
        if chunked:
            pieces = [data[k:k + 7] for k in range(0, len(data), 7)]
            writer.write(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                writer.write(b"%x;x=y\r\n" % len(piece) + piece + b"\r\n")
            writer.write(b"0\r\nTrailer: x\r\n\r\n")
        else:
            writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(data) + data)
        await writer.drain()
        return more.get("Connection") != "close" and headers.get("connection") != "close"
