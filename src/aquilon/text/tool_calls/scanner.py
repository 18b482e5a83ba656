"""Read a call that is a JSON object, character by character: its name, and its arguments as they arrive."""

from __future__ import annotations

import json
from collections.abc import Generator

from aquilon.text.tool_calls.pieces import CallBegun, CallGrown, Piece

_SPACE = " \t\r\n"
_ARGUMENTS = ("arguments", "parameters")

_Steps = Generator[None, str, str]
"""Takes characters; returns the character after the value where it had to be read, else an empty text."""


class _Malformed(Exception):
    pass


class _Scanner:
    """Reads text step by step and collects pieces."""

    def __init__(self, steps: _Steps) -> None:
        self.done = False
        self.failed = False
        """Whether the text is not a call."""
        self._pieces: list[Piece] = []
        self._steps = steps
        next(steps)

    def feed(self, text: str) -> int:
        """Read text; returns how many characters belong to the object, fewer than all once it is done or failed."""
        for position, character in enumerate(text):
            try:
                self._steps.send(character)
            except StopIteration:
                self.done = True
                return position + 1
            except _Malformed:
                self.failed = True
                return position
        return len(text)

    def take(self) -> list[Piece]:
        """Return and forget the pieces read since the last call."""
        pieces, self._pieces = self._pieces, []
        return pieces


class ObjectScanner(_Scanner):
    """``{"name": ..., "arguments": {...}}``, with the keys in any order; other keys are ignored.

    Arguments are passed on as they are written. ``names``, where given, are the only
    functions that may be called.
    """

    def __init__(self, names: frozenset[str] | None = None) -> None:
        self.started = False
        """Whether pieces of the call were passed on, so that a failure can't take them back."""
        self._names = names
        self._name: str | None = None
        self._waiting = ""
        """Arguments that arrived before the name."""
        self._has_arguments = False
        super().__init__(self._object())

    def _object(self) -> _Steps:
        character = yield from _skip_space((yield))
        if character != "{":
            raise _Malformed
        character = yield from _skip_space((yield))
        while character != "}":
            key = json_text((yield from _string(character)))
            if (yield from _skip_space((yield))) != ":":
                raise _Malformed
            character = yield from _skip_space((yield))
            if key == "name":
                character = yield from self._read_name(character)
            elif key in _ARGUMENTS:
                character = yield from self._read_arguments(character)
            else:
                character = yield from _value(character, [])
            character = yield from _skip_space(character)
            if character == ",":
                character = yield from _skip_space((yield))
            elif character != "}":
                raise _Malformed
        if self._name is None or (self._names is not None and not self._has_arguments):
            raise _Malformed
        if not self._has_arguments:
            self._grow("{}")
        return ""

    def _read_name(self, character: str) -> _Steps:
        name = json_text((yield from _string(character)))
        if self._name is not None or (self._names is not None and name not in self._names):
            raise _Malformed
        self._name = name
        if self._has_arguments:
            self._grow("")
        return ""

    def _read_arguments(self, character: str) -> _Steps:
        if self._has_arguments:
            raise _Malformed
        if character == "{":
            self._has_arguments = True
            return (yield from _value(character, self))
        written: list[str] = []
        character = yield from _value(character, written)
        text = "".join(written)
        self._has_arguments = True
        if text.startswith('"'):
            self._grow(json_text(text))  # arguments that are JSON in a string
            return ""
        if text != "null":
            raise _Malformed
        self._grow("{}")
        return character

    def append(self, character: str) -> None:
        """Pass on one more character of the arguments."""
        self._grow(character)

    def _grow(self, arguments: str) -> None:
        if self._name is None:
            self._waiting += arguments
            return
        if not self.started:
            self.started = True
            self._pieces.append(CallBegun(self._name))
            arguments, self._waiting = self._waiting + arguments, ""
        self._pieces.append(CallGrown(arguments))


class ValueScanner(_Scanner):
    """The arguments alone: one JSON object, passed on as it is written."""

    def __init__(self) -> None:
        super().__init__(self._whole())

    def append(self, character: str) -> None:
        self._pieces.append(CallGrown(character))

    def _whole(self) -> _Steps:
        character = yield from _skip_space((yield))
        if character != "{":
            raise _Malformed
        return (yield from _value(character, self))


def json_text(literal: str) -> str:
    """The value of a JSON string."""
    try:
        value: str = json.loads(literal, strict=False)
    except ValueError:
        raise _Malformed from None
    return value


def _skip_space(character: str) -> _Steps:
    while character in _SPACE:
        character = yield
    return character


def _string(character: str) -> _Steps:
    """Read a JSON string; returns the literal with its quotes."""
    if character != '"':
        raise _Malformed
    literal = [character]
    escaped = False
    while True:
        character = yield
        literal.append(character)
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            return "".join(literal)


def _value(character: str, written: list[str] | ObjectScanner | ValueScanner) -> _Steps:
    """Read a JSON value and append each of its characters to ``written``.

    A value in braces, brackets or quotes ends with them, and an empty text is returned;
    any other value ends before the character that is returned.
    """
    if character not in '{["':
        while character not in ",}]" + _SPACE:
            written.append(character)
            character = yield
        return character
    depth, quoted, escaped = 0, False, False
    while True:
        written.append(character)
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
        if depth == 0 and not quoted:
            return ""
        character = yield
