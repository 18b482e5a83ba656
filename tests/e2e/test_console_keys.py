"""A key from its making to its end, and what it used."""

from __future__ import annotations

import httpx
import pytest
from playwright.async_api import expect
from tests.support.console import ConsoleVisitor

QUESTION = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "model": "smollm2-135m"}


async def test_a_key_made_here_calls_a_model_and_its_usage_is_shown(owner: ConsoleVisitor) -> None:
    page = owner.page
    await page.get_by_role("link", name="API keys").first.click()
    await page.get_by_role("button", name="New key").click()
    await owner.dialog.get_by_label("Name").fill("Shown once")
    await owner.dialog.get_by_label("Every model").uncheck()
    await owner.dialog.get_by_label("smollm2-135m").check()
    await owner.dialog.get_by_role("button", name="Create").click()
    secret = await owner.dialog.locator("code").first.inner_text()
    assert secret.startswith("aq-")
    await owner.dialog.get_by_role("button", name="Copy the key").click()
    assert await page.evaluate("navigator.clipboard.readText()") == secret
    await owner.dialog.get_by_role("button", name="I have kept it").click()
    await expect(owner.row("Shown once")).to_contain_text("never")
    assert secret not in await page.content()
    for cells in ("thead th", "tbody tr:first-child td"):
        bottoms = await page.locator(cells).evaluate_all("all => all.map((one) => one.getBoundingClientRect().bottom)")
        assert len(set(bottoms)) == 1, "a line below a row would have a step"

    async with httpx.AsyncClient(base_url=owner.server.url, headers={"authorization": f"Bearer {secret}"}) as client:
        answer = await client.post("/v1/chat/completions", json=QUESTION)
        assert answer.status_code == 200
        used = answer.json()["usage"]

        await page.get_by_role("link", name="Usage", exact=True).click()
        await page.get_by_role("radio", name="Key").check(force=True)
        row = owner.row("Shown once")
        await expect(row.get_by_role("cell").nth(1)).to_have_text("1")
        await expect(row.get_by_role("cell").nth(2)).to_have_text(str(used["prompt_tokens"]))
        await expect(row.get_by_role("cell").nth(4)).to_have_text(str(used["completion_tokens"]))
        await expect(page.locator("canvas")).to_be_visible()
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Download as CSV").click()
        assert "Shown once" in (await (await download.value).path()).read_text()

        await page.get_by_role("link", name="API keys").first.click()
        await expect(owner.row("Shown once")).not_to_contain_text("never")
        await owner.act("Block", "Shown once")
        await expect(owner.row("Shown once")).to_contain_text("blocked")
        assert (await client.post("/v1/chat/completions", json=QUESTION)).status_code == 401
        await owner.act("Unblock", "Shown once")
        await expect(owner.row("Shown once")).to_contain_text("active")

        await owner.act("Revoke", "Shown once")
        await owner.dialog.get_by_role("button", name="Revoke").click()
        await expect(owner.dialog.get_by_role("alert")).to_have_text("That is not “Shown once”.")
        await owner.dialog.get_by_label("Write “Shown once” to confirm").fill("Shown once")
        await owner.dialog.get_by_role("button", name="Revoke").click()
        await expect(owner.row("Shown once")).to_have_count(0)
        assert (await client.post("/v1/chat/completions", json=QUESTION)).status_code == 401


async def test_a_rotated_key_works_with_both_secrets(owner: ConsoleVisitor) -> None:
    former = (await owner.make("/v1/organization/api_keys", {"name": "Turning"}))["value"]
    await owner.open("/keys")
    await owner.act("Rotate", "Turning")
    await owner.dialog.get_by_role("button", name="Rotate").click()
    fresh = await owner.dialog.locator("code").first.inner_text()
    assert fresh != former
    for secret in (former, fresh):
        headers = {"authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(base_url=owner.server.url, headers=headers) as client:
            assert (await client.get("/v1/models")).status_code == 200


async def test_what_the_server_refuses_is_told_in_the_form_which_keeps_what_was_written(owner: ConsoleVisitor) -> None:
    await owner.open("/keys")
    await owner.page.get_by_role("button", name="New key").click()
    await owner.dialog.get_by_label("Name").fill("Nowhere")
    await owner.dialog.get_by_label("Addresses").fill("not-an-address")
    await owner.dialog.get_by_role("button", name="Create").click()
    await expect(owner.dialog.get_by_role("alert")).to_contain_text("not-an-address")
    await expect(owner.dialog.get_by_label("Name")).to_have_value("Nowhere")


@pytest.mark.slow
async def test_a_key_is_made_with_the_keyboard_alone(owner: ConsoleVisitor) -> None:
    page = owner.page
    await owner.open("/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    await page.get_by_role("link", name="API keys").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1, name="API keys")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="New key")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(owner.dialog.get_by_label("Name")).to_be_focused()
    await page.keyboard.type("By hand")
    await page.keyboard.press("Enter")
    await expect(owner.dialog.get_by_role("heading")).to_have_text("The secret of “By hand”")
    for _press in range(3):  # a browser closes a dialog at the second one, unless it is kept from it
        await page.keyboard.press("Escape")
    await expect(owner.dialog.get_by_role("alert")).to_contain_text("It has not been copied yet")
    await expect(owner.dialog.locator("code").first).to_be_visible()
    await owner.dialog.get_by_role("button", name="Copy the key").press("Enter")
    await expect(owner.dialog.get_by_role("alert")).to_have_count(0)
    await page.keyboard.press("Escape")
    await expect(owner.dialog).to_have_count(0)
    await expect(page.get_by_role("button", name="New key")).to_be_focused()
    await expect(owner.row("By hand")).to_be_visible()


@pytest.mark.slow
async def test_what_can_be_done_with_a_row_is_in_a_menu_dangers_last(owner: ConsoleVisitor) -> None:
    """The keyboard reaches it, Escape leaves it, and the focus stays at its button."""
    await owner.make("/v1/organization/api_keys", {"name": "Many deeds"})
    await owner.open("/keys")
    more = owner.page.get_by_role("button", name="More: Many deeds")
    await more.focus()
    await owner.page.keyboard.press("Enter")
    menu = owner.page.get_by_role("group", name="More: Many deeds")
    await expect(menu.get_by_role("button")).to_have_text(["Block", "Rotate", "Revoke"])
    assert await owner.serious_issues() == []
    await owner.page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()
    await expect(more).to_be_focused()
    await owner.act("Revoke", "Many deeds")
    await owner.page.keyboard.press("Escape")
    await expect(more).to_be_focused()
