"""The tool calls of one choice, put together from the pieces that an upstream streams."""

from __future__ import annotations

from typing import Any

import msgspec

from aquilon.people.secrets import new_id
from aquilon.request import ToolCallDelta
from aquilon.upstreams.chunks import CallPiece, HalvesJoined
from aquilon.upstreams.failures import broken

_MOST_CALLS = 256


class _Call:
    """``number`` counts the calls that were passed on; None while the name is awaited."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.number: int | None = None
        self.extra: dict[str, Any] = {}
        self.arguments: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are an object that has ended: nothing can be appended to it."""
        text = "".join(self.arguments)
        if not text.rstrip().endswith("}"):
            return False
        try:
            return isinstance(msgspec.json.decode(text), dict)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return False


class StreamedCalls:
    """Tells calls apart by number, then by id, then by name: servers repeat each of them, or leave it out.

    Under one number (Gemini's is always 0) a new id begins a new call, and so does a name where the call has its name.
    A piece that brings neither goes on with the last call, as does one with the id of a call. A name may come late:
    a call is passed on once it has one.
    """

    def __init__(self, choice: int, halves: HalvesJoined) -> None:
        """``choice`` is the continuation's number in the events."""
        self._choice = choice
        self._halves = halves
        self._calls: list[_Call] = []
        self._passed_on = 0

    def __bool__(self) -> bool:
        return self._passed_on > 0

    def add(self, piece: CallPiece) -> ToolCallDelta | None:
        """None where there is nothing to pass on yet. Raises UpstreamFailure for more calls than anybody makes."""
        function = piece.function
        name = (function.name or "") if function is not None else ""
        arguments = (function.arguments or "") if function is not None else ""
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        call = self._continued(piece, name, arguments)
        if call is None:
            if len(self._calls) == _MOST_CALLS:
                raise broken(f"sent more than {_MOST_CALLS} tool calls")
            call = _Call(piece.index)
            self._calls.append(call)
        call.id = call.id or piece.id or ""
        call.name = call.name or name
        call.extra = call.extra or piece.extra_content or {}
        arguments = self._halves.join(self._choice, self._calls.index(call), arguments)
        call.arguments.append(arguments)
        return self._event(call, arguments) if call.name else None

    def finish(self, *, cut: bool) -> list[ToolCallDelta]:
        """What was held back; unless the answer was ``cut``, a call without arguments gets those that it has: none."""
        events = []
        for place, call in enumerate(self._calls):
            rest = self._halves.take_rest(self._choice, place)
            call.arguments.append(rest)
            blank = not "".join(call.arguments).strip()
            if call.number is None and blank:
                continue  # neither a name nor arguments: no call
            if call.number is None:
                events.append(self._event(call, ""))
            elif rest or (blank and not cut):
                events.append(self._event(call, rest or "{}"))
        return events

    def _continued(self, piece: CallPiece, name: str, arguments: str) -> _Call | None:
        """The call that a piece goes on with; None if it begins one."""
        among = [call for call in self._calls if piece.index is None or call.index in (None, piece.index)]
        if not among:
            return None
        last = among[-1]
        if piece.id:
            known = next((call for call in reversed(among) if call.id == piece.id), None)
            if known is not None:
                return None if name and arguments.strip() and known.is_whole else known
            if last.id and (name or not last.name or last.is_whole):
                return None  # otherwise a server that makes up an id for each piece
        if name and last.name and (name != last.name or last.is_whole) and (arguments.strip() or not last.id):
            return None  # otherwise a server that repeats the name in each piece
        return last

    def _event(self, call: _Call, arguments: str) -> ToolCallDelta:
        if call.number is not None:
            return ToolCallDelta(self._choice, call.number, arguments=arguments)
        call.number, self._passed_on = self._passed_on, self._passed_on + 1
        call.id = call.id or new_id("call")
        whole = "".join(call.arguments)
        return ToolCallDelta(self._choice, call.number, call.id, call.name, whole, call.extra)
