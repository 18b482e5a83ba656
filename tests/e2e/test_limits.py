"""What a person is told whose question a limit refuses."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.support.console import ConsoleVisitor

LIMITS = "/v1/organization/limits"


@pytest.mark.parametrize(
    ("language", "title", "which", "end"),
    [
        (
            "en-GB",
            "A limit is reached",
            "for requests a minute for the model smollm2-135m is 0.",
            "ask an administrator",
        ),
        pytest.param(
            "fr-FR",
            "Une limite est atteinte",
            "en requêtes par minute pour le modèle smollm2-135m est de 0.",
            "administrateur",
            marks=pytest.mark.slow,
        ),
    ],
)
@pytest.mark.slow
async def test_a_limit_that_never_lets_through_is_named(
    owner: ConsoleVisitor, language: str, title: str, which: str, end: str
) -> None:
    """With its number, its model and what to do, in the page's language."""
    limit = await owner.make(LIMITS, {"model": "smollm2-135m", "requests_per_minute": 0})
    try:
        await owner.page.goto(owner.server.url)
        await owner.choose("Language", "Français" if language == "fr-FR" else "English")
        await owner.ask("Hello")
        notice = owner.page.get_by_role("alert")
        await expect(notice).to_contain_text(title)
        await expect(notice).to_contain_text(which)
        await expect(notice).to_contain_text(end)
    finally:
        await owner.fetch("DELETE", f"{LIMITS}/{limit['id']}")


async def test_a_limit_says_when_there_is_room_again(owner: ConsoleVisitor) -> None:
    limit = await owner.make(LIMITS, {"requests_per_minute": 1})
    try:
        await owner.page.goto(owner.server.url)
        await owner.shorten_answers(4)
        for question in ("Hello", "Hello again", "Hello once more"):  # a minute may begin between two, not three
            await owner.ask(question)
            await owner.expect_state("finished|failed")
            if await owner.turns.last.get_attribute("data-state") == "failed":
                break
        notice = owner.page.get_by_role("alert")
        await expect(notice).to_contain_text("The limit of your organization for requests a minute is 1.")
        await expect(notice).to_contain_text("There is room again at")
        await expect(notice.get_by_role("button", name="Ask again")).to_be_visible()
    finally:
        await owner.fetch("DELETE", f"{LIMITS}/{limit['id']}")
