"""What a grammar costs: to the first token, and in tokens a second, alone and beside others.

The same number of tokens is sampled with and without a grammar, in turns, through the
whole engine: client, socket, engine process, matcher, sampler.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time

from aquilon.engine.client import Engine
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import SamplingParameters, SequenceRequest
from aquilon.text.grammar import COMPACT, SPACED, check, json_value, of_rules
from bench import report
from bench.engine import default_model

_ANSWER, _STREAMS, _PROMPT = 96, 16, 32
_ITEM = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "email": {"type": "string", "pattern": "^[a-z.]+@[a-z]+[.](com|org)$"},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}},
    },
    "required": ["name", "age", "email", "tags"],
}
_GRAMMARS = {
    "free": None,
    "JSON schema": of_rules(f"start: {json_value({'type': 'array', 'items': _ITEM, 'minItems': 50}, writing=COMPACT)}"),
    "JSON, spaced": of_rules(f"start: {json_value({'type': 'array', 'items': _ITEM, 'minItems': 50}, writing=SPACED)}"),
    "any JSON": of_rules(f"start: {json_value({'type': 'array', 'minItems': 500}, writing=COMPACT)}"),
    "expression": of_rules("start: /([a-z]{1,12} ){1000}/"),
    "all text": of_rules(r"start: /(.|\n)*/"),
}


def main(*, quick: bool = False) -> None:
    asyncio.run(_compare(rounds=1 if quick else 5))


async def _compare(rounds: int) -> None:
    columns = ("first token, ms", "1 stream, tok/s", "16 streams, tok/s", "8 of 16, tok/s")
    figures: dict[str, dict[str, list[float]]] = {name: {column: [] for column in columns} for name in _GRAMMARS}
    engine = Engine(EngineOptions(prefix_cache=False, step_seconds=None))
    await engine.start()
    try:
        await engine.load("model", default_model())
        started_at = time.perf_counter()
        await _first_token(engine, of_rules('start: "x"'))
        print(
            f"the model's first grammar of all: {(time.perf_counter() - started_at) * 1000:.0f} ms with its vocabulary"
        )
        for _ in range(rounds):
            for name, grammar in _GRAMMARS.items():
                row = figures[name]
                row["first token, ms"].append(await _first_token(engine, grammar))
                row["1 stream, tok/s"].append(await _rate(engine, [grammar]))
                row["16 streams, tok/s"].append(await _rate(engine, [grammar] * _STREAMS))
                row["8 of 16, tok/s"].append(await _rate(engine, [grammar, None] * (_STREAMS // 2)))
    finally:
        await engine.stop()
    medians = {name: {c: statistics.median(values) for c, values in row.items()} for name, row in figures.items()}
    for name, row in medians.items():
        print(f"{name:12}", *(f"{column}: {value:8.1f}" for column, value in row.items()))
    _checks()
    print(f"kept in {report.keep('grammars', figures)}")


def _checks() -> None:
    """What the API process spends before a request goes out."""
    for name, grammar in _GRAMMARS.items():
        if grammar is not None:
            taken = []
            for _ in range(50):
                started_at = time.perf_counter()
                check(grammar)
                taken.append((time.perf_counter() - started_at) * 1000)
            print(f"checking '{name}': {statistics.median(taken):.2f} ms")


def _request(grammar: str | None, tokens: int) -> SequenceRequest:
    prompt = [random.randrange(100, 40_000) for _ in range(_PROMPT)]
    sampling = SamplingParameters(temperature=0.8, seed=1, max_tokens=tokens, ignore_eos=True)
    if grammar is not None:
        grammar = grammar + " " * random.randrange(1, 10_000)  # another text, so that no cached matcher is used
    return SequenceRequest(
        id=str(random.random()), model="model", prompt_ids=prompt, sampling=sampling, grammar=grammar
    )


async def _first_token(engine: Engine, grammar: str | None) -> float:
    taken = []
    for _ in range(10):
        started_at = time.perf_counter()
        async for _output in engine.generate(_request(grammar, 1)):
            taken.append((time.perf_counter() - started_at) * 1000)
    return statistics.median(taken)


async def _rate(engine: Engine, grammars: list[str | None]) -> float:
    started_at = time.perf_counter()
    counts = await asyncio.gather(*(_tokens(engine, grammar) for grammar in grammars))
    return sum(counts) / (time.perf_counter() - started_at)


async def _tokens(engine: Engine, grammar: str | None) -> int:
    count = 0
    async for output in engine.generate(_request(grammar, _ANSWER)):
        count += len(output.token_ids)
    return count
