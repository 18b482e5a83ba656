"""Split a streamed answer into thoughts, text and calls; an incomplete marker is never passed on as text."""

from __future__ import annotations

from aquilon.text.reasoning import ReasoningFormat
from aquilon.text.tool_calls.format import CallReader, ToolFormat
from aquilon.text.tool_calls.pieces import CallBegun, Piece, Said, Thought, joined

_SPACE = " \t\r\n"


class AnswerReader:
    """Reads the texts that ``add`` gets as they arrive; markers that are control tokens are given as their text."""

    def __init__(
        self,
        *,
        tools: ToolFormat | None,
        names: frozenset[str] = frozenset(),
        reasoning: ReasoningFormat | None = None,
        thinking: bool = False,
        prefix: str = "",
    ) -> None:
        """``thinking``: whether the prompt opens the thoughts.

        ``prefix``: the beginning of the answer, which the client has sent. A call in it
        is read together with the text that follows; its text and thoughts are not
        returned again.
        """
        self._tools = tools
        self._names = names
        self._reasoning = reasoning
        self._thinking = thinking
        self._at_start = True
        """Whether only white space has arrived so far."""
        self._has_thought = False
        self._calls: CallReader | None = None
        self._called = False
        self._space = ""
        """White space before text that may be a call."""
        self._left = ""
        self._known: dict[type[Piece], str] = {}
        """The text and thoughts of ``prefix``, with which the answer's own begin."""
        self.said = ""
        """The text of ``prefix``, as far as it can't belong to a call."""
        self._from_prefix: list[Piece] = []
        """Calls in ``prefix``, to return with the first pieces."""
        if prefix:
            twin = AnswerReader(tools=tools, names=names, reasoning=reasoning, thinking=thinking)
            pieces = twin._add(prefix)
            waits = "" if twin._left.strip(_SPACE) or twin._calls is not None or twin._thinking else twin._left
            self.said = "".join(piece.text for piece in pieces if isinstance(piece, Said)) + waits
            pieces += twin._rest()
            self._known = {
                kind: "".join(piece[0] for piece in pieces if type(piece) is kind) for kind in (Said, Thought)
            }
            self._from_prefix = self._unknown(self._add(prefix))

    @property
    def thinking(self) -> bool:
        """Whether the last text belongs to the thoughts, which begin an answer."""
        return self._thinking

    @property
    def reads_text(self) -> bool:
        """Whether the last text is for the person and was returned completely."""
        return self._calls is None and not self._thinking and not self._left

    def add(self, text: str) -> list[Piece]:
        """The pieces that this text completes."""
        from_prefix, self._from_prefix = self._from_prefix, []
        return joined(from_prefix + self._unknown(self._add(text)))

    def finish(self) -> list[Piece]:
        """The last pieces: the answer ended, so text that was held back is decided."""
        from_prefix, self._from_prefix = self._from_prefix, []
        pieces = self._unknown(self._rest())
        return joined(
            from_prefix + [Thought(piece.text.rstrip(_SPACE)) if type(piece) is Thought else piece for piece in pieces]
        )

    def _rest(self) -> list[Piece]:
        """The pieces of the text that was held back, at the end of an answer."""
        left, self._left = self._left, ""
        if self._calls is not None:
            return self._with_space(self._calls.finish(left))
        if self._thinking:
            return [Thought(left)]
        return [Said(left if left.strip(_SPACE) or not (self._called or self._has_thought) else "")]

    def _unknown(self, pieces: list[Piece]) -> list[Piece]:
        """The pieces without the text and thoughts of ``prefix``."""
        if not self._known:
            return pieces
        unknown: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, CallBegun):
                self._known = {}
            elif isinstance(piece, Said | Thought):
                known = self._known.pop(type(piece), "")
                same = _shared(known, piece.text)
                if same == len(piece.text):
                    self._known[type(piece)] = known[same:]
                piece = type(piece)(piece.text[same:])
            unknown.append(piece)
        return unknown

    def _add(self, text: str) -> list[Piece]:
        pieces: list[Piece] = []
        text = self._left + text
        while True:
            before = text, self._thinking, self._calls
            if self._thinking:
                text = self._think(text, pieces)
            elif self._calls is not None:
                text = self._call(text, pieces)
            else:
                text = self._say(text, pieces)
            if not text or (text, self._thinking, self._calls) == before:
                self._left = text
                return pieces

    def _think(self, text: str, pieces: list[Piece]) -> str:
        assert self._reasoning is not None
        if self._at_start:
            text = text.lstrip(_SPACE)
            self._at_start = not text
        thoughts, closing, rest = text.partition(self._reasoning.closing)
        if closing:
            pieces.append(Thought(thoughts.rstrip(_SPACE)))
            self._thinking = False
            self._at_start = self._has_thought = True
            return rest
        held = _held(text, self._reasoning.closing)
        pieces.append(Thought(text[: len(text) - held]))
        return text[len(text) - held :]

    def _call(self, text: str, pieces: list[Piece]) -> str:
        assert self._calls is not None
        more, rest = self._calls.feed(text)
        pieces += self._with_space(more)
        if self._calls.finished:
            self._calls = None
        return rest

    def _with_space(self, pieces: list[Piece]) -> list[Piece]:
        """Put the white space back before text that looked like a call and isn't one."""
        if pieces:
            self._called = self._called or not isinstance(pieces[0], Said)
            pieces = [Said(self._space), *pieces] if isinstance(pieces[0], Said) else pieces
            self._space = ""
        return pieces

    def _say(self, text: str, pieces: list[Piece]) -> str:
        if self._at_start:
            remaining = self._begin(text)
            if remaining is None:
                return text
            text = remaining
        if not text or self._calls is not None or self._thinking:
            return text
        if self._tools is None:
            pieces.append(Said(text))
            return ""
        opening = self._tools.opening
        if not opening:
            pieces.append(Said(text))
            return ""
        said, separator, rest = text.partition(opening)
        if separator:
            shown = said.rstrip(_SPACE)
            self._space = said[len(shown) :]
            pieces.append(Said(shown))
            self._calls = self._tools.reader(self._names)
            return rest
        if self._called and not text.strip(_SPACE):
            return text  # between two calls
        held = _held(text, opening)
        pieces.append(Said(text[: len(text) - held]))
        return text[len(text) - held :]

    def _begin(self, text: str) -> str | None:
        """Decide what the answer begins with; returns the rest of the text, or None while it is undecided."""
        start = text.lstrip(_SPACE)
        if self._has_thought:
            text = start
            if not text:
                return None
        elif self._reasoning is not None:
            opening = self._reasoning.opening
            if len(start) < len(opening) and opening.startswith(start):
                return None
            if start.startswith(opening):
                self._thinking = True
                return start[len(opening) :]
        self._at_start = False
        if self._tools is not None and not self._tools.opening:
            self._calls = self._tools.reader(self._names)
        return text


def _shared(one: str, other: str) -> int:
    """The length of the common prefix of two texts."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _held(text: str, marker: str) -> int:
    """How many characters at the end may be white space before the marker, or the marker's beginning."""
    length = next(
        (length for length in range(min(len(marker) - 1, len(text)), 0, -1) if text.endswith(marker[:length])), 0
    )
    body = text[: len(text) - length]
    return length + len(body) - len(body.rstrip(_SPACE))
