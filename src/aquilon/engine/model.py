"""One loaded model: takes requests, returns outputs step by step."""

from __future__ import annotations

import os
import time
from concurrent.futures import Future
from dataclasses import dataclass

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


@dataclass(frozen=True)
class StepResult:
    """What one step brought."""

    outputs: list[SequenceOutput]
    failures: list[SequenceFailed]
    """The requests that the step ended because their answers can't follow their grammars any further."""


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
        self._runner = runner
        self._options = options
        self._vocab_size = vocab_size
        self._eos_ids = eos_ids
        self._constraints = constraints
        self._awaited: set[str] = set()
        """The ids of requests whose grammars are being built."""
        if options.step_seconds is not None:
            scheduler.prompt_budget = min(_FIRST_PROMPT_TOKENS, options.step_tokens)

    @property
    def has_work(self) -> bool:
        """Whether there is a step to compute."""
        return self.scheduler.has_work

    @property
    def in_use(self) -> bool:
        """Whether there is a step to compute, or a request whose grammar is being built."""
        return self.has_work or bool(self._awaited)

    def build_constraint(self, request: SequenceRequest) -> Future[Constraint]:
        """Build a request's grammar in a thread; ``take_awaited`` tells whether the request still waits for it.

        Raises InvalidRequest for a request that the model can't answer with any grammar.
        """
        check_request(request, vocab_size=self._vocab_size, max_context=self.max_context)
        if self._constraints is None or request.grammar is None:
            raise InvalidRequest(f"The model '{self.name}' can't follow a grammar: its tokens are unknown")
        self._awaited.add(request.id)
        return self._constraints.build(request.grammar, request.grammar_prefix)

    def take_awaited(self, request_id: str) -> bool:
        """Remove a request from those that wait for their grammars; False where it was cancelled meanwhile."""
        if request_id not in self._awaited:
            return False
        self._awaited.remove(request_id)
        return True

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
        """End all of a request's continuations, or one; returns their last outputs, without tokens."""
        if index is None:
            self._awaited.discard(request_id)
        return [_finished(sequence) for sequence in self.scheduler.cancel(request_id, index)]

    def request_ids(self) -> set[str]:
        """The ids of requests that are queued, running or waiting for their grammars."""
        return {sequence.id for sequence in (*self.scheduler.running, *self.scheduler.waiting)} | self._awaited

    def step(self) -> StepResult:
        """Compute one step; ends the requests whose grammars can't be followed any further."""
        started = time.monotonic()
        step = self.scheduler.schedule()
        computed = self._runner.run(step)
        for sequence, entries in computed.prompt_logprobs:
            sequence.add_prompt_logprobs(entries)
        finished = self.scheduler.update(step, computed.token_ids)
        outputs = [
            _output(sequence, token_id, entry)
            for (sequence, _), token_id, entry in zip(step.draws, computed.token_ids, computed.logprobs, strict=True)
            if sequence.failure is None
        ]
        drawn = {id(sequence) for sequence, _ in step.draws}
        outputs += [
            _finished(sequence) for sequence in finished if id(sequence) not in drawn and sequence.failure is None
        ]
        self.used_at = time.monotonic()
        self._pace(step.num_rows, self.used_at - started)
        failed = {sequence.id: sequence.failure for sequence, _ in step.draws if sequence.failure is not None}
        failures = [
            SequenceFailed(request_id, "invalid", f"The answer can't follow its grammar any further: {reason}")
            for request_id, reason in failed.items()
        ]
        for request_id in failed:
            self.cancel(request_id)
        return StepResult(outputs, failures)

    def _pace(self, rows: int, seconds: float) -> None:
        """Lower the prompt budget until steps are short: other requests wait for a step, and a cancellation too."""
        if self._options.step_seconds is not None and rows >= min(_ROWS_WORTH_TIMING, self.scheduler.prompt_budget):
            affordable = int(rows / seconds * self._options.step_seconds)
            self.scheduler.prompt_budget = max(self._options.block_size, min(affordable, self._options.step_tokens))


def _output(sequence: Sequence, token_id: int, logprobs: TokenLogprobs | None) -> SequenceOutput:
    return SequenceOutput(
        id=sequence.id,
        index=sequence.index,
        token_ids=[token_id],
        finish_reason=sequence.finish_reason,
        cached_tokens=sequence.cached_tokens or 0,
        logprobs=None if logprobs is None else [logprobs],
        prompt_logprobs=sequence.prompt_logprobs if sequence.num_generated == 1 else None,
    )


def _finished(sequence: Sequence) -> SequenceOutput:
    """The end of a sequence without a token."""
    prompt_logprobs = sequence.prompt_logprobs if sequence.num_generated == 0 else None
    if sequence.finish_reason == "cancelled":
        prompt_logprobs = None
    return SequenceOutput(
        id=sequence.id,
        index=sequence.index,
        token_ids=[],
        finish_reason=sequence.finish_reason,
        cached_tokens=sequence.cached_tokens or 0,
        logprobs=None,
        prompt_logprobs=prompt_logprobs,
    )
