"""Grammars as llguidance reads them: what an answer must match, token by token.

The API process checks a grammar's text, the engine follows it; both within the same limits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from llguidance import LLParserLimits, LLTokenizer

MAX_GRAMMAR_BYTES = 128 * 2**10
MAX_BEGUN_BYTES = 8 * 1024
"""Of an answer that is to be gone on with."""
_PIECE_BYTES = 128
"""Of a grammar's text. What it unfolds to has limits of its own, see ``limits``."""

COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""JSON as ``json.dumps`` writes it, which models have read most: nothing to choose between two values."""
SPACED = {"whitespace_pattern": r"[ \n]{1,40}"}
"""Line breaks and indentation where JSON has them, not without end: small models lose themselves in space."""


class GrammarError(ValueError):
    """A grammar that nothing can be held to; says why."""


def limits() -> LLParserLimits:
    """What a grammar may cost: some 10 ms to build, 14 ms and 30 MB of states to follow at worst."""
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
    """Raises GrammarError for one that can't be followed. Bounded in time and memory, and fit for a thread."""
    if len(grammar) > MAX_GRAMMAR_BYTES or len(grammar.encode(errors="replace")) > MAX_GRAMMAR_BYTES:
        raise GrammarError(f"it has more than {MAX_GRAMMAR_BYTES // 1024} KiB, the limit here")
    from llguidance import LLMatcher

    failed, messages = LLMatcher.validate_grammar_with_warnings(grammar, None, limits=limits())
    if failed:
        raise GrammarError(_reason(messages[0]))


def check_begun(grammar: str, begun: str, *, vocab_size: int) -> None:
    """Raises GrammarError unless a text is the beginning of an answer, and not all of it.

    ``vocab_size`` is the model's, whose control tokens the grammar names. Bounded like
    ``check``, piece by piece: llguidance lets no other thread run while it reads one.
    """
    given = begun.encode(errors="replace")
    if len(given) > MAX_BEGUN_BYTES:
        raise GrammarError(f"it has more than {MAX_BEGUN_BYTES // 1024} KiB, the most that a grammar is held to")
    from llguidance import LLMatcher

    matcher = LLMatcher(_bytes_alone(vocab_size), grammar, log_level=0, limits=limits())
    held = 0
    for start in range(0, len(given), _PIECE_BYTES):
        piece = given[start : start + _PIECE_BYTES]
        held += matcher.try_consume_tokens([vocab_size + byte for byte in piece])
        if held < start + len(piece) or matcher.is_error():
            break
    if matcher.is_error():
        raise GrammarError(_reason(matcher.get_error()))
    if held < len(given):
        before, wrong = given[:held].decode(errors="ignore"), given[held:].decode(errors="ignore")
        raise GrammarError(
            f"it can't go on with {_shown(wrong[:20])} after {_shown(before[-20:])}"
            if before
            else f"it can't begin with {_shown(wrong[:20])}"
        )
    if matcher.is_stopped():
        raise GrammarError("it is whole, so that nothing may follow")


def _shown(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@lru_cache(maxsize=4)
def _bytes_alone(first: int) -> LLTokenizer:
    """A vocabulary of bytes, counted from ``first``: what it means to a grammar is the same for every model."""
    import llguidance

    return llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Bytes(first)), n_vocab=first + 257, slices=[])


class _Bytes:
    """As llguidance asks for it; the token after the last byte ends an answer."""

    def __init__(self, first: int) -> None:
        self.tokens = [b""] * first + [bytes((byte,)) for byte in range(256)] + [b"<|end|>"]
        self.eos_token_id = first + 256
        self.bos_token_id = None
        self.special_token_ids = [self.eos_token_id]

    def __call__(self, text: str | bytes) -> list[int]:
        """For looking ahead, which grammars here forbid."""
        return []


_OPTIONS = '%llguidance {"no_forcing": true}'
"""Look no further than the next token. Otherwise llguidance follows text that has no alternative to its end, and
``start: "a" start``, or a JSON schema that requires itself, has none: it would never come back."""


def of_rules(rules: str, others: Mapping[str, str] | None = None) -> str:
    """A grammar from rules in llguidance's variant of Lark; ``others`` are rules that they name, as ``@name``."""
    named = [{"name": name, "lark_grammar": text} for name, text in (others or {}).items()]
    return json.dumps({"grammars": [{"lark_grammar": f"{_OPTIONS}\n{rules}"}, *named]})


def is_bounded(grammar: str) -> bool:
    """Whether a grammar is one of ``of_rules``, which each token's work is bounded for."""
    return json.dumps(_OPTIONS)[1:-1] in grammar


def literal(text: str) -> str:
    """A text as rules write it. JSON's escapes are Lark's."""
    return json.dumps(text, ensure_ascii=False)


def one_of(texts: Sequence[str]) -> str:
    return " | ".join(map(literal, texts))


def lark(text: str) -> str:
    """Rules in llguidance's notation out of those, or out of llama.cpp's GBNF. Raises GrammarError."""
    if len(text) > MAX_GRAMMAR_BYTES:
        raise GrammarError(f"it has more than {MAX_GRAMMAR_BYTES // 1024} KiB, the limit here")
    if "::=" not in text:
        return text
    from llguidance.gbnf_to_lark import any_to_lark

    try:
        made: str = any_to_lark(text)
    except Exception as error:  # whatever its reader runs into: the text is at fault
        raise GrammarError(f"it can't be read as GBNF: {str(error)[:300] or type(error).__name__}") from None
    return made


def pattern(regex: str) -> str:
    """A regular expression as rules write it: all of the answer, whether it is anchored or not."""
    from llguidance import regex_to_lark

    if len(regex) > MAX_GRAMMAR_BYTES:
        raise GrammarError(f"it has more than {MAX_GRAMMAR_BYTES // 1024} KiB, the limit here")
    try:
        return f"/{regex_to_lark(regex)}/"
    except ValueError as error:
        raise GrammarError(_reason(str(error))) from None


def json_value(schema: dict[str, Any], *, writing: dict[str, Any], lenient: bool = False) -> str:
    """JSON by a schema, as rules write it. ``lenient`` passes over keywords that no grammar can hold.

    Raises GrammarError for a schema that is nested past all measure.
    """
    try:
        return "%json " + json.dumps({**closed(schema), "x-guidance": {**writing, "lenient": lenient}})
    except (RecursionError, ValueError) as error:
        raise GrammarError(f"it can't be written down: {error}") from None


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with no properties but those it names, where it leaves that open.

    A model asked for a name and an age is to answer with a name and an age. What
    matches the closed schema matches the open one.
    """
    made = cast(dict[str, Any], _closed(schema, within_all=False))
    if _refers_plainly(schema):
        for key in ("$defs", "definitions"):
            if isinstance(made.get(key), dict):
                made[key] = {name: _closed(part, within_all=False) for name, part in made[key].items()}
    return made


_BESIDE_A_REFERENCE = frozenset(
    {"$ref", "$defs", "definitions", "$schema", "$id", "$comment", "title", "description", "default", "examples"}
)

_PARTING = frozenset(
    {"allOf", "oneOf", "not", "if", "dependentSchemas", "patternProperties", "unevaluatedProperties", "$dynamicRef"}
)
"""What is true of an open schema and false of the closed one, or the other way round."""
_NAMING = frozenset({"properties", "required", "additionalProperties"})


def _refers_plainly(value: Any) -> bool:
    """Whether what is referred to is never combined with anything, which might name more properties."""
    if isinstance(value, list):
        return all(map(_refers_plainly, value))
    if not isinstance(value, dict):
        return True
    if not _PARTING.isdisjoint(value) or ("$ref" in value and not value.keys() <= _BESIDE_A_REFERENCE):
        return False
    if "anyOf" in value and not _NAMING.isdisjoint(value):
        return False
    return all(map(_refers_plainly, value.values()))


_COMBINING = (
    "allOf",
    "anyOf",
    "oneOf",
    "$ref",
    "$dynamicRef",
    "patternProperties",
    "unevaluatedProperties",
    "not",
    "if",
)


def _closed(schema: Any, *, within_all: bool) -> Any:
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for key in ("properties",):
        if isinstance(made.get(key), dict):
            made[key] = {name: _closed(part, within_all=False) for name, part in made[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _closed(made[key], within_all=False)
    if isinstance(made.get("prefixItems"), list):
        made["prefixItems"] = [_closed(part, within_all=False) for part in made["prefixItems"]]
    if isinstance(made.get("anyOf"), list) and not within_all and "properties" not in made:
        made["anyOf"] = [_closed(part, within_all=False) for part in made["anyOf"]]
    if isinstance(made.get("properties"), dict) and not within_all and not any(key in made for key in _COMBINING):
        made.setdefault("additionalProperties", False)
    return made


_PLACE = re.compile(r"^(at )?\d+\(\d+\): |^failed to compile JSON schema: ", re.MULTILINE)


def _reason(message: str) -> str:
    """The library's message without its picture of the place, which is in rules that nobody wrote."""
    lines = [line.strip() for line in _PLACE.sub("", _PLACE.sub("", message)).splitlines()]
    kept = [line for line in lines if line.strip("^~ ") and not re.match(r"\d+ \||\| ", line)]
    return " ".join(kept)[:500]
