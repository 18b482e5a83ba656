"""One continuation of one prompt, from its arrival to its last token."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Protocol

from aquilon.engine.blocks import block_hash, root_hash
from aquilon.engine.protocol import FinishReason, SamplingParameters, SequenceRequest, TokenLogprobs

if TYPE_CHECKING:
    from torch import Tensor

    from aquilon.engine.constraints import Constraint


class LogitAdjustment(Protocol):
    """What a sequence keeps from step to step for its sampler."""

    def adjust(self, logits: Tensor, sequence: Sequence) -> None:
        """Change one row of logits ``(vocab_size,)`` in place."""


class Sequence:
    """``num_computed`` tokens have their keys and values in the cache; it chases ``len(token_ids)``."""

    def __init__(
        self,
        request: SequenceRequest,
        index: int,
        *,
        seed: int,
        block_size: int,
        max_length: int,
        end_ids: frozenset[int],
        constraint: Constraint | None = None,
    ) -> None:
        """``max_length``: tokens of prompt and output together. ``end_ids``: end the output and are not shown."""
        self.id = request.id
        self.index = index
        self.sampling: SamplingParameters = request.sampling
        self.seed = seed
        self.token_ids = list(request.prompt_ids)
        self.num_prompt = len(request.prompt_ids)
        self.max_length = max_length
        self.end_ids = end_ids
        self.priority = request.priority
        self.constraint = constraint
        self.num_computed = 0
        self.block_table = array("i")
        """The numbers of its KV blocks in order of position."""
        self.num_published = 0
        """How many of its blocks other sequences can share."""
        self.cached_tokens: int | None = None
        """Prompt tokens that the prefix cache held when it was first scheduled; None before."""
        self.finish_reason: FinishReason | None = None
        self.siblings: list[Sequence] = []
        """Continuations of the same prompt, which are scheduled once this sequence has computed it."""
        self.prompt_logprobs: list[TokenLogprobs | None] | None = None
        self.sampling_state: LogitAdjustment | None = None
        self._block_size = block_size
        self._hashes: list[bytes] = []
        self._root = root_hash(request.model, request.cache_salt)

    @property
    def num_generated(self) -> int:
        return len(self.token_ids) - self.num_prompt

    @property
    def failure(self) -> str | None:
        """Why its grammar can't be followed any further."""
        return None if self.constraint is None else self.constraint.failure

    @property
    def num_missing(self) -> int:
        """Tokens known and not computed."""
        return len(self.token_ids) - self.num_computed

    @property
    def wants_prompt_logprobs(self) -> bool:
        """Whether some of its prompt's log probabilities are still to be computed."""
        if self.sampling.prompt_logprobs is None or self.index != 0:
            return False
        return self.prompt_logprobs is None or len(self.prompt_logprobs) < self.num_prompt

    def full_block_hashes(self) -> list[bytes]:
        """The hash chain of all blocks that the known tokens fill."""
        size = self._block_size
        for block in range(len(self._hashes), len(self.token_ids) // size):
            parent = self._hashes[-1] if self._hashes else self._root
            self._hashes.append(block_hash(parent, self.token_ids[block * size : (block + 1) * size]))
        return self._hashes

    def add_prompt_logprobs(self, entries: list[TokenLogprobs]) -> None:
        """Add the log probabilities of the next prompt tokens, while ``num_computed`` is that before their step."""
        if self.prompt_logprobs is None or self.num_computed == 0:
            self.prompt_logprobs = [None]  # the first token has none; a preempted sequence computes them again
        self.prompt_logprobs += entries

    def append(self, token_id: int) -> None:
        """Add a drawn token and decide whether it is the last."""
        self.token_ids.append(token_id)
        if token_id in self.end_ids:
            self.finish_reason = "stop"
            return
        if self.constraint is not None:
            self.constraint.accept(token_id)
            if self.constraint.failure is not None:
                self.finish_reason = "cancelled"
                return
            if self.constraint.complete:
                self.finish_reason = "complete"
                return
        if len(self.token_ids) >= self.max_length:
            self.finish_reason = "length"
