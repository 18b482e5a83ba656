"""Constrained decoding: a sequence follows its grammar, whatever else is computed."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.test_exactness import alone_model, crowds
from tests.support.ascii_tokenizer import BOS, EOS, MARK, SIZE, AsciiTokenizer, ascii_vocabulary
from tests.support.loaded_models import Arrival, answer_all, check_each_as_alone, loaded_model
from tests.support.random_transformers import random_architecture, random_transformer

from aquilon.engine.constraints import Constraint, ConstraintError, Vocabulary
from aquilon.engine.model import LoadedModel
from aquilon.engine.protocol import SamplingParameters, SequenceRequest
from aquilon.engine.sampler import sample
from aquilon.engine.sequence import Sequence
from aquilon.text.grammar import COMPACT, GrammarError, check, json_value, of_rules

VOCABULARY = ascii_vocabulary()
TOKENIZER = AsciiTokenizer()
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 4}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
}
GRAMMARS = [
    of_rules("start: /[a-c]{1,12}/"),
    of_rules('start: "yes" | "no" | "yes, and no"'),
    of_rules(f"start: {json_value(PERSON, writing=COMPACT)}"),
    of_rules('start: "(" start? ")"'),
]


def by_rules(rules: str) -> Constraint:
    return VOCABULARY.constraint(of_rules(rules))


def random_answer(constraint: Constraint, seed: int, most: int = 2000) -> list[int]:
    """Tokens drawn uniformly from those allowed, without the end token."""
    draw = random.Random(seed)
    ids: list[int] = []
    while not constraint.complete and len(ids) < most:
        token_id = draw.choice(np.flatnonzero(constraint.allowed()).tolist())
        if token_id == EOS:
            break
        constraint.accept(token_id)
        assert constraint.failure is None
        ids.append(token_id)
    return ids


def a_model(**options: Any) -> LoadedModel:
    return loaded_model(random_transformer(random_architecture()), kv_dtype=torch.float32, **options)


def a_request(
    id_: str = "r", *, grammar: str | None = None, n: int = 1, priority: int = 0, **parameters: Any
) -> SequenceRequest:
    sampling = SamplingParameters(**{"seed": 7, "max_tokens": 60, **parameters})
    return SequenceRequest(
        id=id_, model="m", prompt_ids=[BOS, 40, 41], sampling=sampling, n=n, grammar=grammar, priority=priority
    )


class TestMask:
    @pytest.mark.parametrize("grammar", GRAMMARS)
    @given(seed=st.integers(0, 2**32), steps=st.integers(0, 12))
    @settings(max_examples=15, deadline=None)
    def test_the_mask_allows_exactly_the_tokens_that_the_matcher_accepts_one_by_one(
        self, grammar: str, seed: int, steps: int
    ) -> None:
        constraint = VOCABULARY.constraint(grammar)
        for token_id in random_answer(constraint.copy(), seed, most=steps):
            constraint.accept(token_id)
        if constraint.complete:
            return
        allowed = set(np.flatnonzero(constraint.allowed()).tolist())
        tried = {
            token_id for token_id in range(SIZE) if constraint._matcher.deep_copy().try_consume_tokens([token_id]) == 1
        }
        assert allowed
        assert allowed == tried

    def test_the_end_token_is_allowed_only_where_the_grammar_may_end(self) -> None:
        constraint = by_rules('start: "a" | "ab"')
        assert not constraint.allowed()[EOS]
        constraint.accept(TOKENIZER.encode("a", add_special=False)[0])
        assert constraint.allowed()[EOS]
        assert not constraint.complete
        constraint.accept(TOKENIZER.encode("b", add_special=False)[0])
        assert constraint.complete

    def test_a_control_token_is_allowed_only_where_a_rule_names_it(self) -> None:
        text = by_rules("start: /(.|\\n)*/")
        assert not text.allowed()[[MARK, BOS]].any()
        named = by_rules(f'start: <[{MARK}]> "x"')
        assert np.flatnonzero(named.allowed()).tolist() == [MARK]

    def test_a_model_without_an_end_token_can_follow_a_grammar(self) -> None:
        class Endless(AsciiTokenizer):
            eos_ids = frozenset[int]()

        constraint = Vocabulary(Endless(), frozenset(), SIZE).constraint(of_rules('start: "no"'))
        assert TOKENIZER.decode(random_answer(constraint, 0)) == "no"

    def test_logits_beyond_the_vocabulary_are_never_allowed(self) -> None:
        constraint = Vocabulary(AsciiTokenizer(), frozenset((EOS,)), SIZE + 37).constraint(GRAMMARS[0])
        allowed = constraint.allowed()
        assert len(allowed) == SIZE + 37
        assert not allowed[SIZE:].any()

    def test_a_grammar_goes_on_after_a_prefix_and_refuses_one_that_it_does_not_allow(self) -> None:
        constraint = VOCABULARY.constraint(GRAMMARS[2], '{"name": "Bo", "age": 1')
        end = TOKENIZER.encode("}", add_special=False)[0]
        assert constraint.allowed()[end]
        constraint.accept(end)
        assert constraint.complete
        with pytest.raises(ConstraintError, match="begins with the end of the prompt"):
            VOCABULARY.constraint(GRAMMARS[2], '{"age"')

    def test_a_copy_goes_on_independently(self) -> None:
        first = by_rules('start: "a" "b" | "c" "d"')
        second = first.copy()
        first.accept(TOKENIZER.encode("a", add_special=False)[0])
        assert second.allowed().sum() == 2

    @pytest.mark.parametrize(
        "rules",
        [
            'start: "a" start',
            "start: /a*/ b\nb: b",
            "start: /a{1000000000}/",
            'start: "{" "c" ":" start "}"',
        ],
    )
    def test_an_endless_rule_without_alternatives_is_followed_token_by_token(self, rules: str) -> None:
        constraint = by_rules(rules)
        assert len(random_answer(constraint, seed=0, most=50)) == 50

    def test_a_grammar_without_bounds_on_its_work_is_refused(self) -> None:
        with pytest.raises(ConstraintError, match="no bound"):
            VOCABULARY.constraint('{"grammars": [{"lark_grammar": "start: \\"a\\" start"}]}')

    def test_an_invalid_grammar_is_refused_with_the_reason(self) -> None:
        with pytest.raises(ConstraintError, match="nowhere"):
            by_rules("start: nowhere")


class TestSampling:
    def draw(self, constraint: Constraint | None, logits: torch.Tensor, **parameters: Any) -> tuple[int, Any]:
        request = SequenceRequest(
            id="r", model="m", prompt_ids=[BOS], sampling=SamplingParameters(**{"temperature": 0.0, **parameters})
        )
        end_ids = frozenset((EOS,))
        sequence = Sequence(request, 0, seed=0, block_size=4, max_length=99, end_ids=end_ids, constraint=constraint)
        token_ids, logprobs = sample(logits.clone(), [sequence])
        return token_ids[0], logprobs[0]

    def test_no_bias_makes_a_token_possible_that_the_grammar_forbids(self) -> None:
        a, b = TOKENIZER.encode("ab", add_special=False)
        logits = torch.zeros(1, SIZE)
        logits[0, b] = 50
        assert self.draw(by_rules('start: "a" | "c"'), logits, logit_bias={b: 100.0, a: 1.0})[0] == a

    def test_log_probabilities_stay_the_models_own(self) -> None:
        logits = torch.randn(1, SIZE)
        token_id, entry = self.draw(by_rules('start: "a" | "c"'), logits, logprobs=2)
        own = logits.log_softmax(-1)[0]
        assert entry.token_id == token_id
        assert entry.logprob == pytest.approx(own[token_id].item())
        assert [token for token, _ in entry.top] == own.topk(2).indices.tolist()

    def test_min_tokens_delays_the_end_where_another_token_is_allowed(self) -> None:
        logits = torch.zeros(1, SIZE)
        logits[0, EOS] = 50
        assert self.draw(by_rules('start: "a"*'), logits, min_tokens=3)[0] == TOKENIZER.encode("a")[1]
        assert self.draw(by_rules('start: ""'), logits, min_tokens=3)[0] == EOS


class TestAnswers:
    def text(self, request: SequenceRequest, model: LoadedModel | None = None) -> tuple[str, str | None]:
        answer = answer_all(model or a_model(), [request])[(request.id, 0)]
        ids = answer.token_ids[:-1] if answer.finish_reason == "stop" else answer.token_ids
        return TOKENIZER.decode(ids), answer.finish_reason

    def test_an_answer_ends_when_its_grammar_allows_nothing_more(self) -> None:
        text, reason = self.text(a_request(grammar=GRAMMARS[1]))
        assert text in ("yes", "no", "yes, and no")
        assert reason in ("stop", "complete")

    def test_an_answer_that_ignores_end_tokens_ends_where_its_grammar_does(self) -> None:
        text, reason = self.text(a_request(grammar=of_rules('start: "ab" | "abc"'), ignore_eos=True))
        assert (text, reason) == ("abc", "complete")

    def test_an_answer_cut_by_max_tokens_ends_with_length(self) -> None:
        text, reason = self.text(a_request(grammar=of_rules("start: /[a-c]{50}/"), max_tokens=5))
        assert reason == "length"
        assert re.fullmatch("[a-c]{5}", text)

    def test_each_continuation_follows_the_grammar_independently(self) -> None:
        answers = answer_all(a_model(), [a_request(grammar=GRAMMARS[2], n=5, temperature=1.0)])
        texts = set()
        for answer in answers.values():
            ids = answer.token_ids[:-1] if answer.finish_reason == "stop" else answer.token_ids
            texts.add(TOKENIZER.decode(ids))
        assert len(answers) == 5
        assert len(texts) > 1
        for text in texts:
            jsonschema.validate(json.loads(text), PERSON)

    def test_a_grammar_that_asks_for_too_much_work_fails_its_request_alone(self) -> None:
        model = a_model()
        many = {"type": "object", "properties": {f"p{number}": {} for number in range(700)}}
        heavy = of_rules(f"start: {json_value(many, writing=COMPACT)}")
        requests = [
            a_request("bad", grammar=heavy),
            a_request("good", max_tokens=20),
        ]
        answers: dict[Any, Any] = {}
        failures = []
        for request in requests:
            constraint = model.build_constraint(request).result() if request.grammar else None
            model.add(request, constraint)
        while model.in_use:
            model.take_awaited("bad")
            result = model.step()
            for output in result.outputs:
                answers.setdefault(output.id, []).extend(output.token_ids)
            failures += result.failures
        assert len(answers["good"]) == 20
        assert [failure.id for failure in failures] == ["bad"]
        assert model.scheduler.pool.num_free == model.scheduler.pool.num_blocks

    def test_a_request_cancelled_while_its_grammar_is_built_no_longer_waits_for_it(self) -> None:
        model = a_model()
        kept, cancelled = a_request("kept", grammar=GRAMMARS[0]), a_request("cancelled", grammar=GRAMMARS[0])
        for request in (kept, cancelled):
            model.build_constraint(request).result()
        model.cancel("cancelled")
        assert model.request_ids() == {"kept"}
        assert not model.take_awaited("cancelled")
        assert model.take_awaited("kept")
        assert not model.take_awaited("kept")
        assert not model.in_use


@st.composite
def with_grammars(draw: st.DrawFn) -> list[Arrival]:
    arrivals = []
    for number in range(16):
        grammar = draw(st.sampled_from([None, None, *GRAMMARS]))
        sampling = SamplingParameters(
            temperature=draw(st.sampled_from([0.0, 1.0])), seed=number, max_tokens=draw(st.integers(1, 24))
        )
        prompt = draw(st.lists(st.integers(3, 159), min_size=1, max_size=40))
        request = SequenceRequest(
            id=str(number),
            model="m",
            prompt_ids=prompt,
            sampling=sampling,
            n=draw(st.sampled_from([1, 1, 3])),
            grammar=grammar,
        )
        arrivals.append(Arrival(draw(st.integers(0, 10)), request, draw(st.sampled_from([None, None, 2]))))
    return arrivals


@given(arrivals=with_grammars(), num_blocks=st.sampled_from([14, 20, 200]), prefix_cache=st.booleans())
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_sixteen_answers_with_and_without_grammars_equal_their_answers_alone(
    arrivals: list[Arrival], num_blocks: int, prefix_cache: bool
) -> None:
    transformer = random_transformer(random_architecture())
    crowded = loaded_model(
        transformer, kv_dtype=torch.float32, num_blocks=num_blocks, step_tokens=37, prefix_cache=prefix_cache
    )
    check_each_as_alone(crowded, alone_model(transformer, torch.float32), arrivals)


class TestPriority:
    def order(self, model: LoadedModel, requests: list[SequenceRequest]) -> list[str]:
        """The ids of requests in the order of their first tokens."""
        seen: list[str] = []
        for request in requests:
            model.add(request)
        while model.in_use:
            seen += [output.id for output in model.step().outputs if output.id not in seen]
        return seen

    def test_a_batch_request_waits_for_every_other_request(self) -> None:
        requests = [a_request("batch", priority=-1, max_tokens=3), a_request("other", max_tokens=3)]
        assert self.order(a_model(max_sequences=1), requests) == ["other", "batch"]

    def test_a_batch_request_is_preempted_by_a_later_request_and_resumes(self) -> None:
        model = a_model(max_sequences=1)
        batch = a_request("batch", priority=-1, max_tokens=30, temperature=0.0, ignore_eos=True)
        alone = answer_all(a_model(), [batch])[("batch", 0)].token_ids
        model.add(batch)
        token_ids: dict[str, list[int]] = {"batch": [], "other": []}
        order: list[str] = []
        for step in range(200):
            if step == 5:
                model.add(a_request("other", max_tokens=4, ignore_eos=True))
            if not model.in_use:
                break
            for output in model.step().outputs:
                token_ids[output.id] += output.token_ids
                order.append(output.id)
        assert order[5:9] == ["other"] * 4
        assert token_ids["batch"] == alone
        assert model.scheduler.counts.preemptions == 1

    @crowds
    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    def test_priorities_change_no_answer(
        self, arrivals: list[Arrival], num_blocks: int, step_tokens: int, prefix_cache: bool
    ) -> None:
        from dataclasses import replace

        import msgspec

        mixed = [
            replace(arrival, request=msgspec.structs.replace(arrival.request, priority=-(number % 3)))
            for number, arrival in enumerate(arrivals)
        ]
        transformer = random_transformer(random_architecture())
        crowded = loaded_model(
            transformer,
            kv_dtype=torch.float32,
            num_blocks=num_blocks,
            step_tokens=step_tokens,
            prefix_cache=prefix_cache,
        )
        check_each_as_alone(crowded, alone_model(transformer, torch.float32), mixed)


scalars = st.sampled_from(
    [
        {"type": "integer"},
        {"type": "integer", "minimum": -3, "maximum": 12},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"type": "boolean"},
        {"type": "null"},
        {"type": "string", "maxLength": 5},
        {"type": "string", "minLength": 2, "maxLength": 4},
        {"type": "string", "pattern": "^[a-f]{2,3}$"},
        {"type": "string", "format": "date"},
        {"enum": ["a", 1, None, {"b": [2]}]},
        {"const": "only"},
    ]
)


def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.dictionaries(st.sampled_from("pqrs"), inner, max_size=3).flatmap(
        lambda parts: st.builds(
            lambda required, closed: (
                {"type": "object", "properties": parts, "required": required}
                | ({"additionalProperties": False} if closed else {})
            ),
            st.just(sorted(parts)) | st.just([]),
            st.booleans(),
        )
    )
    arrays = st.builds(
        lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
        inner,
        st.integers(0, 2),
        st.integers(0, 2),
    )
    return objects | arrays | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts})


@given(schema=st.recursive(scalars, larger, max_leaves=8), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_every_answer_under_a_schema_validates_against_it(schema: dict[str, Any], seed: int) -> None:
    rules = of_rules(f"start: {json_value(schema, writing=COMPACT)}")
    check(rules)
    text = TOKENIZER.decode(random_answer(VOCABULARY.constraint(rules), seed))
    jsonschema.validate(json.loads(text), schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"type": "string"}},
        {"type": "integer", "minimum": 5, "maximum": 3},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "https://example.com/a.json"},
        {"type": "string", "pattern": "^(?!x).*$"},
        {"type": "wrong"},
        {"enum": [str(number) * 8 for number in range(20_000)]},
    ],
)
def test_a_schema_that_no_grammar_can_express_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(GrammarError):
        check(of_rules(f"start: {json_value(schema, writing=COMPACT)}"))
