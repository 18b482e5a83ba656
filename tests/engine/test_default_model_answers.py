"""The default model through the engine process, as it is served by default, answers as transformers does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.support.reference import MAX_TOKENS, Reference

from aquilon.engine.client import Engine
from aquilon.engine.protocol import SamplingParameters, SequenceRequest


@pytest.mark.slow
async def test_greedy_answers_are_those_of_transformers(default_model_file: Path, default_reference: Reference) -> None:
    """Twenty prompts at once: each answer is equal, or first differs where two tokens are nearly equally likely."""
    engine = Engine()
    await engine.start()
    try:
        await engine.load("m", default_model_file)

        async def answer(index: int, prompt_ids: list[int]) -> list[int]:
            request = SequenceRequest(
                id=str(index),
                model="m",
                prompt_ids=prompt_ids,
                sampling=SamplingParameters(temperature=0, max_tokens=MAX_TOKENS),
            )
            return [token async for output in engine.generate(request) for token in output.token_ids]

        answers = await asyncio.gather(
            *(answer(index, prompt_ids) for index, prompt_ids in enumerate(default_reference.prompt_ids))
        )
    finally:
        await engine.stop()
    reports = [default_reference.compare(index, token_ids) for index, token_ids in enumerate(answers)]
    for report in reports:
        print(report)
    assert all(report.passes for report in reports)
