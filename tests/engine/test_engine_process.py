"""The real engine process behind its client: answers, refusals, cancellation, memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.polling import until
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.engine.client import MAX_TOKENS_BEHIND, Engine, EngineError
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import ModelState, SamplingParameters, SequenceOutput, SequenceRequest

pytestmark = pytest.mark.usefixtures("forked_programs")

CONTEXT = 512
OPTIONS = EngineOptions(threads=1, dtype="float32", log_level="warning")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for number, name in enumerate(("first", "second", "third")):
        write_checkpoint(folder / name, tiny_checkpoint(number))
    write_checkpoint(folder / "damaged", {**tiny_checkpoint(), "model.safetensors": b"\xff" * 100})
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(models: Path) -> AsyncIterator[Engine]:
    engine = Engine(OPTIONS)
    await engine.start()
    for name in ("first", "second", "third", "damaged"):
        engine.register(name, models / name)
    yield engine
    await engine.stop()


def request(
    name: str, *, model: str = "first", prompt: list[int] | None = None, n: int = 1, **parameters: object
) -> SequenceRequest:
    sampling = SamplingParameters(**{"temperature": 0.0, "max_tokens": 8, "ignore_eos": True, **parameters})  # type: ignore[arg-type]
    return SequenceRequest(
        id=name, model=model, prompt_ids=[1, 2, 3] if prompt is None else prompt, sampling=sampling, n=n
    )


async def answer(engine: Engine, sequence: SequenceRequest) -> list[SequenceOutput]:
    return [output async for output in engine.generate(sequence)]


@pytest.mark.asyncio(loop_scope="module")
class TestAnswers:
    async def test_a_registered_model_loads_on_its_first_request(self, engine: Engine) -> None:
        outputs = await answer(engine, request("a"))
        assert sum(len(output.token_ids) for output in outputs) == 8
        assert outputs[-1].finish_reason == "length"
        assert engine.states["first"].state == "ready"
        assert engine.states["first"].max_context == CONTEXT
        assert engine.ready

    async def test_an_engine_is_ready_when_its_first_model_is(self, models: Path) -> None:
        engine = Engine(OPTIONS)
        await engine.start()
        try:
            load = asyncio.create_task(engine.load("first", models / "first"))
            await until(lambda: engine.ready)
            assert engine.states["first"].state == "ready"
            await load
        finally:
            await engine.stop()

    async def test_loading_reports_progress_and_is_idempotent(self, engine: Engine) -> None:
        heard: list[ModelState] = []
        state = await engine.load("second", on_progress=heard.append)
        assert heard[0].state == "loading"
        assert heard[-1] == state
        assert state.memory > 0
        assert await engine.load("second") == state

    async def test_continuations_arrive_by_their_index(self, engine: Engine) -> None:
        outputs = await answer(engine, request("n", n=3, temperature=1.0, seed=1))
        assert [sum(len(o.token_ids) for o in outputs if o.index == index) for index in range(3)] == [8, 8, 8]

    async def test_sixteen_requests_at_once_get_the_answers_that_they_get_alone(self, engine: Engine) -> None:
        requests = [
            request(
                str(number), model=["first", "second"][number % 2], prompt=list(range(1, 20 + number)), max_tokens=24
            )
            for number in range(16)
        ]
        together = await asyncio.gather(*(answer(engine, sequence) for sequence in requests))
        for number, sequence in enumerate(requests):
            alone = await answer(engine, sequence)
            assert [o.token_ids for o in alone] == [o.token_ids for o in together[number]]

    async def test_statistics_count_generated_tokens(self, engine: Engine) -> None:
        await answer(engine, request("s", max_tokens=5))
        before = engine.statistics
        await answer(engine, request("s", max_tokens=5, prompt=[9] * 7))
        assert before is not None

        def are_counted() -> bool:
            now = engine.statistics
            assert now is not None
            return now.generation_tokens >= before.generation_tokens + 5 and now.running == now.waiting == 0

        await until(are_counted)


@pytest.mark.asyncio(loop_scope="module")
class TestRefusals:
    @pytest.mark.parametrize(
        ("impossible", "kind", "words"),
        [
            (request("r", model="nobody"), "unknown_model", "'nobody' does not exist"),
            (request("r", prompt=[]), "invalid", "empty"),
            (request("r", prompt=[1, 10**6]), "invalid", "1000000"),
            (request("r", prompt=[1, -1]), "invalid", "-1"),
            (request("r", prompt=[2**70]), "invalid", "ints"),
            (request("r", prompt=[1] * CONTEXT), "invalid", "512 tokens.*at most 511"),
            (request("r", temperature=-1.0), "invalid", "temperature is -1"),
            (request("r", temperature=float("nan")), "invalid", "temperature is nan"),
            (request("r", top_p=1.5), "invalid", "top_p is 1.5"),
            (request("r", max_tokens=-1), "invalid", "max_tokens is -1"),
            (request("r", logit_bias={999: 1.0}), "invalid", "999"),
            (request("r", logprobs=21), "invalid", "from 0 to 20"),
            (request("r", n=1000), "invalid", "n is 1000"),
            (request("r", model="damaged"), "unavailable", "damaged"),
        ],
        ids=lambda value: None,
    )
    async def test_an_impossible_request_is_refused_with_the_reason_and_the_process_goes_on(
        self, engine: Engine, impossible: SequenceRequest, kind: str, words: str
    ) -> None:
        process = engine.pid
        with pytest.raises(EngineError, match=words) as raised:
            await answer(engine, impossible)
        assert raised.value.kind == kind
        assert len(await answer(engine, request("next"))) == 8
        assert engine.pid == process

    async def test_one_id_cannot_be_used_twice_at_once(self, engine: Engine) -> None:
        stream = engine.generate(request("twice", max_tokens=100))
        await anext(stream)
        with pytest.raises(EngineError, match="twice"):
            await answer(engine, request("twice"))
        await stream.aclose()


@pytest.mark.asyncio(loop_scope="module")
class TestCancellation:
    async def test_closing_the_iterator_frees_the_sequence_at_once(self, engine: Engine) -> None:
        stream = engine.generate(request("gone", max_tokens=400, n=4))
        await anext(stream)
        await stream.aclose()
        await answer(engine, request("after"))
        await until(lambda: engine.statistics is not None and engine.statistics.running == 0)
        assert engine.statistics is not None
        assert engine.statistics.kv_cache_usage == 0

    async def test_one_continuation_can_end_while_the_others_go_on(self, engine: Engine) -> None:
        counts = [0, 0]
        reasons = {}
        async for output in engine.generate(request("one", max_tokens=60, n=2, temperature=1.0)):
            counts[output.index] += len(output.token_ids)
            reasons[output.index] = output.finish_reason
            if output.index == 0 and counts[0] == 3:
                engine.cancel("one", 0)
        assert reasons == {0: "cancelled", 1: "length"}
        assert counts[0] < 60
        assert counts[1] == 60

    async def test_a_request_whose_reader_falls_too_far_behind_is_cancelled(self, engine: Engine) -> None:
        stream = engine.generate(request("slow", max_tokens=400, n=4))
        await anext(stream)
        await until(lambda: engine._streams["slow"].tokens_behind > MAX_TOKENS_BEHIND)
        with pytest.raises(EngineError, match="behind") as raised:
            async for _ in stream:
                pass
        assert raised.value.kind == "overloaded"


@pytest.mark.asyncio(loop_scope="module")
class TestMemory:
    async def test_the_least_recently_used_idle_model_is_removed_for_a_new_one(self, models: Path) -> None:
        room_for_two = EngineOptions(threads=1, dtype="float32", kv_tokens=CONTEXT, memory=800_000, log_level="warning")
        engine = Engine(room_for_two)
        await engine.start()
        try:
            for name in ("first", "second", "third"):
                engine.register(name, models / name)
            await answer(engine, request("1", model="first"))
            await answer(engine, request("2", model="second"))
            await answer(engine, request("3", model="first"))
            await answer(engine, request("4", model="third"))
            assert set(engine.states) == {"first", "third"}
            assert len(await answer(engine, request("5", model="second"))) == 8
            assert set(engine.states) == {"second", "third"}
            await engine.unload("third")
            assert set(engine.states) == {"second"}
        finally:
            await engine.stop()


def test_the_client_never_imports_torch() -> None:
    code = "import sys, aquilon.engine.client; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
