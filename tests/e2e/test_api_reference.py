from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.support.browser import Visitor


async def test_the_reference_shows_every_endpoint_without_a_key(guest: Visitor) -> None:
    await guest.page.goto(f"{guest.server.url}/docs")
    await expect(guest.page.locator("article").first).to_be_visible()
    response = await guest.page.request.get(f"{guest.server.url}/openapi.json")
    operations = [
        (method.upper(), path)
        for path, methods in (await response.json())["paths"].items()
        for method in methods
        if method in ("get", "post", "put", "patch", "delete")
    ]
    assert ("POST", "/v1/chat/completions") in operations
    await expect(guest.page.locator("article")).to_have_count(len(operations))


async def test_an_endpoint_tells_its_fields_and_a_command_to_try_it(guest: Visitor) -> None:
    await guest.page.goto(f"{guest.server.url}/docs")
    await guest.page.get_by_role("searchbox").fill("chat/completions")
    path = guest.page.get_by_text("/v1/chat/completions", exact=True)
    article = guest.page.locator("article").filter(has=path).filter(has=guest.page.get_by_text("POST", exact=True))
    await expect(article).to_have_count(1)
    await expect(article.locator("code.name", has_text="temperature").first).to_be_visible()
    await article.get_by_role("button", name="Copy the code").click()
    command = await guest.page.evaluate("navigator.clipboard.readText()")
    assert command.startswith(f"curl {guest.server.url}/v1/chat/completions")
    assert "Authorization: Bearer" in command


@pytest.mark.slow
async def test_the_reference_speaks_the_chosen_language(guest: Visitor) -> None:
    await guest.page.goto(f"{guest.server.url}/docs")
    await guest.choose_language("Français")
    await expect(guest.page.get_by_role("heading", name="Référence de l’API")).to_be_visible()


async def test_the_reference_begins_with_what_holds_for_every_route(guest: Visitor) -> None:
    await guest.page.goto(f"{guest.server.url}/docs")
    headings = guest.page.locator("main h2")
    await expect(headings.nth(3)).to_have_text("chat")
    assert (await headings.all_inner_texts())[:3] == ["Authentication", "Errors", "Streaming"]
    assert (await headings.all_inner_texts())[-1] == "operations"
    await expect(guest.page.locator("main article h3").first).to_contain_text("/v1/chat/completions")
    await expect(guest.page.locator("main article h3").first).to_contain_text("POST")


async def test_a_search_without_a_hit_says_so_beside_its_field(guest: Visitor) -> None:
    await guest.page.goto(f"{guest.server.url}/docs")
    await guest.page.get_by_role("searchbox").fill("teleport")
    await expect(guest.page.get_by_role("navigation").get_by_role("status")).to_have_text(
        "No endpoint matches “teleport”."
    )
    await expect(guest.page.locator("article")).to_have_count(0)


async def test_bounds_are_exact(guest: Visitor) -> None:
    await guest.page.goto(f"{guest.server.url}/docs")
    await guest.page.get_by_role("searchbox").fill("Answer a conversation")
    await expect(guest.page.get_by_text("-9223372036854775808", exact=False).first).to_be_visible()
