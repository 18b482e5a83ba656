"""Constrained decoding: which tokens a grammar allows next, and whether it allows any.

llguidance follows the grammar over bytes, and knows the bytes of each of the model's tokens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from threading import Lock

import llguidance
import numpy as np
from llguidance import LLMatcher, LLTokenizer
from numpy.typing import NDArray

from aquilon.text import grammar
from aquilon.text.tokenizer import Tokenizer

_CACHED_GRAMMARS = 32
"""Per model: applications send the same schema with each request."""
_BUILDER_THREADS = 2
"""llguidance releases Python's lock while it builds."""


class ConstraintError(ValueError):
    """A grammar that can't be followed; the message says why."""


class Constraint:
    """One sequence's position in its grammar."""

    def __init__(self, matcher: LLMatcher, vocabulary: Vocabulary) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary

    def copy(self) -> Constraint:
        """A constraint at the same place, which goes on independently."""
        return Constraint(self._matcher.deep_copy(), self._vocabulary)

    @property
    def complete(self) -> bool:
        """Whether the grammar allows nothing more."""
        return self._matcher.is_stopped()

    @property
    def failure(self) -> str | None:
        """Why the grammar can't be followed any further: it takes more work than the limits allow."""
        return _first_line(self._matcher.get_error()) if self._matcher.is_error() else None

    def allowed(self, *, without: frozenset[int] = frozenset(), ending: bool = True) -> NDArray[np.bool_]:
        """Which tokens may come next, ``(vocab_size,)``: at least one.

        The tokens of ``without``, and end tokens unless ``ending``, are excluded
        where others remain. After a ``failure`` all tokens are allowed.
        """
        vocabulary = self._vocabulary
        bits = np.zeros(vocabulary.mask_bytes, np.uint8)
        self._matcher.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)
        if self._matcher.is_error():
            return np.ones(vocabulary.size, np.bool_)
        allowed = np.unpackbits(bits, count=vocabulary.size, bitorder="little").view(np.bool_)
        unwanted = without if ending else without | vocabulary.end_ids
        if unwanted:
            fewer = allowed.copy()
            fewer[list(unwanted)] = False
            allowed = fewer if fewer.any() else allowed
        return allowed

    def accept(self, token_id: int) -> None:
        """Move on by a token that ``allowed`` allows."""
        self._matcher.consume_token(token_id)


def _first_line(message: str) -> str:
    return (message.strip().splitlines() or ["unknown"])[0][:300]


class Vocabulary:
    """A model's tokens as llguidance reads them. ``size`` is the width of its logits."""

    def __init__(self, tokenizer: Tokenizer, end_ids: frozenset[int], size: int) -> None:
        self.size = size
        self.end_ids = frozenset(token_id for token_id in tokenizer.eos_ids | end_ids if token_id < size)
        known = min(size, tokenizer.vocab_size)
        self.special_token_ids = [token_id for token_id in range(known) if tokenizer.is_control(token_id)]
        special = set(self.special_token_ids)
        self.tokens = [
            tokenizer.token_text(token_id).encode() if token_id in special else tokenizer.token_bytes(token_id)
            for token_id in range(known)
        ]
        for token_id in tokenizer.unused_ids & set(range(known)):
            self.tokens[token_id] = b""
        # One token more than the model has, so that a model without an end has one here.
        self.tokens += [b""] * (size - known) + [b"<|no end|>"]
        self.special_token_ids.append(size)
        self.eos_token_id = min(self.end_ids, default=size)
        self.bos_token_id = tokenizer.bos_id
        self.mask_bytes = (size // 32 + 1) * 4
        self._matchers: OrderedDict[str, LLMatcher] = OrderedDict()
        self._lock = Lock()

    def constraint(self, text: str, prefix: str = "") -> Constraint:
        """The grammar ``text`` at its start, or after ``prefix``. Safe from any thread. Raises ConstraintError."""
        matcher = self._new_matcher(text)
        if prefix:
            tokens = self._ll_tokenizer.greedy_tokenize(prefix)
            if self._ll_tokenizer.decode_bytes(tokens) != prefix.encode() or not matcher.consume_tokens(tokens):
                raise ConstraintError("no answer that it allows begins with the end of the prompt")
        return Constraint(matcher, self)

    def _new_matcher(self, text: str) -> LLMatcher:
        """A matcher for one sequence, copied from the cached one of its grammar."""
        with self._lock:
            matcher = self._matchers.get(text)
            if matcher is not None:
                self._matchers.move_to_end(text)
                return matcher.deep_copy()
        if not grammar.is_bounded(text):
            raise ConstraintError("its work for a token has no bound: build it with aquilon.text.grammar.of_rules")
        matcher = LLMatcher(self._ll_tokenizer, text, log_level=0, limits=grammar.limits())
        if matcher.is_error():
            raise ConstraintError(_first_line(matcher.get_error()))
        with self._lock:
            self._matchers[text] = matcher
            if len(self._matchers) > _CACHED_GRAMMARS:
                self._matchers.popitem(last=False)
        return matcher.deep_copy()

    def __call__(self, text: str | bytes) -> list[int]:
        """llguidance needs an encoder only for look-ahead, which our grammars exclude: it never calls this."""
        return []

    @cached_property
    def _ll_tokenizer(self) -> LLTokenizer:
        wrapper = llguidance.TokenizerWrapper(self)
        ends = sorted(self.end_ids) or [self.size]
        return LLTokenizer(wrapper, n_vocab=self.size + 1, eos_token=ends)


class ConstraintBuilder:
    """Builds one model's constraints in threads; the first build calls ``load`` for the vocabulary."""

    def __init__(self, load: Callable[[], Vocabulary]) -> None:
        self._load = load
        self._lock = Lock()
        self._vocabulary: Vocabulary | None = None
        self._threads: ThreadPoolExecutor | None = None

    def build(self, text: str, prefix: str = "") -> Future[Constraint]:
        """``grammar`` and ``grammar_prefix`` of a ``SequenceRequest``; the future may raise ConstraintError."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_BUILDER_THREADS, thread_name_prefix="grammars")
        return self._threads.submit(self._build, text, prefix)

    def _build(self, text: str, prefix: str) -> Constraint:
        with self._lock:
            if self._vocabulary is None:
                self._vocabulary = self._load()
        return self._vocabulary.constraint(text, prefix)
