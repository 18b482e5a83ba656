"""Runs over a real pipeline: what is stored, billed and seen of them, whatever happens while they are written."""

from __future__ import annotations

from tests.support.stored_runs import Process


async def test_a_run_is_stored_with_its_answer(process: Process) -> None:
    run = await process.run("3 words")
    stored = await process.stored(run)
    assert (stored.status, stored.completion_tokens) == ("completed", 3)
    assert await process.texts(stored.conversation_id) == ["3 words", "w0 w1 w2 "]
