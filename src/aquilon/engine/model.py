"""One loaded model: requests in, outputs step by step."""

from __future__ import annotations

import os
import time
from concurrent.futures import Future

from aquilon.engine.constraints import Constraint, ConstraintBuilder
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import SequenceFailed, SequenceOutput, SequenceRequest, TokenLogprobs
from aquilon.engine.runner import Runner
from aquilon.engine.sampler import continuation_seed
from aquilon.engine.scheduler import Scheduler
from aquilon.engine.sequence import Sequence
from aquilon.engine.validation import InvalidRequest, check_request

_ROWS_WORTH_TIMING = 64
_FIRST_PROMPT_TOKENS = 128
"""Prompt tokens of a first step, before it is known how fast this machine is."""


class LoadedModel:
    """A model's scheduler and runner. ``memory`` counts its weights and its KV cache, in bytes."""

    def __init__(
        self,
        name: str,
        *,
        runner: Runner,
        scheduler: Scheduler,
        options: EngineOptions,
        vocab_size: int,
        max_context: int,
        eos_ids: frozenset[int],
        memory: int,
        constraints: ConstraintBuilder | None = None,
    ) -> None:
        self.name = name
        self.scheduler = scheduler
        self.max_context = max_context
        self.memory = memory
        self.used_at = time.monotonic()
        self.failures: list[SequenceFailed] = []
        self._runner = runner
        self._options = options
        self._vocab_size = vocab_size
        self._eos_ids = eos_ids
        self._constraints = constraints
        self._awaited: set[str] = set()
        """Requests whose grammars are being built."""
        if options.step_seconds is not None:
            scheduler.prompt_budget = min(_FIRST_PROMPT_TOKENS, options.step_tokens)

    @property
    def has_work(self) -> bool:
        """Whether there is a step to compute."""
        return self.scheduler.has_work

    @property
    def in_use(self) -> bool:
        return self.has_work or bool(self._awaited)

    def build_constraint(self, request: SequenceRequest) -> Future[Constraint]:
        """Have a request's grammar built, in a thread; ``awaits`` tells whether somebody still wants it.

        Raises InvalidRequest for a request that could not be answered anyway.
        """
        check_request(request, vocab_size=self._vocab_size, max_context=self.max_context)
        if self._constraints is None or request.grammar is None:
            raise InvalidRequest(f"The model '{self.name}' can't hold an answer to a grammar: its tokens are unknown")
        self._awaited.add(request.id)
        return self._constraints.build(request.grammar, request.begun)

    def awaits(self, request_id: str) -> bool:
        """Whether a request still waits for its grammar; it no longer does after this."""
        awaited = request_id in self._awaited
        self._awaited.discard(request_id)
        return awaited

    def add(self, request: SequenceRequest, constraint: Constraint | None = None) -> None:
        """Queue a request's sequences; raises InvalidRequest."""
        check_request(request, vocab_size=self._vocab_size, max_context=self.max_context)
        sampling = request.sampling
        max_length = self.max_context
        if sampling.max_tokens is not None:
            max_length = min(max_length, len(request.prompt_ids) + sampling.max_tokens)
        end_ids = frozenset(sampling.stop_token_ids) | (frozenset() if sampling.ignore_eos else self._eos_ids)
        seed = int.from_bytes(os.urandom(8)) if sampling.seed is None else sampling.seed
        first, *siblings = [
            Sequence(
                request,
                index,
                seed=continuation_seed(seed, index),
                block_size=self.scheduler.pool.block_size,
                max_length=max_length,
                end_ids=end_ids,
                constraint=None if constraint is None else constraint.copy(),
            )
            for index in range(request.n)
        ]
        first.siblings = siblings
        self.scheduler.add(first)
        self.used_at = time.monotonic()

    def cancel(self, request_id: str, index: int | None = None) -> list[SequenceOutput]:
        """End continuations at once; what is returned says so."""
        if index is None:
            self._awaited.discard(request_id)
        return [_finished(sequence) for sequence in self.scheduler.cancel(request_id, index)]

    def request_ids(self) -> set[str]:
        """The requests that are queued or running."""
        return {sequence.id for sequence in (*self.scheduler.running, *self.scheduler.waiting)} | self._awaited

    def step(self) -> list[SequenceOutput]:
        """Compute one step and say what it added to which sequence; ``failures`` has the requests that can't go on."""
        started = time.monotonic()
        step = self.scheduler.schedule()
        token_ids, logprobs = self._runner.run(step)
        finished = self.scheduler.update(step, token_ids)
        outputs = [
            _output(sequence, token_id, entry)
            for (sequence, _), token_id, entry in zip(step.draws, token_ids, logprobs, strict=True)
            if sequence.failure is None
        ]
        drawn = {id(sequence) for sequence, _ in step.draws}
        outputs += [
            _finished(sequence) for sequence in finished if id(sequence) not in drawn and sequence.failure is None
        ]
        self.used_at = time.monotonic()
        self._pace(step.num_rows, self.used_at - started)
        failed = {sequence.id: sequence.failure for sequence, _ in step.draws if sequence.failure is not None}
        self.failures = [
            SequenceFailed(request_id, "invalid", f"The answer can't be held to its grammar any further: {reason}")
            for request_id, reason in failed.items()
        ]
        for request_id in failed:
            self.cancel(request_id)
        return outputs

    def _pace(self, rows: int, seconds: float) -> None:
        """Keep steps short on a slow machine: others wait for them, and a stop takes effect between them."""
        if self._options.step_seconds is not None and rows >= min(_ROWS_WORTH_TIMING, self.scheduler.prompt_budget):
            affordable = int(rows / seconds * self._options.step_seconds)
            self.scheduler.prompt_budget = max(self._options.block_size, min(affordable, self._options.step_tokens))


def _output(sequence: Sequence, token_id: int, logprobs: TokenLogprobs | None) -> SequenceOutput:
    return SequenceOutput(
        sequence.id,
        sequence.index,
        [token_id],
        sequence.finish_reason,
        sequence.cached_tokens or 0,
        None if logprobs is None else [logprobs],
        sequence.prompt_logprobs if sequence.num_generated == 1 else None,
    )


def _finished(sequence: Sequence) -> SequenceOutput:
    """The end of a sequence without a token."""
    prompt_logprobs = sequence.prompt_logprobs if sequence.num_generated == 0 else None
    if sequence.finish_reason == "cancelled":
        prompt_logprobs = None
    return SequenceOutput(
        sequence.id, sequence.index, [], sequence.finish_reason, sequence.cached_tokens or 0, None, prompt_logprobs
    )
