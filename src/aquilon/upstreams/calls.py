"""Puts the tool calls of one choice together from the pieces that an upstream streams."""

from __future__ import annotations

from typing import Any

import msgspec

from aquilon.people.secrets import new_id
from aquilon.request import ToolCallDelta
from aquilon.upstreams.chunks import CallPiece, SurrogateJoiner
from aquilon.upstreams.failures import broken

_MOST_CALLS = 256


class _Call:
    """``number`` is the call's place among those that were passed on; None before its name has come."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.number: int | None = None
        self.extra: dict[str, Any] = {}
        self.arguments: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are a complete JSON object, to which nothing can be appended."""
        text = "".join(self.arguments)
        if not text.rstrip().endswith("}"):
            return False
        try:
            return isinstance(msgspec.json.decode(text), dict)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return False


class StreamedCalls:
    """Tells calls apart by number, then by id, then by name: servers repeat each of them, or leave it out.

    Under one number (Gemini's is always 0), a new id begins a new call, and so does a name if the last call has a
    name. A piece with neither continues the last call, and a piece with the id of a call continues that call. The
    name may come late: a call is passed on when it has one.
    """

    def __init__(self, choice: int, surrogates: SurrogateJoiner) -> None:
        """``choice`` is the continuation's number in the events."""
        self._choice = choice
        self._surrogates = surrogates
        self._calls: list[_Call] = []
        self._passed_on = 0

    def __bool__(self) -> bool:
        return self._passed_on > 0

    def add(self, piece: CallPiece) -> ToolCallDelta | None:
        """None if there is nothing to pass on yet. Raises UpstreamFailure after `_MOST_CALLS`."""
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
        arguments = self._surrogates.join(self._choice, self._calls.index(call), arguments)
        call.arguments.append(arguments)
        return self._event(call, arguments) if call.name else None

    def finish(self, *, cut: bool) -> list[ToolCallDelta]:
        """The events that were held back. Unless the answer was ``cut``, a call without arguments gets ``{}``."""
        events = []
        for place, call in enumerate(self._calls):
            rest = self._surrogates.take_rest(self._choice, place)
            call.arguments.append(rest)
            blank = not "".join(call.arguments).strip()
            if call.number is None and blank:
                continue  # without a name and arguments, it is not a call
            if call.number is None:
                events.append(self._event(call, ""))
            elif rest or (blank and not cut):
                events.append(self._event(call, rest or "{}"))
        return events

    def _continued(self, piece: CallPiece, name: str, arguments: str) -> _Call | None:
        """The call that a piece continues; None if it begins a call."""
        candidates = [call for call in self._calls if piece.index is None or call.index in (None, piece.index)]
        if not candidates:
            return None
        last = candidates[-1]
        if piece.id:
            same_id = next((call for call in reversed(candidates) if call.id == piece.id), None)
            if same_id is not None:
                return None if name and arguments.strip() and same_id.is_whole else same_id
            if last.id and (name or not last.name or last.is_whole):
                return None  # otherwise the server makes up an id for each piece
        if name and last.name and (name != last.name or last.is_whole) and (arguments.strip() or not last.id):
            return None  # otherwise the server repeats the name in each piece
        return last

    def _event(self, call: _Call, arguments: str) -> ToolCallDelta:
        if call.number is not None:
            return ToolCallDelta(self._choice, call.number, arguments=arguments)
        call.number, self._passed_on = self._passed_on, self._passed_on + 1
        call.id = call.id or new_id("call")
        return ToolCallDelta(
            self._choice,
            call.number,
            id=call.id,
            name=call.name,
            arguments="".join(call.arguments),
            extra=call.extra,
        )
