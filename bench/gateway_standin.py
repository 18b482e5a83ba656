"""A stand-in for an upstream: it answers every chat completion with the same number of words, at a fixed pace.

``python -m bench.gateway_standin FIRST_MS BETWEEN_MS WORDS`` prints its port. It uses as
little processor time as possible, so that the figures are the gateway's.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
from typing import cast

WORD = b" word"
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_CHUNK = b'{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"stand-in","choices":[%s]%s}'


def _piece(payload: bytes) -> bytes:
    data = b"data: " + payload + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


_ROLE = _piece(_CHUNK % (b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}', b""))
_TEXT = _piece(_CHUNK % (b'{"index":0,"delta":{"content":"' + WORD + b'"},"finish_reason":null}', b""))
_STOP = _piece(_CHUNK % (b'{"index":0,"delta":{},"finish_reason":"stop"}', b""))


class _StandIn(asyncio.Protocol):
    def __init__(self, first: float, between: float, words: int) -> None:
        self._first, self._between, self._words = first, between, words
        self._loop = asyncio.get_running_loop()
        self._received = b""
        usage = b',"usage":{"prompt_tokens":12,"completion_tokens":%d,"total_tokens":%d}' % (words, words + 12)
        self._end = _STOP + _piece(_CHUNK % (b"", usage)) + _piece(b"[DONE]") + b"0\r\n\r\n"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        if len(body) < length:
            return
        self._received = body[length:]
        if head.startswith(b"GET"):
            models = b'{"object":"list","data":[{"id":"stand-in","object":"model"}]}'
            answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            self._transport.write(answer % (len(models), models))
            return
        self._loop.call_later(self._first, self._next, 0)

    def _next(self, sent: int) -> None:
        if self._transport.is_closing():
            return
        last = sent + 1 == self._words
        self._transport.write((_HEAD + _ROLE if not sent else b"") + _TEXT + (self._end if last else b""))
        if not last:
            self._loop.call_later(self._between, self._next, sent + 1)


async def _serve(first: float, between: float, words: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: _StandIn(first, between, words), "127.0.0.1", 0, backlog=2048
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _exact_loop() -> asyncio.AbstractEventLoop:
    """Timers of microseconds: those of uvloop and epoll are whole milliseconds, which would hide what is measured."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_exact_loop) as runner:
        runner.run(_serve(float(sys.argv[1]) / 1000, float(sys.argv[2]) / 1000, int(sys.argv[3])))
