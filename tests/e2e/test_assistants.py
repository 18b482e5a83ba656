"""An assistant from its first line to its last: written, tried, talked with, changed, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, expect
from tests.support.browser import visitor
from tests.support.people import cookie_header, signed_in_owner
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection, well
from tests.support.upstream_stand_ins import stand_in

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f00010501012718e366"
    "0000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def prompts() -> list[Any]:
    """What the upstream was asked, request by request."""
    return []


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("assistants"), environment={"AQUILON_MODELS": "none"})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def owner(gateway: RunningServer, prompts: list[Any]) -> Iterator[httpx.Client]:
    async def answer(connection: Connection) -> None:
        if connection.request.method == "POST":
            prompts.append(connection.request.json)
            await well(connection)
        else:
            await connection.answer(404, {})

    with stand_in(answer) as url, closing(signed_in_owner(gateway)) as owner:
        body = {"name": "there", "base_url": url, "models": [{"name": "far"}]}
        owner.post("/v1/server/upstreams", json=body).raise_for_status()
        yield owner


def remove_upstream(owner: httpx.Client) -> None:
    [upstream] = owner.get("/v1/server/upstreams").json()["data"]
    owner.delete(f"/v1/server/upstreams/{upstream['name']}").raise_for_status()


def agents_of(owner: httpx.Client) -> list[Any]:
    return list(owner.get("/v1/agents").json())


@pytest.mark.slow
async def test_an_assistant_is_written_tried_talked_with_changed_and_deleted(
    browser: Browser, gateway: RunningServer, owner: httpx.Client, prompts: list[Any], tmp_path: Path
) -> None:
    name, _, value = cookie_header(owner)["cookie"].partition("=")
    (tmp_path / "mark.png").write_bytes(PIXEL)
    (tmp_path / "mark.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    async with visitor(browser, gateway, viewport={"width": 1280, "height": 900}) as someone:
        page = someone.page
        await page.context.add_cookies([{"name": name, "value": value, "url": gateway.url}])
        await page.goto(gateway.url)
        await page.get_by_role("button", name="far").click()
        await page.get_by_role("button", name="All assistants").click()
        await expect(page.get_by_role("dialog", name="Assistants")).to_contain_text("a task of its own")
        assert await someone.serious_issues() == []

        await page.get_by_role("button", name="New assistant").click()
        await page.get_by_label("Name").fill("Ada <b>Lovelace</b>")
        await page.get_by_label("In one line").fill("Explains machines")
        await page.get_by_label("Instructions").fill("Answer as an engineer.")
        await page.get_by_label("First questions").fill("What is a loop?\n\nWho was Babbage?")
        await page.get_by_label("Temperature").fill("0.25")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Keep editing").click()
        await page.get_by_role("region", name="Try it out").get_by_role("button", name="What is a loop?").click()
        await expect(page.get_by_role("log")).to_contain_text("One two three")
        assert prompts[-1]["messages"][0] == {"role": "system", "content": "Answer as an engineer."}
        assert prompts[-1]["temperature"] == 0.25
        assert await someone.serious_issues() == []
        await page.get_by_label("Choose a picture").set_input_files(tmp_path / "mark.svg")
        await page.get_by_role("button", name="Create assistant").click()
        await expect(page.get_by_role("alert")).to_contain_text("PNG, JPEG or WebP")
        await page.get_by_label("Choose a picture").set_input_files(tmp_path / "mark.png")
        await page.get_by_role("button", name="Create assistant").click()
        card = page.get_by_role("listitem").filter(has_text="Ada <b>Lovelace</b>")
        await expect(card.locator("img")).to_be_visible()
        [agent] = agents_of(owner)
        assert (agent["name"], agent["visibility"], agent["versions"]) == ("Ada <b>Lovelace</b>", "user", [1])

        await card.get_by_role("button", name="Start a conversation").click()
        await expect(page.get_by_role("heading", name="Ada <b>Lovelace</b>")).to_be_visible()
        assert await someone.serious_issues() == []
        await page.get_by_role("button", name="Who was Babbage?").click()
        await someone.expect_state("finished")
        asked = next(asked for asked in reversed(prompts) if asked["messages"][-1]["content"] == "Who was Babbage?")
        assert asked["messages"][0]["content"] == "Answer as an engineer."
        badge = page.get_by_role("button", name="Assistant: Ada")
        await expect(badge.locator("img")).to_be_visible()

        await badge.click()
        await page.get_by_role("button", name="Edit Ada").click()
        await page.get_by_label("Instructions").fill("Answer as a poet.")
        await page.get_by_role("button", name="Save").click()
        await page.get_by_role("button", name="Delete Ada").click()
        await page.get_by_role("button", name="Delete", exact=True).click()
        await expect(page.get_by_role("dialog")).to_contain_text("a task of its own")
        assert agents_of(owner) == []
        await page.get_by_role("button", name="Close").click()
        await page.reload()
        await expect(badge).to_contain_text("Ada <b>Lovelace</b>")
        await someone.ask("And now?")
        await expect(someone.turns).to_have_count(2)
        await someone.expect_state("finished")
        asked = next(asked for asked in reversed(prompts) if asked["messages"][-1]["content"] == "And now?")
        assert asked["messages"][0]["content"] == "Answer as an engineer."  # as it began

        remove_upstream(owner)
        await someone.ask("Are you there?")
        notice = page.get_by_role("alert")
        await expect(notice).to_contain_text("which is not here any more. Give it another model.")
        await expect(notice.get_by_role("button")).to_have_text(["Ask again", "New conversation"])
