"""Holding a sequence to a grammar: which tokens may come next, and whether any may.

llguidance follows the grammar over bytes; what it knows of a model is each token's bytes.
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

_KEPT = 32
"""Grammars that a model remembers: applications send the same schema with each request."""
_BUILDERS = 2
"""Threads; llguidance lets go of Python's lock while it builds."""


class ConstraintError(ValueError):
    """A grammar that can't be followed; says why."""


class Constraint:
    """Where one sequence stands in its grammar."""

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
        """Which tokens may come, ``(vocab_size,)``; never none.

        Tokens ``without``, and those that end an answer unless ``ending``, are left
        out where others remain. All may come once there is a ``failure``.
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
        """Go on over a token that ``allowed`` allowed."""
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
        # One token more than the model has, so that a model without an end has one here.
        self.tokens += [b""] * (size - known) + [b"<|no end|>"]
        self.special_token_ids.append(size)
        self.eos_token_id = min(self.end_ids, default=size)
        self.bos_token_id = tokenizer.bos_id
        self.mask_bytes = (size // 32 + 1) * 4
        self._matchers: OrderedDict[str, LLMatcher] = OrderedDict()
        self._lock = Lock()

    def constraint(self, text: str, begun: str = "") -> Constraint:
        """A grammar's beginning, or where it is after what was ``begun``. From any thread. Raises ConstraintError."""
        matcher = self._matcher(text)
        if begun:
            tokens = self._ll_tokenizer.greedy_tokenize(begun)
            if self._ll_tokenizer.decode_bytes(tokens) != begun.encode() or not matcher.consume_tokens(tokens):
                raise ConstraintError("the prompt's end is no beginning of what it allows")
        return Constraint(matcher, self)

    def _matcher(self, text: str) -> LLMatcher:
        """One's own."""
        with self._lock:
            matcher = self._matchers.get(text)
            if matcher is not None:
                self._matchers.move_to_end(text)
                return matcher.deep_copy()
        if not grammar.is_bounded(text):
            raise ConstraintError("it may be followed without end: make it with aquilon.text.grammar")
        matcher = LLMatcher(self._ll_tokenizer, text, log_level=0, limits=grammar.limits())
        if matcher.is_error():
            raise ConstraintError(_first_line(matcher.get_error()))
        with self._lock:
            self._matchers[text] = matcher
            if len(self._matchers) > _KEPT:
                self._matchers.popitem(last=False)
        return matcher.deep_copy()

    def __call__(self, text: str | bytes) -> list[int]:
        """llguidance wants a way to encode, for looking ahead, which grammars here forbid: it is never used."""
        return []

    @cached_property
    def _ll_tokenizer(self) -> LLTokenizer:
        wrapper = llguidance.TokenizerWrapper(self)
        ends = sorted(self.end_ids) or [self.size]
        return LLTokenizer(wrapper, n_vocab=self.size + 1, eos_token=ends)


class ConstraintBuilder:
    """Builds one model's constraints in threads; ``load`` is called when the first is asked for."""

    def __init__(self, load: Callable[[], Vocabulary]) -> None:
        self._load = load
        self._lock = Lock()
        self._vocabulary: Vocabulary | None = None
        self._threads: ThreadPoolExecutor | None = None

    def build(self, text: str, begun: str = "") -> Future[Constraint]:
        """Both as `SequenceRequest` has them; the future may raise ConstraintError."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_BUILDERS, thread_name_prefix="grammars")
        return self._threads.submit(self._build, text, begun)

    def _build(self, text: str, begun: str) -> Constraint:
        with self._lock:
            if self._vocabulary is None:
                self._vocabulary = self._load()
        return self._vocabulary.constraint(text, begun)
