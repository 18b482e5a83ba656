"""Choose the tokens that the next step computes.

There is no prefill phase and no decode phase: every sequence has tokens known
and tokens computed, and each step computes some of the difference within one
token budget. The idea is vLLM V1's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain

from aquilon.engine.blocks import BlockPool
from aquilon.engine.sequence import Sequence


@dataclass(kw_only=True)
class Step:
    """One step's work. Each row of the flat batch is a token; a sequence's rows are consecutive."""

    chunks: list[tuple[Sequence, int]] = field(default_factory=list)
    """Sequences in order of their rows, and how many tokens of each are computed."""
    draws: list[tuple[Sequence, int]] = field(default_factory=list)
    """Sequences that get a new token, and the row whose logits it is drawn from."""
    copies: list[tuple[int, int]] = field(default_factory=list)
    """KV blocks to copy (from, to) once the step has computed them."""
    num_rows: int = 0

    def add(self, sequence: Sequence, num_tokens: int) -> None:
        self.chunks.append((sequence, num_tokens))
        self.num_rows += num_tokens


@dataclass(kw_only=True)
class SchedulerCounts:
    """Since the start, in tokens except ``preemptions``."""

    preemptions: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0
    prefix_cache_queries: int = 0
    prefix_cache_hits: int = 0


class Scheduler:
    """Schedules decoding first, then prompts that are partly computed, then waiting sequences in order of arrival.

    A higher priority is admitted first, and preempts running sequences of a lower
    one where it doesn't fit. A sequence is admitted when there are blocks for all
    its known tokens and one for each running sequence, so only decoding can run out
    of blocks. Then the last admitted sequence of the lowest priority is preempted:
    it gives up its blocks, waits before all others of its priority and computes its
    tokens again, except those that the prefix cache still holds.
    """

    def __init__(self, pool: BlockPool, *, step_tokens: int, max_sequences: int, prefix_cache: bool = True) -> None:
        """``step_tokens`` must hold a block and ``max_sequences`` tokens: then every step makes progress."""
        if step_tokens < pool.block_size + max_sequences:
            raise ValueError(f"step_tokens is {step_tokens}: below one block and {max_sequences} sequences")
        self.pool = pool
        self.prompt_budget = step_tokens
        """Prompt tokens that one step may compute, at least a block; ``LoadedModel`` lowers it on slow machines."""
        self.counts = SchedulerCounts()
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        """In order of admission."""
        self._step_tokens = step_tokens
        self._max_sequences = max_sequences
        self._prefix_cache = prefix_cache

    @property
    def has_work(self) -> bool:
        return bool(self.running or self.waiting)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence and its siblings; raises ValueError where its ``max_length`` doesn't fit in the pool."""
        if self.pool.blocks_for(sequence.max_length) > self.pool.num_blocks:
            raise ValueError(
                f"a sequence of {sequence.max_length} tokens can never fit in the KV cache of "
                f"{self.pool.num_blocks * self.pool.block_size} tokens"
            )
        self._queue(sequence)

    def schedule(self) -> Step:
        """Choose the next step's tokens and allocate their blocks; never empty while there is work."""
        step = Step()
        self._preempt_for_priority()
        self._schedule_decodes(step)
        budget = min(self._step_tokens - step.num_rows, max(self.prompt_budget, self.pool.block_size))
        decoding = step.num_rows
        for sequence in self._by_priority():
            if sequence.num_missing > 1:
                self._schedule_prompt(step, sequence, budget - (step.num_rows - decoding))
        while self.waiting and len(self.running) < self._max_sequences:
            sequence = self.waiting[0]
            remaining = budget - (step.num_rows - decoding)
            if remaining < min(self.pool.block_size, sequence.num_missing) or not self._admit(sequence):
                break
            self.waiting.popleft()
            self._schedule_prompt(step, sequence, remaining)
        return step

    def update(self, step: Step, token_ids: list[int]) -> list[Sequence]:
        """Record a computed step and its tokens, in the order of ``step.draws``; returns the finished sequences."""
        finished = []
        for sequence, num_tokens in step.chunks:
            before = sequence.num_computed
            sequence.num_computed += num_tokens
            if before < sequence.num_prompt <= sequence.num_computed and sequence.num_generated == 0:
                self.counts.prompt_tokens += sequence.num_prompt
            self._publish(sequence)
            if sequence.num_missing == 0 and len(sequence.token_ids) >= sequence.max_length:
                family, sequence.siblings = [sequence, *sequence.siblings], []
                for member in family:
                    member.finish_reason = "length"
                finished += family
        for (sequence, _), token_id in zip(step.draws, token_ids, strict=True):
            sequence.append(token_id)
            if sequence.finish_reason is not None:
                finished.append(sequence)
        self.counts.generation_tokens += len(token_ids)
        for sequence in finished:
            self._remove(sequence)
        return finished

    def cancel(self, request_id: str, index: int | None = None) -> list[Sequence]:
        """End a request's continuations, or one of them, between two steps; returns the sequences it ended."""
        cancelled = []
        for sequence in self._of_request(request_id):
            family = [sequence, *sequence.siblings]
            ended = [member for member in family if index is None or member.index == index]
            kept = [member for member in family if member not in ended]
            for member in ended:
                member.finish_reason = "cancelled"
            cancelled += ended
            if sequence in ended:
                sequence.siblings = []
                self._remove(sequence)
                if kept:
                    self._queue(kept[0], first=True)
                    kept[0].siblings = kept[1:]
            else:
                sequence.siblings = kept[1:]
        return cancelled

    def _of_request(self, request_id: str) -> list[Sequence]:
        return [sequence for sequence in chain(self.running, self.waiting) if sequence.id == request_id]

    def _by_priority(self) -> list[Sequence]:
        """Running sequences, the highest priority first: a sequence is only preempted for one before it."""
        return sorted(self.running, key=lambda running: -running.priority)

    def _schedule_decodes(self, step: Step) -> None:
        for sequence in self._by_priority():
            if sequence.num_missing != 1 or not sequence.block_table:
                continue  # computing its prompt, or preempted in this loop
            while self.pool.blocks_for(len(sequence.token_ids)) > len(sequence.block_table):
                if self.pool.num_free:
                    sequence.block_table.extend(self.pool.allocate(1))
                    continue
                if self._preempt() is sequence:
                    return
            self._schedule_prompt(step, sequence, 1)

    def _schedule_prompt(self, step: Step, sequence: Sequence, budget: int) -> None:
        """Add as many of a sequence's tokens as the budget allows, all or up to the end of a block."""
        num_tokens = sequence.num_missing
        if num_tokens > budget:
            end = sequence.num_computed + max(budget, 0)
            num_tokens = end - end % self.pool.block_size - sequence.num_computed
            if num_tokens <= 0:
                return
        step.add(sequence, num_tokens)
        if num_tokens == sequence.num_missing and len(sequence.token_ids) < sequence.max_length:
            step.draws.append((sequence, step.num_rows - 1))
            self._fork(step, sequence)

    def _fork(self, step: Step, sequence: Sequence) -> None:
        """Start the siblings: they share the prompt's full blocks and copy the last, partly filled one."""
        siblings, sequence.siblings = sequence.siblings, []
        full, partial = divmod(sequence.num_prompt, self.pool.block_size)
        for sibling in siblings:
            if len(self.running) >= self._max_sequences or (partial and not self.pool.num_free):
                self._queue(sibling)
                continue
            shared = sequence.block_table[:full]
            self.pool.hold(shared)
            sibling.block_table = shared[:]
            if partial:
                copy = self.pool.allocate(1)
                sibling.block_table.extend(copy)
                step.copies.append((sequence.block_table[full], copy[0]))
            sibling.num_computed = sibling.num_prompt
            sibling.num_published = full
            sibling.cached_tokens = sequence.cached_tokens
            self.running.append(sibling)
            step.draws.append((sibling, step.num_rows - 1))

    def _admit(self, sequence: Sequence) -> bool:
        """Admit a waiting sequence where there are blocks for all its known tokens, shared with the prefix cache's."""
        pool = self.pool
        hit: list[int] = []
        if self._prefix_cache and not sequence.wants_prompt_logprobs:
            # The last known token is always computed: its logits are needed.
            hit = pool.match(sequence.full_block_hashes()[: (len(sequence.token_ids) - 1) // pool.block_size])
        needed = pool.blocks_for(len(sequence.token_ids)) - len(hit)
        if needed + len(self.running) > pool.num_free - pool.num_free_among(hit):
            return False
        pool.hold(hit)
        sequence.block_table.extend(hit)
        sequence.block_table.extend(pool.allocate(needed))
        sequence.num_computed = len(hit) * pool.block_size
        sequence.num_published = len(hit)
        if sequence.cached_tokens is None:
            sequence.cached_tokens = sequence.num_computed
            self.counts.prefix_cache_queries += sequence.num_prompt
            self.counts.prefix_cache_hits += sequence.num_computed
        self.running.append(sequence)
        return True

    def _publish(self, sequence: Sequence) -> None:
        if not self._prefix_cache:
            return
        full = sequence.num_computed // self.pool.block_size
        if full > sequence.num_published:
            hashes = sequence.full_block_hashes()
            for block in range(sequence.num_published, full):
                self.pool.publish(sequence.block_table[block], hashes[block])
            sequence.num_published = full

    def _queue(self, sequence: Sequence, *, first: bool = False) -> None:
        """Insert a sequence behind the waiting ones of its priority, or ``first`` of them."""
        place = len(self.waiting)
        while place and (
            self.waiting[place - 1].priority < sequence.priority
            or (first and self.waiting[place - 1].priority == sequence.priority)
        ):
            place -= 1
        self.waiting.insert(place, sequence)

    def _preempt_for_priority(self) -> None:
        """Preempt sequences of a lower priority than the first waiting one until it fits."""
        while self.waiting and self.running:
            first = self.waiting[0]
            needed = self.pool.blocks_for(len(first.token_ids)) + len(self.running)
            fits = len(self.running) < self._max_sequences and needed <= self.pool.num_free
            if fits or min(sequence.priority for sequence in self.running) >= first.priority:
                return
            self._preempt()

    def _preempt(self) -> Sequence:
        """Preempt and return the last admitted sequence of the lowest priority."""
        sequence = min(reversed(self.running), key=lambda running: running.priority)
        self.running.remove(sequence)
        self._give_up_blocks(sequence)
        self._queue(sequence, first=True)
        self.counts.preemptions += 1
        return sequence

    def _remove(self, sequence: Sequence) -> None:
        if sequence in self.running:
            self.running.remove(sequence)
            self._give_up_blocks(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)

    def _give_up_blocks(self, sequence: Sequence) -> None:
        self.pool.release(sequence.block_table)
        del sequence.block_table[:]
        sequence.num_computed = 0
        sequence.num_published = 0
