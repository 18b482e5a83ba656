"""Failures: the engine process dies or hangs during answers, or its parent dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.polling import until, wait_until
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.engine.client import Engine, EngineError
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import SamplingParameters, SequenceOutput, SequenceRequest

OPTIONS = EngineOptions(threads=1, dtype="float32", log_level="warning")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("models") / "tiny", tiny_checkpoint())


@asynccontextmanager
async def running_engine(model: Path, *, hang_seconds: float = 30.0) -> AsyncIterator[Engine]:
    engine = Engine(OPTIONS, hang_seconds=hang_seconds)
    await engine.start()
    try:
        await engine.load("tiny", model)
        yield engine
    finally:
        await engine.stop()


def long_request(name: str) -> SequenceRequest:
    return SequenceRequest(
        id=name, model="tiny", prompt_ids=[1, 2, 3], sampling=SamplingParameters(max_tokens=500, ignore_eos=True), n=4
    )


async def read_to_the_end(engine: Engine, name: str, started: asyncio.Event) -> EngineError:
    """The error that ends a stream; ``started`` is set by its first output."""
    try:
        async for _ in engine.generate(long_request(name)):
            started.set()
    except EngineError as error:
        return error
    raise AssertionError("the stream ended without an error")


async def short_answer(engine: Engine) -> list[SequenceOutput]:
    request = SequenceRequest(
        id="short", model="tiny", prompt_ids=[1, 2], sampling=SamplingParameters(max_tokens=3, ignore_eos=True)
    )
    return [output async for output in engine.generate(request)]


async def signal_during_answers(engine: Engine, number: signal.Signals) -> list[EngineError]:
    """Send a signal to the process during two answers; returns the errors that end them."""
    started = [asyncio.Event(), asyncio.Event()]
    streams = [asyncio.create_task(read_to_the_end(engine, str(n), started[n])) for n in range(2)]
    for event in started:
        await event.wait()
    assert engine.ready
    assert engine.pid is not None
    os.kill(engine.pid, number)
    return list(await asyncio.gather(*streams))


async def test_a_killed_process_fails_its_streams_with_an_error_and_answers_the_next_request(model: Path) -> None:
    async with running_engine(model) as engine:
        first_process = engine.pid
        errors = await signal_during_answers(engine, signal.SIGKILL)
        assert not engine.ready
        assert [error.kind for error in errors] == ["internal", "internal"]
        assert "SIGKILL" in errors[0].message
        assert len(await short_answer(engine)) == 3
        assert engine.ready
        assert engine.pid != first_process


@pytest.mark.slow
async def test_a_hung_process_is_killed_and_replaced(model: Path) -> None:
    async with running_engine(model, hang_seconds=3) as engine:
        first_process = engine.pid
        errors = await signal_during_answers(engine, signal.SIGSTOP)
        assert not engine.ready
        assert [error.kind for error in errors] == ["internal", "internal"]
        assert "no step for 3 seconds" in errors[0].message
        assert len(await short_answer(engine)) == 3
        assert engine.pid != first_process


@pytest.mark.slow
async def test_silence_without_work_is_not_a_hang(model: Path) -> None:
    async with running_engine(model, hang_seconds=4) as engine:
        process = engine.pid
        assert process is not None
        os.kill(process, signal.SIGSTOP)
        await until(lambda: not engine.ready)
        os.kill(process, signal.SIGCONT)
        await until(lambda: engine.ready)
        assert engine.pid == process


@pytest.mark.slow
async def test_a_load_fails_with_the_reason_when_its_process_dies(model: Path) -> None:
    async with running_engine(model) as engine:
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGSTOP)
        load = asyncio.create_task(engine.load("other", model))
        await asyncio.sleep(0)
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="ended while loading"):
            await load
        assert len(await short_answer(engine)) == 3


async def test_stopping_ends_the_process_even_during_an_answer(model: Path) -> None:
    """It is asked to end, and killed when it takes three seconds: either way it is gone when ``stop`` returns."""
    async with running_engine(model) as engine:
        process = engine.pid
        started = asyncio.Event()
        stream = asyncio.create_task(read_to_the_end(engine, "a", started))
        await started.wait()
        await engine.stop()
        assert (await stream).kind == "unavailable"
        assert process is not None
        assert not _exists(process)


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "hung"])
def test_an_engine_does_not_outlive_the_process_that_started_it(model: Path, stopped: bool) -> None:
    script = (
        "import asyncio, sys\n"
        "from aquilon.engine.client import Engine\n"
        "async def main():\n"
        "    engine = Engine()\n"
        "    await engine.start()\n"
        "    await engine.load('tiny', sys.argv[1])\n"
        "    print(engine.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(model)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        engine = int(parent.stdout.readline())
        if stopped:
            os.kill(engine, signal.SIGSTOP)
        parent.kill()
    wait_until(lambda: not _exists(engine))  # else it is an orphan


def _exists(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
