"""Reads a call that is a JSON object, character by character: its name, and its arguments as they come."""

from __future__ import annotations

import json
from collections.abc import Generator

from aquilon.text.tool_calls.pieces import CallBegun, CallGrown, Piece

_SPACE = " \t\r\n"
_ARGUMENTS = ("arguments", "parameters")

_Steps = Generator[None, str, str]
"""Takes characters; returns what it read and can't use: the character that follows, or nothing."""


class _Malformed(Exception):
    pass


class _Scanner:
    """Fed with text, goes step by step, and gives the pieces that it has made."""

    def __init__(self, steps: _Steps) -> None:
        self.done = False
        self.failed = False
        """It is no call."""
        self._pieces: list[Piece] = []
        self._steps = steps
        next(steps)

    def feed(self, text: str) -> int:
        """How many of these characters belong to the object; fewer than all once it is done or failed."""
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
        """What has been read since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces


class ObjectScanner(_Scanner):
    """``{"name": ..., "arguments": {...}}``, the keys in any order, others passed over.

    Arguments are passed on as they are written. ``names``, where given, are the only
    functions there are.
    """

    def __init__(self, names: frozenset[str] | None = None) -> None:
        self.begun = False
        """Only where this is false has nothing been passed on of what ``failed``."""
        self._names = names
        self._name: str | None = None
        self._waiting = ""
        """Arguments that came before the name."""
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
        """More of the arguments."""
        self._grow(character)

    def _grow(self, arguments: str) -> None:
        if self._name is None:
            self._waiting += arguments
            return
        if not self.begun:
            self.begun = True
            self._pieces.append(CallBegun(self._name))
            arguments, self._waiting = self._waiting + arguments, ""
        self._pieces.append(CallGrown(arguments))


class ValueScanner(_Scanner):
    """Arguments alone: one JSON object, passed on as it is written."""

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
    """A JSON string's value."""
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
    """The literal with its quotes, which end it."""
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
    """A JSON value: each of its characters is appended to ``written``.

    One in braces, brackets or quotes ends with them, and nothing is returned; another
    one ends where the character that is returned begins something else.
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
