"""Early access in the browser: asking to join, being admitted, a quota that shows itself, leaving with everything."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import zipfile

import pytest
from playwright.async_api import Browser, Download, Response, expect
from tests.support.browser import visitor
from tests.support.console import ConsoleVisitor
from tests.support.server import RunningServer

PASSWORD = "the wind turns north at noon"


async def content_of(download: Download) -> bytes:
    return await asyncio.to_thread((await download.path()).read_bytes)


def names_the_conversation(response: Response) -> bool:
    return response.request.method == "POST" and response.url.endswith("/title")


@pytest.mark.slow
async def test_a_visitor_asks_is_admitted_joins_and_deletes_the_account(
    browser: Browser, server: RunningServer, owner: ConsoleVisitor
) -> None:
    await owner.open("/waiting-list")
    await owner.page.get_by_role("button", name="Open the list").click()
    await expect(owner.page.get_by_text("Open: visitors of the sign-in page can ask to join.")).to_be_visible()
    async with visitor(browser, server, ConsoleVisitor) as guest:
        page = guest.page
        await page.goto(server.url)
        await page.get_by_label("Your name").fill("Hannelore")
        await page.get_by_label("E-mail address", exact=True).fill("hannelore@example.org")
        await page.get_by_label("Why you want to join").fill("To compare dialects")
        assert await guest.serious_issues() == []
        await page.get_by_role("button", name="Ask to join").click()
        await expect(page.get_by_text("Your request was received.")).to_be_visible()

        await owner.page.reload()
        await owner.page.get_by_label("Search by name or address").fill("hanne")
        await expect(owner.row("Hannelore")).to_contain_text("To compare dialects")
        await owner.page.get_by_label("Select Hannelore").check()
        assert await owner.serious_issues() == []
        await owner.page.get_by_role("button", name="Admit selected (1)").click()
        await owner.dialog.get_by_role("button", name="Admit", exact=True).click()
        await owner.dialog.get_by_label("Language of the e-mail").select_option("Deutsch")
        write = owner.dialog.get_by_role("link", name="Write to Hannelore")
        await expect(write).to_have_attribute(
            "href", re.compile(r"^mailto:hannelore%40example\.org\?subject=Ihre%20Einl")
        )
        async with owner.page.expect_download() as downloading:
            await owner.dialog.get_by_role("button", name="Download as CSV").click()
        rows = list(csv.reader(io.StringIO((await content_of(await downloading.value)).decode("utf-8-sig"))))
        assert rows[1][:2] == ["Hannelore", "hannelore@example.org"]
        assert rows[1][3].startswith("Guten Tag Hannelore,\n\nExample House lädt Sie ein")
        assert rows[1][2] in rows[1][3]
        await owner.dialog.get_by_role("button", name="Done").click()
        await owner.page.get_by_role("button", name="Close the list").click()
        await expect(owner.page.get_by_text("Closed: nobody can ask to join.")).to_be_visible()

        other = await owner.page.context.new_page()
        await other.goto(rows[1][2])
        await expect(other.get_by_role("button", name="Stay signed in as")).to_be_focused()
        await other.keyboard.press("Enter")
        await expect(other.get_by_role("dialog")).to_have_count(0)
        await other.close()

        await page.goto("about:blank")
        await page.goto(rows[1][2])
        await expect(page.get_by_label("Your name")).to_have_value("Hannelore")
        await expect(page.get_by_label("E-mail address")).to_have_value("hannelore@example.org")
        await page.get_by_label("Password: a long sentence is best").fill(PASSWORD)
        await page.get_by_role("button", name="Join").click()
        await expect(guest.field).to_be_visible()

        async with visitor(browser, server) as again:
            await again.page.goto(rows[1][2])
            await expect(again.page.get_by_role("heading", name="This invitation no longer works")).to_be_visible()
            await again.page.get_by_role("link", name="Sign in").click()
            await expect(again.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
            again.complaints.clear()  # the browser's own, of the 404

        await page.goto(f"{server.url}/console/account")
        async with page.expect_download() as archiving:
            await page.get_by_role("button", name="Download everything").click()
        archive = zipfile.ZipFile(io.BytesIO(await content_of(await archiving.value)))
        assert "profile.json" in archive.namelist()
        await expect(page.get_by_text("The archive is in your downloads")).to_be_visible()
        await page.get_by_role("button", name="Delete my account").click()
        assert await guest.serious_issues() == []
        delete = guest.dialog.get_by_role("button", name="Delete my account")
        await guest.dialog.get_by_label("Write “Hannelore” to confirm").fill("Hannelore")
        await guest.dialog.get_by_label("Password").fill("not the right one")
        await delete.click()
        await expect(guest.dialog.get_by_role("alert")).to_be_visible()
        await guest.dialog.get_by_label("Password").fill(PASSWORD)
        await delete.click()
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    await owner.open("/members")
    await expect(owner.page.get_by_role("row", name="admin Owner")).to_be_visible()
    await expect(owner.row("Hannelore")).to_have_count(0)


@pytest.mark.slow
async def test_a_quota_shows_itself_before_it_bites_and_says_when_it_begins_anew(
    browser: Browser, server: RunningServer, owner: ConsoleVisitor
) -> None:
    user = await owner.make("/v1/organization/users", {"name": "Quotina", "role": "member"})
    quota = {"period": "day", "user_id": user["id"], "messages": 1}
    await owner.make("/v1/organization/person-quotas", quota)
    announcement = await owner.make("/v1/organization/announcements", {"text": "The <b>oven</b> is warm."})
    async with visitor(browser, server, ConsoleVisitor) as person:
        await person.enter(user["login_token"])
        await person.page.goto(server.url)
        await expect(person.page.get_by_text("The <b>oven</b> is warm.")).to_be_visible()
        await person.page.get_by_role("button", name="Put away").click()
        await person.shorten_answers(2)
        async with person.page.expect_response(names_the_conversation):
            await person.ask("Hi")
            await person.expect_state("finished")
        await expect(person.page.get_by_text("Messages left: 0 of 1. Begins anew at")).to_be_visible()
        await person.ask("Hi")
        await expect(person.page.get_by_text("Of your quota of messages, 0 of 1 are left.")).to_be_visible()
        await expect(person.page.get_by_text("Messages left")).to_be_hidden()  # it is said once
        await expect(person.page.get_by_role("button", name="Ask again")).to_have_count(0)
        await person.page.reload()
        await expect(person.page.get_by_text("Messages left: 0 of 1.")).to_be_visible()
        await expect(person.page.get_by_text("The <b>oven</b> is warm.")).to_have_count(0)
        await person.page.goto(f"{server.url}/console/account")
        await expect(person.row("Messages, today")).to_contain_text("1 of 1")
    status, _ = await owner.fetch("DELETE", f"/v1/organization/announcements/{announcement['id']}")
    assert status == 200


@pytest.mark.slow
async def test_an_administrator_keeps_a_part_of_the_chat_to_a_role_and_says_how_conversations_begin(
    server: RunningServer, owner: ConsoleVisitor
) -> None:
    await owner.open("/chat")
    await owner.act("Change", "Sharing")
    await owner.dialog.get_by_label("These roles").check()
    await owner.dialog.get_by_label("Developer").check()
    assert await owner.serious_issues() == []
    await owner.dialog.get_by_role("button", name="Save").click()
    await expect(owner.row("Sharing")).to_contain_text("Developer")
    _, me = await owner.fetch("GET", "/v1/me")
    assert "sharing" not in me["features"]
    await owner.fetch("PUT", "/v1/organization/access-rules", {"kind": "feature", "name": "sharing"})
    await owner.page.get_by_label("Instructions for the model").fill("Answer in one word.")
    await owner.page.get_by_role("button", name="Save").click()
    await expect(owner.page.get_by_text("Saved.")).to_be_visible()
    await owner.page.goto(server.url)
    await owner.shorten_answers(2)
    async with owner.page.expect_request("**/v1/responses") as asking:
        await owner.ask("Hi")
    sent = (await asking.value).post_data_json
    assert sent["instructions"] == "Answer in one word."
    await owner.expect_state("finished")
    await owner.fetch("PUT", "/v1/organization/chat", {})
