"""Many concurrent requests: each gets the answer that it would get alone."""

from __future__ import annotations

import asyncio
from typing import Any

from openai import AsyncOpenAI
from tests.support.server import RunningServer

MODEL = "smollm2-135m"
TOPICS = ("rain", "bread", "a bridge", "the sea", "clocks", "cats", "a king", "snow")


async def test_streams_that_run_together_have_the_same_text_as_alone(server: RunningServer) -> None:
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.api_key, max_retries=0) as client:

        async def ask(topic: str) -> str:
            messages: list[Any] = [{"role": "user", "content": f"Tell me about {topic}."}]
            stream = await client.chat.completions.create(
                model=MODEL, messages=messages, temperature=0.8, seed=len(topic), max_tokens=16, stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        together = await asyncio.gather(*(ask(topic) for topic in TOPICS))
        alone = [await ask(topic) for topic in TOPICS]
    assert together == alone
    assert len(set(alone)) == len(TOPICS)
