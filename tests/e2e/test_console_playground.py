"""The playground's answer, and the same call as code: what is shown is what was sent."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Request, expect
from tests.support.console import ConsoleVisitor

AWKWARD = 'Say "it\'s" twice\nand cost $5, `please` \\ « merci » 👋'


@pytest.mark.slow
async def test_the_code_shown_sends_what_the_page_sends_and_gets_the_same_answer(owner: ConsoleVisitor) -> None:
    page = owner.page
    key = (await owner.make("/v1/organization/api_keys", {"name": "Playground"}))["value"]
    sent: list[Any] = []

    def note(request: Request) -> None:
        if request.url.endswith("/v1/chat/completions"):
            sent.append(request.post_data_json)

    page.on("request", note)
    await owner.open("/playground")
    await page.get_by_label("System prompt").fill("You answer briefly.")
    await page.get_by_label("Message 1", exact=True).fill(AWKWARD)
    await page.get_by_label("temperature").fill("0")
    await page.get_by_label("max_tokens").fill("12")
    await page.get_by_text("Stop, tools, schema").click()
    await page.get_by_label("stop", exact=True).fill("###")
    await page.get_by_label("Message 1", exact=True).press("Control+Enter")
    answer = page.locator(".answer")
    await expect(answer).to_have_attribute("data-state", "finished", timeout=60_000)
    text = await answer.locator(".text").inner_text()
    assert text
    await expect(answer).to_contain_text("12 tokens")
    await expect(answer).to_contain_text(re.compile(r"\d\d tokens read"))
    assert sent == [
        {
            "model": "smollm2-135m",
            "messages": [
                {"role": "system", "content": "You answer briefly."},
                {"role": "user", "content": AWKWARD},
            ],
            "temperature": 0,
            "max_tokens": 12,
            "stop": ["###"],
            "stream": True,
        }
    ]

    curl = await page.get_by_role("tabpanel", name="curl").inner_text()
    await page.get_by_role("tab", name="curl").press("ArrowRight")
    python = await page.get_by_role("tabpanel", name="Python").inner_text()
    chunks = [line.removeprefix("data: ") for line in (await run("sh", "-c", curl, key=key)).splitlines() if line]
    assert chunks[-1] == "[DONE]"
    pieces = [choice["delta"].get("content") or "" for chunk in chunks[:-1] for choice in json.loads(chunk)["choices"]]
    assert "".join(pieces).strip() == text.strip()
    assert (await run(sys.executable, "-c", python, key=key)).strip() == text.strip()

    async with recorder() as (origin, bodies):
        await run("sh", "-c", curl.replace(owner.server.url, origin), key=key)
        await run(sys.executable, "-c", python.replace(owner.server.url, origin), key=key)
    assert bodies == sent * 2


@pytest.mark.slow
async def test_a_running_answer_is_stopped_and_a_conversation_goes_on(owner: ConsoleVisitor) -> None:
    page = owner.page
    await owner.open("/playground")
    await page.get_by_label("Message 1", exact=True).fill("Count to a thousand.")
    await page.get_by_label("temperature").fill("0")
    await page.get_by_label("max_tokens").fill("1500")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".answer .text")).to_be_visible(timeout=60_000)
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(page.locator(".answer")).to_have_attribute("data-state", "stopped")

    await page.get_by_label("max_tokens").fill("3")
    await page.get_by_label("Stream the answer as it is written").uncheck()
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".answer")).to_have_attribute("data-state", "finished", timeout=60_000)
    await page.get_by_role("button", name="Go on from this answer").click()
    await expect(page.get_by_label("Role of message 2")).to_have_value("assistant")
    await expect(page.get_by_label("Message 3", exact=True)).to_have_value("")


@pytest.mark.slow
async def test_a_refused_call_says_why(owner: ConsoleVisitor) -> None:
    page = owner.page
    await owner.open("/playground")
    await page.get_by_label("Message 1", exact=True).fill("Hello")
    await page.get_by_label("temperature").fill("warm")
    await expect(page.get_by_role("alert")).to_have_text("Write a number, such as 0.7.")
    await page.get_by_label("temperature").fill("9")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_contain_text("temperature")
    await expect(page.locator(".answer")).to_have_count(0)


@pytest.mark.slow
async def test_a_call_outlives_a_reload_and_is_saved_and_opened_again(owner: ConsoleVisitor) -> None:
    page = owner.page
    message = page.get_by_label("Message 1", exact=True)
    await owner.open("/playground")
    await message.fill("Say hello.")
    await page.get_by_label("max_tokens").fill("2")
    await page.get_by_text("Stop, tools, schema").click()
    await page.get_by_role("tab", name="Python").click()
    await page.get_by_role("button", name="Send").click()
    answer = page.locator(".answer .text")
    await expect(page.locator(".answer")).to_have_attribute("data-state", "finished", timeout=60_000)
    await expect(answer).to_be_in_viewport()
    text = await answer.inner_text()
    await page.reload()
    await expect(message).to_have_value("Say hello.")
    await expect(page.get_by_label("max_tokens")).to_have_value("2")
    await expect(page.get_by_role("tab", name="Python")).to_have_attribute("aria-selected", "true")
    await expect(answer).to_have_text(text)

    await page.get_by_role("button", name="Save", exact=True).click()
    await owner.dialog.get_by_label("Name").fill("Greeting")
    await owner.dialog.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("“Greeting” is saved.")).to_be_visible()
    await page.get_by_role("button", name="Start anew").click()
    await expect(message).to_have_value("")
    await page.get_by_role("button", name="Saved prompts").click()
    await page.get_by_role("button", name="Open: Greeting").click()
    await expect(message).to_have_value("Say hello.")
    await message.fill("Say goodbye.")
    await page.get_by_role("button", name="Save", exact=True).click()
    await owner.dialog.get_by_role("button", name="Save", exact=True).click()
    await expect(owner.dialog).to_have_count(0)
    _, listed = await owner.fetch("GET", "/v1/prompts")
    [prompt] = listed["data"]
    _, saved = await owner.fetch("GET", f"/v1/prompts/{prompt['id']}")
    assert (saved["messages"][0]["content"], saved["settings"]["max_tokens"]) == ("Say goodbye.", 2)


async def run(*command: str, key: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "AQUILON_API_KEY": key}, stdout=-1, stderr=-1
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return output.decode()


@asynccontextmanager
async def recorder() -> AsyncIterator[tuple[str, list[Any]]]:
    """A server that keeps the JSON bodies it is sent and answers each with an empty stream."""
    bodies: list[Any] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = (line.partition(":") for line in head.splitlines())
        length = next(int(value) for name, _, value in lines if name.lower() == "content-length")
        bodies.append(json.loads(await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: [DONE]\n\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", bodies
