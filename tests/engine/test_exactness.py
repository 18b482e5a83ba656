"""Batch invariance: an answer has the same tokens alone and beside others.

That holds whatever else is computed, however the prompt is cut into chunks, with and
without a cached prefix, and after a preemption.
"""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.loaded_models import Arrival, answer_all, check_each_as_alone, loaded_model
from tests.support.random_transformers import random_architecture, random_transformer

from aquilon.engine.model import LoadedModel
from aquilon.engine.protocol import SamplingParameters, SequenceRequest
from aquilon.models.attention import DenseCausalAttention
from aquilon.models.transformer import Transformer

ARCHITECTURES = {
    "dense": random_architecture(),
    "window": random_architecture(sliding_windows=(11, None)),
    "experts": random_architecture(num_experts=4, experts_per_token=2, tied_embeddings=False),
    "bias": random_architecture(attention_bias=True, output_bias=True, qk_norm=True, num_kv_heads=4, hidden_size=48),
}


@st.composite
def sixteen_streams(draw: st.DrawFn) -> list[Arrival]:
    stem = draw(st.lists(st.integers(3, 159), min_size=40, max_size=40))
    arrivals = []
    for number in range(16):
        own = draw(st.lists(st.integers(3, 159), min_size=1, max_size=30))
        sampling = SamplingParameters(
            temperature=draw(st.sampled_from([0.0, 0.0, 1.0])),
            top_p=draw(st.sampled_from([1.0, 0.9])),
            frequency_penalty=draw(st.sampled_from([0.0, 0.0, 0.5])),
            seed=number,
            max_tokens=draw(st.integers(1, 12)),
            ignore_eos=True,
        )
        request = SequenceRequest(
            id=str(number),
            model="m",
            prompt_ids=stem[: draw(st.integers(0, 40))] + own,
            sampling=sampling,
            n=draw(st.sampled_from([1, 1, 1, 3])),
        )
        cancel_after = draw(st.sampled_from([None, None, None, 0, 3, 10]))
        arrivals.append(Arrival(draw(st.integers(0, 10)), request, cancel_after))
    return arrivals


def alone_model(transformer: Transformer, dtype: torch.dtype) -> LoadedModel:
    return loaded_model(transformer, kv_dtype=dtype, num_blocks=16, step_tokens=128, prefix_cache=False)


crowds = given(
    arrivals=sixteen_streams(),
    num_blocks=st.sampled_from([14, 20, 40, 200]),
    step_tokens=st.sampled_from([24, 37, 64, 400]),
    prefix_cache=st.booleans(),
)


class TestSixteenStreams:
    @pytest.mark.parametrize("name", ARCHITECTURES)
    @pytest.mark.parametrize(
        "dtype",
        [torch.bfloat16, pytest.param(torch.float32, marks=pytest.mark.slow)],
        ids=["bfloat16", "float32"],
    )
    @crowds
    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    def test_each_answer_equals_its_answer_alone(
        self,
        name: str,
        dtype: torch.dtype,
        arrivals: list[Arrival],
        num_blocks: int,
        step_tokens: int,
        prefix_cache: bool,
    ) -> None:
        transformer = random_transformer(ARCHITECTURES[name], dtype=dtype)
        crowded = loaded_model(
            transformer, kv_dtype=dtype, num_blocks=num_blocks, step_tokens=step_tokens, prefix_cache=prefix_cache
        )
        check_each_as_alone(crowded, alone_model(transformer, dtype), arrivals)

    def test_preemption_in_a_tiny_cache_changes_no_answer(self) -> None:
        sampling = SamplingParameters(temperature=1.0, seed=1, max_tokens=24, ignore_eos=True)
        arrivals = [
            Arrival(
                number,
                SequenceRequest(id=str(number), model="m", prompt_ids=list(range(3, 20 + number)), sampling=sampling),
                None,
            )
            for number in range(16)
        ]
        transformer = random_transformer(ARCHITECTURES["dense"], dtype=torch.bfloat16)
        for prefix_cache in (True, False):
            crowded = loaded_model(transformer, kv_dtype=torch.bfloat16, num_blocks=18, prefix_cache=prefix_cache)
            check_each_as_alone(crowded, alone_model(transformer, torch.bfloat16), arrivals)
            assert crowded.scheduler.counts.preemptions >= 3

    def test_without_row_invariant_products_the_batch_changes_log_probabilities(self) -> None:
        """The negative twin: torch's fp32 products round by the number of rows, which changes the logits."""
        transformer = random_transformer(ARCHITECTURES["dense"], dtype=torch.float32)
        prompt = list(range(3, 40))
        sampling = SamplingParameters(temperature=0, max_tokens=8, logprobs=0, ignore_eos=True)
        requests = [
            SequenceRequest(id=str(number), model="m", prompt_ids=prompt, sampling=sampling) for number in range(3)
        ]

        def logprobs(row_invariant: bool, count: int) -> list[float]:
            model = loaded_model(
                transformer, kv_dtype=torch.float32, row_invariant=row_invariant, prefix_cache=False, step_tokens=200
            )
            outputs = answer_all(model, requests[:count])["0", 0].outputs
            return [entry.logprob for output in outputs for entry in output.logprobs or ()]

        assert logprobs(False, 1) != logprobs(False, 3)
        assert logprobs(True, 1) == logprobs(True, 3)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_greedy_answers_are_those_of_the_transformer_without_any_cache(name: str) -> None:
    """The slow twin computes the whole text again for each token; of two nearly equal tokens it may choose either."""
    architecture = ARCHITECTURES[name]
    transformer = random_transformer(architecture, seed=3)
    prompt = [5, 9, 33, 121, 7, 9, 33, 8, 15, 16, 60, 61, 62]
    sampling = SamplingParameters(temperature=0, max_tokens=30, ignore_eos=True)
    model = loaded_model(transformer, kv_dtype=torch.float32, step_tokens=24)
    request = SequenceRequest(id="r", model="m", prompt_ids=prompt, sampling=sampling)
    text = list(prompt)
    for token_id in answer_all(model, [request])["r", 0].token_ids:
        with torch.inference_mode():
            attention = DenseCausalAttention([len(text)], architecture)
            hidden = transformer(torch.tensor(text), torch.arange(len(text)), attention)
            logits = transformer.logits(hidden[-1:])[0]
        assert logits.max() - logits[token_id] < 1e-4 * (logits.max() - logits.min())
        text.append(token_id)


class TestPromptLogprobs:
    PROMPT: ClassVar = [5, 9, 33, 121, 7, 9, 33, 8, 15, 16, 60, 61, 62, 99, 100, 12, 11, 10, 140]

    def request(self, name: str, **parameters: object) -> SequenceRequest:
        sampling = SamplingParameters(temperature=0, **{"max_tokens": 0, "prompt_logprobs": 2, **parameters})  # type: ignore[arg-type]
        return SequenceRequest(id=name, model="m", prompt_ids=self.PROMPT, sampling=sampling)

    def test_prompt_log_probabilities_are_the_transformers(self) -> None:
        architecture = ARCHITECTURES["dense"]
        transformer = random_transformer(architecture)
        ids = torch.tensor(self.PROMPT)
        with torch.inference_mode():
            hidden = transformer(ids, torch.arange(len(ids)), DenseCausalAttention([len(ids)], architecture))
            expected = transformer.logits(hidden).log_softmax(-1)
        answers = answer_all(loaded_model(transformer, kv_dtype=torch.float32), [self.request("r")])
        [output] = answers["r", 0].outputs
        assert output.finish_reason == "length"
        entries = output.prompt_logprobs
        assert entries is not None
        assert entries[0] is None
        assert len(entries) == len(self.PROMPT)
        for position, entry in enumerate(entries[1:], start=1):
            assert entry is not None
            assert entry.token_id == self.PROMPT[position]
            row = expected[position - 1]
            assert entry.logprob == pytest.approx(float(row[entry.token_id]), abs=1e-4)
            assert [token_id for token_id, _ in entry.top] == row.topk(2).indices.tolist()

    def test_a_prompt_in_the_prefix_cache_is_computed_again_for_its_log_probabilities(self) -> None:
        model = loaded_model(random_transformer(ARCHITECTURES["dense"]), kv_dtype=torch.float32)
        first = answer_all(model, [self.request("first")])["first", 0].outputs[0]
        again = answer_all(model, [self.request("again", max_tokens=2)])["again", 0].outputs
        plain = answer_all(model, [self.request("plain", prompt_logprobs=None, max_tokens=2)])["plain", 0].outputs
        assert again[0].prompt_logprobs == first.prompt_logprobs
        assert again[0].cached_tokens == 0
        assert again[1].prompt_logprobs is None
        assert plain[0].cached_tokens == 16
        assert [output.token_ids for output in plain] == [output.token_ids for output in again]

    def test_a_prompt_computed_in_chunks_beside_others_has_the_same_log_probabilities(self) -> None:
        transformer = random_transformer(ARCHITECTURES["dense"])
        [alone] = answer_all(loaded_model(transformer, kv_dtype=torch.float32), [self.request("r")])["r", 0].outputs
        crowd = loaded_model(transformer, kv_dtype=torch.float32, step_tokens=24, num_blocks=12)
        others = [
            SequenceRequest(id=str(n), model="m", prompt_ids=[n + 3] * 20, sampling=SamplingParameters(max_tokens=20))
            for n in range(6)
        ]
        answers = answer_all(crowd, [*others[:3], self.request("r"), *others[3:]])
        assert answers["r", 0].outputs[0].prompt_logprobs == alone.prompt_logprobs


class TestEnds:
    def model(self) -> LoadedModel:
        return loaded_model(random_transformer(ARCHITECTURES["dense"]), kv_dtype=torch.float32)

    def answer(
        self, prompt: list[int], model: LoadedModel | None = None, **parameters: object
    ) -> tuple[list[int], str | None]:
        sampling = SamplingParameters(**{"temperature": 0.0, **parameters})  # type: ignore[arg-type]
        answer = answer_all(
            model or self.model(), [SequenceRequest(id="r", model="m", prompt_ids=prompt, sampling=sampling)]
        )["r", 0]
        return answer.token_ids, answer.finish_reason

    def test_a_stop_token_ends_the_answer_and_is_its_last_token(self) -> None:
        token_ids, _ = self.answer([7, 8, 9], max_tokens=8, ignore_eos=True)
        stopped, reason = self.answer([7, 8, 9], max_tokens=8, ignore_eos=True, stop_token_ids=(token_ids[3],))
        assert stopped == token_ids[: token_ids.index(token_ids[3]) + 1]
        assert reason == "stop"

    def test_the_end_token_ends_the_answer_unless_it_is_ignored(self) -> None:
        assert self.answer([7], logit_bias={2: 100.0}, max_tokens=4) == ([2], "stop")
        assert self.answer([7], logit_bias={2: 100.0}, max_tokens=4, ignore_eos=True) == ([2] * 4, "length")

    def test_without_max_tokens_the_context_ends_the_answer(self) -> None:
        token_ids, reason = self.answer([7] * 500, ignore_eos=True)
        assert len(token_ids) == 12
        assert reason == "length"

    def test_continuations_with_one_seed_differ_and_repeat(self) -> None:
        sampling = SamplingParameters(seed=3, max_tokens=12)
        answers = [
            answer_all(self.model(), [SequenceRequest(id="r", model="m", prompt_ids=[7, 8, 9], sampling=sampling, n=3)])
            for _ in range(2)
        ]
        texts = [[tuple(answer["r", index].token_ids) for index in range(3)] for answer in answers]
        assert texts[0] == texts[1]
        assert len(set(texts[0])) == 3
