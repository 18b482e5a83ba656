"""Grammars for llguidance, which an answer must match token by token.

The API process checks a grammar's text, the engine follows it, both within the same limits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aquilon.text.json_schema import SchemaError, prepared

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLParserLimits, LLTokenizer

MAX_GRAMMAR_BYTES = 128 * 2**10
MAX_PREFIX_BYTES = 8 * 1024
"""Of the assistant's message that an answer continues."""
_MOST_PATTERNS = 100
"""For properties' names, in a schema: each takes some 0.5 ms to check."""
_MOST_NAMES = 10_000
"""Comparisons of a name with a pattern, which take 15 µs each."""
_PIECE_BYTES = 128
"""Bytes of a prefix that are read at once."""

COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""JSON as ``json.dumps`` writes it, which models have read most: the space between values is fixed."""
SPACED = {"whitespace_pattern": r" |\n {0,32}"}
"""One space, or a line's end with indentation, between two tokens: small models may write endless space otherwise."""


class GrammarError(ValueError):
    """A grammar that can't be followed; the message says why."""


def limits() -> LLParserLimits:
    """The most that a grammar may cost: some 10 ms to build, 14 ms and 30 MB of states to follow at worst."""
    from llguidance import LLParserLimits

    return LLParserLimits(
        initial_lexer_fuel=500_000,
        step_lexer_fuel=200_000,
        step_max_items=50_000,
        max_lexer_states=20_000,
        max_grammar_size=200_000,
        verbose_errors=False,
    )


def check(grammar: str) -> None:
    """Raises GrammarError if the grammar can't be followed. Its time and memory are bounded; it may run in a thread."""
    if len(grammar) > MAX_GRAMMAR_BYTES or len(grammar.encode(errors="replace")) > MAX_GRAMMAR_BYTES:
        raise GrammarError(f"it has more than {MAX_GRAMMAR_BYTES // 1024} KiB, the limit here")
    from llguidance import LLMatcher

    failed, messages = LLMatcher.validate_grammar_with_warnings(grammar, None, limits=limits())
    if failed:
        raise GrammarError(_reason(messages[0]))


def check_prefix(grammar: str, prefix: str, *, vocab_size: int) -> None:
    """Raises GrammarError unless the prefix begins a longer answer.

    ``vocab_size`` is the model's, whose control tokens the grammar names. Time and memory
    are bounded as in ``check``. The prefix is read in pieces, because no other thread runs
    while llguidance reads one.
    """
    data = prefix.encode(errors="replace")
    if len(data) > MAX_PREFIX_BYTES:
        raise GrammarError(
            f"it has more than {MAX_PREFIX_BYTES // 1024} KiB, the most that is checked against a grammar"
        )
    from llguidance import LLMatcher

    matcher = LLMatcher(_bytes_alone(vocab_size), grammar, log_level=0, limits=limits())
    accepted = 0
    for start in range(0, len(data), _PIECE_BYTES):
        piece = data[start : start + _PIECE_BYTES]
        accepted += matcher.try_consume_tokens([vocab_size + byte for byte in piece])
        if accepted < start + len(piece) or matcher.is_error():
            break
    if matcher.is_error():
        raise GrammarError(_reason(matcher.get_error()))
    if accepted < len(data):
        before, wrong = data[:accepted].decode(errors="ignore"), data[accepted:].decode(errors="ignore")
        raise GrammarError(
            f"it can't go on with {_shown(wrong[:20])} after {_shown(before[-20:])}"
            if before
            else f"it can't begin with {_shown(wrong[:20])}"
        )
    if matcher.is_stopped():
        raise GrammarError("the format is complete after it, so nothing may follow")


def _shown(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@lru_cache(maxsize=4)
def _bytes_alone(first: int) -> LLTokenizer:
    """A vocabulary of the 256 bytes, with ids from ``first``: a grammar means the same for it as for every model."""
    import llguidance

    return llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Bytes(first)), n_vocab=first + 257, slices=[])


class _Bytes:
    """The tokenizer of this vocabulary, for llguidance; the token after the last byte ends an answer."""

    def __init__(self, first: int) -> None:
        self.tokens = [b""] * first + [bytes((byte,)) for byte in range(256)] + [b"<|end|>"]
        self.eos_token_id = first + 256
        self.bos_token_id = None
        self.special_token_ids = [self.eos_token_id]

    def __call__(self, text: str | bytes) -> list[int]:
        """Used to look ahead, which `_OPTIONS` forbids."""
        return []


_OPTIONS = '%llguidance {"no_forcing": true}'
"""Look no further than the next token. Otherwise llguidance follows text without alternatives to its end, and
``start: "a" start``, or a JSON schema that requires itself, has no end: it would never return."""


def of_rules(rules: str, others: Mapping[str, str] | None = None) -> str:
    """A grammar from rules in llguidance's variant of Lark; they refer to ``others`` as ``@name``."""
    named = [{"name": name, "lark_grammar": text} for name, text in (others or {}).items()]
    return json.dumps({"grammars": [{"lark_grammar": f"{_OPTIONS}\n{rules}"}, *named]})


def is_bounded(grammar: str) -> bool:
    """Whether ``of_rules`` made the grammar, so that the work for each token is bounded."""
    return json.dumps(_OPTIONS)[1:-1] in grammar


def literal(text: str) -> str:
    """A text as a literal in rules. Lark has JSON's escapes."""
    return json.dumps(text, ensure_ascii=False)


def one_of(texts: Sequence[str]) -> str:
    return " | ".join(map(literal, texts))


def lark(text: str) -> str:
    """Rules in llguidance's notation, from the same notation or from llama.cpp's GBNF. Raises GrammarError."""
    if len(text) > MAX_GRAMMAR_BYTES:
        raise GrammarError(f"it has more than {MAX_GRAMMAR_BYTES // 1024} KiB, the limit here")
    if "::=" not in text:
        _check_schemas_in(text)
        return text
    from llguidance.gbnf_to_lark import any_to_lark

    try:
        rules: str = any_to_lark(text)
    except Exception as error:  # any failure of its reader means that the text is wrong
        raise GrammarError(f"it can't be read as GBNF: {str(error)[:300] or type(error).__name__}") from None
    return rules


def _check_schemas_in(rules: str) -> None:
    """Check the schemas in rules of the form ``%json`` and a schema. Raises GrammarError."""
    for match in re.finditer(r"%json\s*", rules):
        try:
            schema, _ = json.JSONDecoder().raw_decode(rules, match.end())
        except ValueError:
            continue  # llguidance refuses it, and says why
        except RecursionError:
            raise GrammarError("a schema in it is nested too deeply") from None
        if isinstance(schema, dict):
            json_value(schema, writing=COMPACT)


def pattern(regex: str) -> str:
    """A regular expression in rules. It matches the whole answer, whether it is anchored or not."""
    from llguidance import regex_to_lark

    if len(regex) > MAX_GRAMMAR_BYTES:
        raise GrammarError(f"it has more than {MAX_GRAMMAR_BYTES // 1024} KiB, the limit here")
    try:
        return f"/{regex_to_lark(regex)}/"
    except ValueError as error:
        raise GrammarError(_reason(str(error))) from None


def json_value(schema: dict[str, Any], *, writing: dict[str, Any], lenient: bool = False) -> str:
    """JSON that matches a schema, in rules. ``lenient`` ignores keywords that no grammar can express.

    Raises GrammarError for a schema that is nested too deeply, or that only an endless value would match.
    """
    try:
        if len(json.dumps(schema)) > MAX_GRAMMAR_BYTES:
            raise GrammarError(f"it has more than {MAX_GRAMMAR_BYTES // 1024} KiB, the limit here")
        closed = prepared(schema, _Names())
        return "%json " + json.dumps({**closed, "x-guidance": {**writing, "lenient": lenient}})
    except SchemaError as error:
        raise GrammarError(str(error)) from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, GrammarError):
            raise
        raise GrammarError(f"it can't be written as JSON: {error}") from None


class _Names:
    """Matches properties' names with a schema's patterns, in llguidance, whose expressions never backtrack."""

    def __init__(self) -> None:
        self._matchers: dict[str, LLMatcher | None] = {}
        self._known: dict[tuple[str, str], bool] = {}
        self._asked = 0

    def match(self, pattern: str, name: str) -> bool:
        known = self._known.get((pattern, name))
        if known is None:
            if len(self._known) == _MOST_NAMES:
                raise GrammarError(f"it has more than {_MOST_NAMES} pairs of a property's name and a pattern")
            known = self._known[pattern, name] = self._match(pattern, name)
        return known

    def exhausted(self, pattern: str, names: Sequence[str]) -> bool:
        """Whether a pattern that is anchored at both ends matches only these names."""
        if not names or not pattern.startswith("^") or not pattern.endswith("$"):
            return False
        from llguidance import regex_to_lark

        try:
            keys = regex_to_lark(pattern[1:-1])
        except ValueError:
            return False
        matcher = self._matcher(f"start: OTHER\nOTHER: /{keys}/ & ~/({'|'.join(map(_escaped, names))})/")
        if matcher is None:
            return False
        matcher.compute_bitmask()
        return matcher.is_error()  # no token is allowed

    def _match(self, pattern: str, name: str) -> bool:
        if pattern not in self._matchers:
            schema = json.dumps({"type": "string", "pattern": pattern})
            self._matchers[pattern] = self._matcher(f"start: %json {schema}")
        matcher = self._matchers[pattern]
        if matcher is None:
            return False
        data = json.dumps(name, ensure_ascii=False).encode(errors="replace")
        return matcher.deep_copy().try_consume_tokens(list(data)) == len(data)

    def _matcher(self, rules: str) -> LLMatcher | None:
        from llguidance import LLMatcher

        self._asked += 1
        if self._asked > _MOST_PATTERNS:
            raise GrammarError(f"its objects have more than {_MOST_PATTERNS} patterns beside named properties")
        matcher = LLMatcher(_bytes_alone(0), of_rules(rules), log_level=0, limits=limits())
        return None if matcher.is_error() else matcher


def _escaped(text: str) -> str:
    """The text as a regular expression between slashes."""
    return re.sub(r"[^\w ]", lambda match: f"\\x{{{ord(match[0]):x}}}", text)


_PLACE = re.compile(r"^(at )?\d+\(\d+\): |^failed to compile JSON schema: ", re.MULTILINE)


def _reason(message: str) -> str:
    """The library's message without the quoted rules, which the client didn't write."""
    lines = [line.strip() for line in _PLACE.sub("", _PLACE.sub("", message)).splitlines()]
    kept = [line for line in lines if line.strip("^~ ") and not re.match(r"\d+ \||\| ", line)]
    return " ".join(kept)[:500]
