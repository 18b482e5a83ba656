"""Reads an upstream's server-sent events piece by piece, in bounded memory."""

from __future__ import annotations

from typing import NamedTuple

MOST_EVENT_BYTES = 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ServerEvent(NamedTuple):
    data: bytes
    name: bytes = b""


class EventTooLong(ValueError):
    pass


class EventDecoder:
    """https://html.spec.whatwg.org/multipage/server-sent-events.html, but a lone carriage return ends no line."""

    def __init__(self, most: int = MOST_EVENT_BYTES) -> None:
        self._most = most
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._held = 0
        self._name = b""
        self._at_start = True

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that end in this piece. Raises EventTooLong."""
        if b"\n" not in chunk:
            self._keep(chunk)
            return []
        if self._rest:
            self._keep(chunk)
            chunk = bytes(self._rest)
            self._rest.clear()
        events: list[ServerEvent] = []
        if self._at_start:
            self._at_start = False
            chunk = chunk.removeprefix(_BYTE_ORDER_MARK)
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            if line.endswith(b"\r"):
                line = line[:-1]
            if not line:
                if self._data:
                    events.append(ServerEvent(b"\n".join(self._data), self._name))
                    self._data.clear()
                    self._held = 0
                self._name = b""
            elif line.startswith(b"data:"):
                self._held += len(line)
                if self._held > self._most:
                    raise EventTooLong(f"an event of more than {self._most} bytes")
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()[:100]
        self._keep(rest)
        return events

    def _keep(self, part: bytes) -> None:
        self._rest += part
        if len(self._rest) > self._most + 2**18:  # a whole read may follow the longest event
            raise EventTooLong(f"a line of more than {self._most} bytes")
