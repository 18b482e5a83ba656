"""Two people write in one conversation, each at their own page: each sees the other's questions come, with the name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import cast

import pytest
from playwright._impl._api_structures import SetCookieParam
from playwright.async_api import Browser, expect
from tests.support.people import PASSWORD, joined
from tests.support.talker import MODEL, Talker, at_the_page, talking_server


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talker]:
    with talking_server(tmp_path_factory.mktemp("talker")) as running:
        yield running


async def test_two_people_see_each_other_s_names_as_their_questions_come(browser: Browser, talker: Talker) -> None:
    with closing(joined(talker.server, talker.owner, "Zoé")) as colleague:
        async with (
            at_the_page(browser, talker) as host,
            at_the_page(browser, replace(talker, owner=colleague), locale="fr-FR") as guest,
        ):
            await host.ask("Tell me of herons")
            await host.expect_state("finished")
            conversation = host.page.url.rpartition("/")[2]
            shared = {"visibility": "workspace"}
            talker.owner.post(f"/v1/conversations/{conversation}", json=shared).raise_for_status()
            await guest.page.goto(host.page.url)
            await expect(guest.turns).to_have_count(1)
            await expect(guest.page.locator(".asker")).to_have_count(0)  # one person alone has asked

            await guest.ask("Et les mouettes ?")
            await expect(host.turns).to_have_count(2)
            await expect(host.page.locator(".asker")).to_have_text("Zoé")
            await expect(host.page.get_by_role("group", name="Question by Zoé")).to_contain_text("Et les mouettes ?")
            await host.expect_state("finished")

            await host.ask("And terns?")
            await expect(guest.turns).to_have_count(3)
            await expect(guest.page.locator(".asker")).to_have_text(["admin", "admin"])  # above the first one too
            await expect(guest.page.get_by_role("group", name="Votre question")).to_contain_text("Et les mouettes ?")
            await expect(host.page.locator(".asker")).to_have_text("Zoé")
            assert await host.serious_issues() == []


async def test_what_is_written_in_a_conversation_that_is_deleted_meanwhile_goes_on_in_a_new_one(
    browser: Browser, talker: Talker
) -> None:
    async with at_the_page(browser, talker) as host:
        await host.ask("Tell me of curlews")
        await host.expect_state("finished")
        conversation = host.page.url.rpartition("/")[2]
        shared = {"visibility": "workspace"}
        talker.owner.post(f"/v1/conversations/{conversation}", json=shared).raise_for_status()
        await expect(host.page.get_by_text("Everyone in the workspace")).to_be_visible()
        await host.field.fill("And of godwits?")
        talker.owner.delete(f"/v1/conversations/{conversation}").raise_for_status()
        await expect(host.page.get_by_role("heading", name="This conversation is not here")).to_be_visible()
        await expect(host.page.get_by_text("Everyone in the workspace")).to_have_count(0)
        await host.field.press("Enter")
        await expect(host.page.locator("form").get_by_text("This conversation is not here")).to_be_visible()
        await expect(host.field).to_have_value("And of godwits?")
        await host.page.get_by_role("button", name="Begin a new conversation").click()
        await expect(host.field).to_have_value("And of godwits?")
        await host.field.press("Enter")
        await host.expect_state("finished")
        await expect(host.turns.locator(".bubble")).to_have_text(["And of godwits?"])


async def test_a_conversation_that_was_deleted_while_nobody_listened_leaves_the_page(
    browser: Browser, talker: Talker
) -> None:
    async with at_the_page(browser, talker) as host:
        await host.ask("Tell me of plovers")
        await host.expect_state("finished")
        events = "**/v1/conversations/*/events"
        await host.page.route(events, lambda route: route.fulfill(status=503, body="a proxy's"))
        async with host.page.expect_response(events):
            await host.page.reload()
        await expect(host.turns).to_have_count(1)
        conversation = host.page.url.rpartition("/")[2]
        talker.owner.post(f"/v1/conversations/{conversation}", json={"title": "Waders"}).raise_for_status()
        await host.page.unroute(events)
        await expect(host.page).to_have_title("Waders · Aquilon")  # it follows again

        await host.page.route(events, lambda route: route.fulfill(status=503, body="a proxy's"))
        async with host.page.expect_response(events):
            await host.page.reload()
        await expect(host.turns).to_have_count(1)
        talker.owner.delete(f"/v1/conversations/{conversation}").raise_for_status()
        await expect(host.page.get_by_role("heading", name="This conversation is not here")).to_be_visible()


async def test_a_question_of_a_session_that_ended_is_asked_again_after_signing_in_in_another_tab(
    browser: Browser, talker: Talker
) -> None:
    async with at_the_page(browser, talker) as host:
        await host.ask("Tell me of gulls")
        await host.expect_state("finished")
        context = host.page.context
        cookies = await context.cookies()
        await context.clear_cookies()
        await host.ask("And of skuas?")
        notice = host.page.get_by_role("alert")
        await expect(notice).to_contain_text("Your session has ended.")
        assert await host.serious_issues() == []
        async with context.expect_page() as opened:
            await notice.get_by_role("link", name="Open the sign-in page").click()
        await expect((await opened.value).get_by_label("Password")).to_be_visible()
        await context.add_cookies([cast(SetCookieParam, cookie) for cookie in cookies])
        await notice.get_by_role("button", name="Ask again").click()
        await expect(host.turns).to_have_count(2)
        await host.expect_state("finished")


async def test_a_change_after_the_session_ended_says_that_and_is_made_again_after_signing_in(
    browser: Browser, talker: Talker
) -> None:
    async with at_the_page(browser, talker) as host:
        await host.ask("Tell me of terns")
        await host.expect_state("finished")
        page, context = host.page, host.page.context
        cookies = await context.cookies()
        await context.clear_cookies()
        await page.get_by_role("button", name="Actions for “").first.click()
        await page.get_by_role("menuitem", name="Pin").click()
        told = page.get_by_role("status").filter(has_text="your session has ended")
        await expect(told).to_have_text(re.compile("^The change was not saved: your session has ended."))
        assert await host.serious_issues() == []
        async with context.expect_page() as opened:
            await told.get_by_role("link", name="Open the sign-in page").click()
        await expect((await opened.value).get_by_label("Password")).to_be_visible()
        await context.add_cookies([cast(SetCookieParam, cookie) for cookie in cookies])
        await page.get_by_role("button", name="Actions for “").first.click()
        await page.get_by_role("menuitem", name="Pin").click()
        await expect(page.locator(".rows")).to_contain_text("Pinned")
        await expect(told).to_have_count(0)


async def test_a_list_that_is_read_again_after_the_session_ended_tells_of_no_change(
    browser: Browser, talker: Talker
) -> None:
    async with at_the_page(browser, talker) as host:
        await host.ask("Tell me of kites")
        await host.expect_state("finished")
        await host.page.context.clear_cookies()
        await host.ask("And of buzzards?")  # which reads the list again
        told = host.page.get_by_role("status").filter(has=host.page.get_by_role("link", name="Open the sign-in page"))
        await expect(told).to_contain_text("You are signed out")
        await expect(told).not_to_contain_text("saved")


async def test_an_answer_goes_on_for_who_signed_in_again_in_another_tab(browser: Browser, talker: Talker) -> None:
    talker.says({"Talk of auks": " ".join(f"auk{number}" for number in range(100))}, pause=0.05)
    with closing(joined(talker.server, talker.owner, "Una")) as una:
        user_id = una.get("/auth/session").json()["user"]["id"]
        link = talker.owner.post(f"/v1/organization/users/{user_id}/link").json()["login_token"]
        async with at_the_page(browser, replace(talker, owner=una)) as host:
            await host.ask("Talk of auks")
            await expect(host.answer).to_contain_text("auk3")
            other = await host.page.context.new_page()
            await other.goto(f"{talker.server.url}/#login={link}")
            await host.expect_state("finished")
            await expect(host.answer).to_contain_text("auk99")
            assert una.get("/auth/session").status_code == 401  # of the session that began it


async def test_an_answer_of_spaces_is_told_as_one_without_a_word(browser: Browser, talker: Talker) -> None:
    talker.says({"Be silent": " \n\n "})
    async with at_the_page(browser, talker) as host:
        await host.ask("Be silent")
        await host.expect_state("finished")
        await expect(host.turns).to_contain_text("The model ended without a word.")


async def test_what_a_person_asked_leaves_the_others_open_pages_with_their_account(
    browser: Browser, talker: Talker
) -> None:
    with closing(joined(talker.server, talker.owner, "Leonid")) as colleague:
        async with at_the_page(browser, talker) as host:
            await host.ask("Tell me of swifts")
            await host.expect_state("finished")
            conversation = host.page.url.rpartition("/")[2]
            shared = {"visibility": "workspace"}
            talker.owner.post(f"/v1/conversations/{conversation}", json=shared).raise_for_status()
            for number, person in enumerate((colleague, talker.owner, colleague), 2):
                asked = {"model": MODEL, "conversation": conversation, "input": f"Question {number}"}
                person.post("/v1/responses", json=asked).raise_for_status()
                await expect(host.turns).to_have_count(number)
                await host.expect_state("finished")
            await expect(host.page.locator(".asker")).to_have_text(["Leonid", "Leonid"])

            leaving = {"confirm": "Leonid", "password": PASSWORD}
            deleted = colleague.post("/v1/me/deletion", json=leaving).raise_for_status().json()["deleted"]
            assert deleted["questions_elsewhere"] == 2
            bubbles = host.page.locator(".bubble")
            await expect(bubbles).to_have_text(["Tell me of swifts", "Question 3"])
            await expect(host.page.locator(".asker")).to_have_count(0)
            await host.ask("And on")
            await expect(bubbles).to_have_text(["Tell me of swifts", "Question 3", "And on"])
            await host.expect_state("finished")
