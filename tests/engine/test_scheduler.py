"""The scheduler with a model that records in each KV slot the prefix that the slot was computed from."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aquilon.engine.blocks import BlockPool
from aquilon.engine.protocol import SamplingParameters, SequenceRequest
from aquilon.engine.scheduler import Scheduler, Step
from aquilon.engine.sequence import Sequence

EOS = 7


def next_token(prefix: tuple[int, ...], index: int) -> int:
    """The next token of the recording model, which depends on all tokens before it and on the continuation."""
    return hash((prefix, index)) % 11


@dataclass
class RecordingModel:
    """Computes steps as the runner does, with prefixes in the slots instead of keys and values."""

    scheduler: Scheduler
    block_size: int
    slots: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)

    def compute(self, step: Step) -> list[int]:
        rows: list[tuple[int, ...]] = []
        written: set[tuple[int, int]] = set()
        for sequence, num_tokens in step.chunks:
            for position in range(sequence.num_computed, sequence.num_computed + num_tokens):
                slot = (sequence.block_table[position // self.block_size], position % self.block_size)
                assert slot not in written, "two tokens of one step share a slot"
                written.add(slot)
                prefix = tuple(sequence.token_ids[: position + 1])
                self.slots[slot] = prefix
                rows.append(prefix)
        for sequence, num_tokens in step.chunks:
            for position in range(sequence.num_computed + num_tokens):
                slot = (sequence.block_table[position // self.block_size], position % self.block_size)
                assert self.slots[slot] == tuple(sequence.token_ids[: position + 1]), "a slot of another prefix"
                assert slot not in written or position >= sequence.num_computed, "a hit on a block still in flight"
        for source, target in step.copies:
            for offset in range(self.block_size):
                if (source, offset) in self.slots:
                    self.slots[target, offset] = self.slots[source, offset]
        return [next_token(rows[row], sequence.index) for sequence, row in step.draws]

    def step(self) -> tuple[Step, list[Sequence]]:
        step = self.scheduler.schedule()
        return step, self.scheduler.update(step, self.compute(step))


def make_scheduler(
    num_blocks: int = 64, block_size: int = 4, step_tokens: int = 24, **options: object
) -> RecordingModel:
    pool = BlockPool(num_blocks, block_size)
    options = {"max_sequences": 8, "prefix_cache": True, **options}
    return RecordingModel(Scheduler(pool, step_tokens=step_tokens, **options), block_size)  # type: ignore[arg-type]


def make_sequences(
    prompt: list[int], *, name: str = "r", max_tokens: int = 8, n: int = 1, salt: str = "", max_context: int = 10**6
) -> list[Sequence]:
    request = SequenceRequest(
        id=name, model="m", prompt_ids=prompt, sampling=SamplingParameters(max_tokens=max_tokens), n=n, cache_salt=salt
    )
    family = [
        Sequence(
            request,
            index,
            seed=0,
            block_size=4,
            max_length=min(len(prompt) + max_tokens, max_context),
            end_ids=frozenset({EOS}),
        )
        for index in range(n)
    ]
    family[0].siblings = family[1:]
    return family


def alone(prompt: list[int], index: int, max_length: int) -> list[int]:
    """The slow twin: one sequence, token after token."""
    tokens = list(prompt)
    while len(tokens) < max_length:
        tokens.append(next_token(tuple(tokens), index))
        if tokens[-1] == EOS:
            break
    return tokens


def finish(model: RecordingModel, limit: int = 2000) -> list[Step]:
    steps = []
    while model.scheduler.has_work:
        step, _ = model.step()
        assert step.num_rows > 0, "a step without work"
        steps.append(step)
        assert len(steps) < limit, "no end"
    return steps


class TestOneSequence:
    def test_a_long_prompt_is_computed_in_chunks_that_end_at_blocks(self) -> None:
        model = make_scheduler(step_tokens=14)
        [sequence] = make_sequences([1] * 30, max_tokens=1)
        model.scheduler.add(sequence)
        assert [step.num_rows for step in finish(model)] == [12, 12, 6]

    def test_a_prompt_found_whole_in_the_cache_has_its_last_token_computed_again(self) -> None:
        model = make_scheduler()
        for name in ("first", "again"):
            [sequence] = make_sequences([1] * 16, name=name, max_tokens=1)
            model.scheduler.add(sequence)
            steps = finish(model)
        assert sequence.cached_tokens == 12
        assert steps[0].num_rows == 4

    def test_generated_tokens_are_found_by_the_next_turn_of_the_conversation(self) -> None:
        model = make_scheduler()
        [first] = make_sequences([1] * 9, max_tokens=10)
        model.scheduler.add(first)
        finish(model)
        [second] = make_sequences([*first.token_ids, 3, 3, 3], name="next")
        model.scheduler.add(second)
        finish(model)
        assert second.cached_tokens == (len(first.token_ids) - 1) // 4 * 4

    def test_asking_for_no_tokens_computes_the_prompt_and_draws_nothing(self) -> None:
        model = make_scheduler()
        family = make_sequences([1] * 9, max_tokens=0, n=3)
        model.scheduler.add(family[0])
        [step] = finish(model)
        assert step.draws == []
        assert [sequence.finish_reason for sequence in family] == ["length"] * 3

    def test_a_sequence_that_can_never_fit_is_refused(self) -> None:
        model = make_scheduler(num_blocks=4)
        with pytest.raises(ValueError, match="never fit"):
            model.scheduler.add(make_sequences([1] * 10, max_tokens=7)[0])


class TestManySequences:
    def test_a_long_prompt_does_not_stop_the_others_from_decoding(self) -> None:
        model = make_scheduler(step_tokens=16)
        [talker] = make_sequences([1, 2], name="talker", max_tokens=50)
        talker.end_ids = frozenset()
        model.scheduler.add(talker)
        model.step()
        model.scheduler.add(make_sequences([3] * 100, name="long", max_tokens=1)[0])
        for _ in range(3):
            step, _ = model.step()
            assert step.chunks[0] == (talker, 1)
            assert step.num_rows > 1

    def test_equal_prompts_in_one_step_do_not_read_each_others_unfinished_blocks(self) -> None:
        model = make_scheduler()
        for name in ("a", "b"):
            model.scheduler.add(make_sequences([1] * 8, name=name)[0])
        step, _ = model.step()
        assert [num_tokens for _, num_tokens in step.chunks] == [8, 8]
        finish(model)

    def test_equal_prompts_under_two_salts_share_no_block(self) -> None:
        model = make_scheduler()
        [first] = make_sequences([1] * 16, name="a", salt="org-1", max_tokens=40)
        model.scheduler.add(first)
        model.step()
        [second] = make_sequences([1] * 16, name="b", salt="org-2", max_tokens=40)
        model.scheduler.add(second)
        model.step()
        assert second.cached_tokens == 0
        assert set(first.block_table).isdisjoint(second.block_table)

    def test_continuations_of_one_prompt_share_its_full_blocks_and_compute_it_once(self) -> None:
        model = make_scheduler(prefix_cache=False)
        family = make_sequences([1] * 10, n=4, max_tokens=3)
        model.scheduler.add(family[0])
        step, _ = model.step()
        assert step.num_rows == 10
        assert [sequence for sequence, _ in step.draws] == family
        assert len({sequence.block_table[1] for sequence in family}) == 1
        assert len({sequence.block_table[2] for sequence in family}) == 4
        finish(model)
        assert [s.token_ids for s in family] == [alone([1] * 10, index, 13) for index in range(4)]

    def test_running_out_of_blocks_preempts_the_last_admitted_which_resumes(self) -> None:
        model = make_scheduler(num_blocks=7)
        sequences = [make_sequences([n] * 8, name=str(n), max_tokens=12)[0] for n in (1, 2)]
        for sequence in sequences:
            sequence.end_ids = frozenset()
            model.scheduler.add(sequence)
        finish(model)
        assert model.scheduler.counts.preemptions > 0
        assert all(sequence.num_generated == 12 for sequence in sequences)

    def test_cancelling_gives_the_blocks_back_at_once(self) -> None:
        model = make_scheduler()
        family = make_sequences([1] * 10, n=3, max_tokens=50)
        model.scheduler.add(family[0])
        model.step()
        assert model.scheduler.cancel("r", 1) == [family[1]]
        model.step()
        assert {s.index for s in model.scheduler.cancel("r")} == {
            s.index for s in family if s.index != 1 and s.num_generated
        }
        assert model.scheduler.pool.num_free == 64
        assert not model.scheduler.has_work

    def test_cancelling_the_first_continuation_leaves_the_others(self) -> None:
        model = make_scheduler(step_tokens=12)
        family = make_sequences([1] * 22, n=3, max_tokens=4)
        model.scheduler.add(family[0])
        model.step()
        model.scheduler.cancel("r", 0)
        finish(model)
        assert family[0].finish_reason == "cancelled"
        assert [s.token_ids for s in family[1:]] == [alone([1] * 22, index, 26) for index in (1, 2)]


@st.composite
def workloads(draw: st.DrawFn) -> list[tuple[int, list[int], int, int, str]]:
    """Arrivals: (step, prompt, max_tokens, n, salt), with shared prefixes made likely."""
    stem = draw(st.lists(st.integers(0, 3), min_size=0, max_size=20))
    return [
        (
            draw(st.integers(0, 12)),
            stem[: draw(st.integers(0, 20))] + draw(st.lists(st.integers(0, 3), min_size=1, max_size=12)),
            draw(st.integers(0, 16)),
            draw(st.integers(1, 3)),
            draw(st.sampled_from(["", "a"])),
        )
        for _ in range(draw(st.integers(1, 9)))
    ]


@given(
    workload=workloads(),
    num_blocks=st.integers(12, 40),
    step_tokens=st.integers(8, 40),
    max_sequences=st.integers(1, 4),
    prefix_cache=st.booleans(),
    prompt_budget=st.integers(1, 40),
    cancellations=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8), st.sampled_from([None, 0, 1])), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_each_sequence_gets_the_tokens_that_it_gets_alone_under_any_load(
    workload: list[tuple[int, list[int], int, int, str]],
    num_blocks: int,
    step_tokens: int,
    max_sequences: int,
    prefix_cache: bool,
    prompt_budget: int,
    cancellations: list[tuple[int, int, int | None]],
) -> None:
    model = make_scheduler(num_blocks, 4, step_tokens, max_sequences=max_sequences, prefix_cache=prefix_cache)
    scheduler = model.scheduler
    scheduler.prompt_budget = prompt_budget
    families: dict[int, list[Sequence]] = {}
    arrivals = sorted(enumerate(workload), key=lambda item: item[1][0])
    for now in range(3000):
        while arrivals and arrivals[0][1][0] <= now:
            number, (_, prompt, max_tokens, n, salt) = arrivals.pop(0)
            families[number] = make_sequences(
                prompt, name=str(number), max_tokens=max_tokens, n=n, salt=salt, max_context=num_blocks * 4
            )
            scheduler.add(families[number][0])
        for when, number, index in cancellations:
            if when == now:
                scheduler.cancel(str(number), index)
        if scheduler.has_work:
            step, finished = model.step()
            assert 0 < step.num_rows <= step_tokens
            assert len(scheduler.running) <= max_sequences
            assert all(sequence.finish_reason is not None for sequence in finished)
        elif not arrivals:
            break
    assert not scheduler.has_work
    assert scheduler.pool.num_free == num_blocks
    for number, family in families.items():
        for sequence in family:
            expected = alone(workload[number][1], sequence.index, sequence.max_length)
            assert sequence.finish_reason is not None
            if sequence.finish_reason == "cancelled":
                expected = expected[: len(sequence.token_ids)]
            assert sequence.token_ids == expected
