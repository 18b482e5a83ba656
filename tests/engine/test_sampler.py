"""Drawing a token from logits."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from aquilon.engine.protocol import SamplingParameters, SequenceRequest
from aquilon.engine.sampler import continuation_seed, sample, uniform
from aquilon.engine.sequence import Sequence

VOCABULARY = 1000


def make_sequence(
    prompt: list[int] | None = None, *, seed: int = 0, end_ids: frozenset[int] = frozenset(), **parameters: object
) -> Sequence:
    request = SequenceRequest(id="r", model="m", prompt_ids=prompt or [1], sampling=SamplingParameters(**parameters))  # type: ignore[arg-type]
    return Sequence(request, 0, seed=seed, block_size=4, max_length=10**6, end_ids=end_ids)


def random_logits(rows: int = 1, seed: int = 0, vocab_size: int = VOCABULARY) -> Tensor:
    return torch.randn(rows, vocab_size, generator=torch.Generator().manual_seed(seed)) * 3


def possible_tokens(logits: Tensor, draws: int = 300, **parameters: object) -> Counter[int]:
    """The tokens that ``draws`` seeds draw from one row."""
    sequences = [make_sequence(seed=seed, **parameters) for seed in range(draws)]
    token_ids, _ = sample(logits.expand(draws, -1).clone(), sequences)
    return Counter(token_ids)


def test_temperature_zero_takes_the_most_likely_token() -> None:
    logits = random_logits(5)
    token_ids, _ = sample(logits.clone(), [make_sequence(temperature=0) for _ in range(5)])
    assert token_ids == logits.argmax(-1).tolist()


def test_draws_follow_the_models_distribution() -> None:
    logits = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log()
    counts = possible_tokens(logits, draws=20000)
    for token_id, share in enumerate([0.5, 0.25, 0.125, 0.125]):
        assert counts[token_id] / 20000 == pytest.approx(share, abs=0.02)


def test_a_low_temperature_sharpens_and_a_tiny_one_is_greedy() -> None:
    logits = random_logits()
    assert len(possible_tokens(logits, temperature=0.5)) < len(possible_tokens(logits, temperature=1.0))
    for tiny in (1e-6, 1e-40, 5e-324):
        assert possible_tokens(logits, temperature=tiny) == {int(logits.argmax()): 300}
        assert possible_tokens(logits, temperature=tiny, top_k=5) == {int(logits.argmax()): 300}


@pytest.mark.parametrize("vocab_size", [263, VOCABULARY])
@pytest.mark.parametrize("filters", [{}, {"top_k": 264}, {"top_p": 0.5}, {"min_p": 0.1}, {"temperature": 0}])
def test_logits_that_are_not_numbers_still_give_tokens_of_the_vocabulary(
    vocab_size: int, filters: dict[str, float]
) -> None:
    for value in (torch.nan, torch.inf, -torch.inf):
        drawn = possible_tokens(torch.full((1, vocab_size), value), **filters)
        assert all(0 <= token_id < vocab_size for token_id in drawn)


def test_top_k_draws_from_the_k_most_likely() -> None:
    logits = random_logits()
    assert set(possible_tokens(logits, top_k=3, temperature=5.0)) == set(logits.topk(3).indices[0].tolist())


def test_top_p_draws_from_the_smallest_set_with_that_probability() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert set(possible_tokens(logits, top_p=0.45)) == {0}
    assert set(possible_tokens(logits, top_p=0.75)) == {0, 1}
    assert set(possible_tokens(logits, top_p=0.9)) == {0, 1, 2}
    assert set(possible_tokens(logits, top_p=0.0)) == {0}


def test_min_p_excludes_tokens_far_less_likely_than_the_best() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert set(possible_tokens(logits, min_p=0.25)) == {0, 1, 2}


def test_top_p_is_a_share_of_what_top_k_left() -> None:
    logits = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()
    assert set(possible_tokens(logits, top_k=2, top_p=0.55)) == {0}


def slow_allowed(logits: Tensor, temperature: float, min_p: float, top_k: int, top_p: float) -> set[int]:
    """The slow twin: filters one after the other. What is equally likely stays together, as far as float32 tells."""
    probabilities = ((logits - logits.max()) / temperature).softmax(-1).double()
    falling = probabilities.sort(descending=True).values[: top_k or None]
    least = falling[-1]
    if top_p < 1:
        reached = (falling.cumsum(0) >= top_p * falling.sum()).nonzero()[0, 0]
        least = falling[reached]
    least = max(least, min_p * falling[0])
    return set((probabilities >= least).nonzero()[:, 0].tolist())


@given(
    seed=st.integers(0, 10**6),
    spread=st.sampled_from([0.01, 1.0, 4.0]),
    temperature=st.sampled_from([0.3, 1.0, 2.0]),
    min_p=st.sampled_from([0.0, 0.02, 0.5]),
    top_k=st.sampled_from([0, 1, 7, 600, 2000]),
    top_p=st.sampled_from([1.0, 0.99, 0.7, 0.1]),
)
@example(seed=390, spread=0.01, temperature=2.0, min_p=0.0, top_k=600, top_p=0.1)  # equal in float32 alone
@settings(max_examples=60, deadline=None)
def test_filters_agree_with_their_slow_twin(
    seed: int, spread: float, temperature: float, min_p: float, top_k: int, top_p: float
) -> None:
    logits = random_logits(seed=seed) * spread
    drawn = possible_tokens(logits, draws=64, temperature=temperature, min_p=min_p, top_k=top_k, top_p=top_p)
    allowed = slow_allowed(logits[0], temperature, min_p, top_k, top_p)
    assert set(drawn) <= allowed


class TestSeeds:
    def test_a_seed_gives_the_same_token_alone_and_beside_others(self) -> None:
        logits = random_logits(16, vocab_size=49152)
        parameters = [
            {"temperature": 0.5 + row / 10, "top_p": [1.0, 0.8, 0.95][row % 3], "top_k": [0, 40][row % 2]}
            for row in range(16)
        ]
        sequences = [make_sequence(seed=row, **parameters[row]) for row in range(16)]
        together, _ = sample(logits.clone(), sequences)
        alone = [sample(logits[row : row + 1].clone(), [sequences[row]])[0][0] for row in range(16)]
        backwards, _ = sample(logits.flip(0).clone(), sequences[::-1])
        assert together == alone == backwards[::-1]

    def test_each_place_and_each_continuation_has_its_own_number(self) -> None:
        numbers = {uniform(continuation_seed(7, index), place) for index in range(20) for place in range(200)}
        assert len(numbers) == 4000
        assert 0.48 < sum(numbers) / 4000 < 0.52
        assert all(0 <= number < 1 for number in numbers)

    def test_a_seed_may_be_any_whole_number(self) -> None:
        assert 0 <= uniform(continuation_seed(-(2**63), 0), 0) < 1


class TestPenalties:
    def test_presence_and_frequency_count_the_output_only(self) -> None:
        sequence = make_sequence([3, 3, 3], temperature=0, presence_penalty=1.0, frequency_penalty=0.5, logprobs=0)
        sequence.token_ids += [5, 5, 6]
        logits = torch.zeros(1, 10)
        logits[0, 3], logits[0, 5], logits[0, 6] = 0.1, 2.05, 1.55
        assert sample(logits, [sequence])[0] == [3]

    def test_repetition_penalty_counts_the_prompt_too(self) -> None:
        sequence = make_sequence([3], temperature=0, repetition_penalty=2.0)
        logits = torch.tensor([[-5.0, -3.9, -3.0, -2.0]])
        assert sample(logits, [sequence])[0] == [2]

    @pytest.mark.parametrize("penalty", [5e-324, 1e-40, 1e-30])
    def test_a_tiny_repetition_penalty_draws_only_repeated_tokens(self, penalty: float) -> None:
        logits = random_logits()
        likely, other = logits.topk(2).indices[0].tolist()
        drawn = set()
        for seed in range(50):
            sequence = make_sequence([likely, other], seed=seed, repetition_penalty=penalty)
            drawn |= set(sample(logits.clone(), [sequence])[0])
        assert drawn <= {likely, other}

    def test_penalties_follow_the_tokens_that_were_drawn(self) -> None:
        sequence = make_sequence(temperature=0, frequency_penalty=1.0)
        drawn = []
        for _ in range(4):
            drawn += sample(torch.tensor([[1.0, 0.5, 0.0]]), [sequence])[0]
            sequence.append(drawn[-1])
        assert drawn == [0, 1, 0, 2]

    def test_a_bias_of_minus_100_bans_a_token_and_plus_100_forces_one(self) -> None:
        logits = random_logits()
        best, second = logits.topk(2).indices[0].tolist()
        assert sample(logits.clone(), [make_sequence(temperature=0, logit_bias={best: -100.0})])[0] == [second]
        assert sample(logits.clone(), [make_sequence(logit_bias={17: 100.0})])[0] == [17]

    def test_no_end_token_comes_before_min_tokens(self) -> None:
        sequence = make_sequence(temperature=0, min_tokens=2, end_ids=frozenset({0}))
        drawn = []
        for _ in range(3):
            drawn += sample(torch.tensor([[2.0, 1.0]]), [sequence])[0]
            sequence.append(drawn[-1])
        assert drawn == [1, 1, 0]

    def test_one_sequences_bias_leaves_other_rows_unchanged(self) -> None:
        logits = random_logits().expand(2, -1).clone()
        best = int(logits[0].argmax())
        banned, plain = make_sequence(temperature=0, logit_bias={best: -100.0}), make_sequence(temperature=0)
        token_ids, _ = sample(logits, [banned, plain])
        assert token_ids[0] != best
        assert token_ids[1] == best


class TestLogprobs:
    def test_log_probabilities_are_the_models_own_whatever_the_sampling(self) -> None:
        logits = random_logits()
        expected = logits[0].log_softmax(-1)
        sequence = make_sequence(temperature=0.1, top_k=1, logit_bias={17: 100.0}, logprobs=3)
        [token_id], [entry] = sample(logits.clone(), [sequence])
        assert token_id == 17
        assert entry is not None
        assert entry.token_id == 17
        assert entry.logprob == pytest.approx(float(expected[17]), abs=1e-5)
        assert entry.rank == int((expected > expected[17]).sum()) + 1
        assert [top for top, _ in entry.top] == expected.topk(3).indices.tolist()
        assert all(math.isclose(value, float(expected[top]), abs_tol=1e-5) for top, value in entry.top)

    def test_only_requests_that_ask_for_log_probabilities_get_them_and_as_many_as_asked(self) -> None:
        sequences = [make_sequence(logprobs=2), make_sequence(), make_sequence(logprobs=0)]
        _, entries = sample(random_logits(3), sequences)
        assert [None if entry is None else len(entry.top) for entry in entries] == [2, None, 0]


class TestForbiddenTokens:
    def test_only_allowed_tokens_are_drawn_whatever_their_bias(self) -> None:
        drawn = possible_tokens(random_logits(), allowed_token_ids=(3, 500, 7), logit_bias={9: 100.0})
        assert set(drawn) <= {3, 500, 7}
        assert len(drawn) > 1

    def test_a_bad_sequence_never_completes(self) -> None:
        sequence = make_sequence([5], temperature=0, bad_sequences=((1, 2), (4,)))
        logits = torch.tensor([[0.0, 1.0, 9.0, 2.0, 8.0]])
        expected = [2, 2, 2, 2]
        for token_id in expected:
            assert sample(logits.clone(), [sequence])[0] == [token_id]
            sequence.append(token_id)
        sequence.append(1)
        assert sample(logits.clone(), [sequence])[0] == [3]

    def test_the_prompt_does_not_begin_a_bad_sequence(self) -> None:
        sequence = make_sequence([1], temperature=0, bad_sequences=((1, 2),))
        assert sample(torch.tensor([[0.0, 1.0, 9.0]]), [sequence])[0] == [2]

    def test_a_token_remains_when_all_are_forbidden(self) -> None:
        logits = torch.tensor([[0.0, 2.0, 1.0]])
        everything = make_sequence(temperature=0, bad_sequences=((0,), (1,), (2,)))
        assert sample(logits.clone(), [everything])[0] == [1]
        end_alone = make_sequence(end_ids=frozenset({2}), temperature=0, min_tokens=3, allowed_token_ids=(2,))
        assert sample(logits.clone(), [end_alone])[0] == [2]


def test_named_tokens_are_reported_in_place_of_the_likeliest() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0, -torch.inf]])
    sequences = [make_sequence(temperature=0, logprobs=1, logprob_token_ids=(3, 0)), make_sequence(logprobs=1)]
    _, [named, plain] = sample(logits.expand(2, -1).clone(), sequences)
    own = logits.log_softmax(-1)[0].tolist()
    assert named is not None
    assert plain is not None
    assert (named.token_id, named.rank) == (1, 1)
    assert named.top == [(3, -9999.0), (0, pytest.approx(own[0]))]
    assert plain.top == [(1, pytest.approx(own[1]))]
