"""What administrators do: people, money, models elsewhere, batch jobs."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.async_api import Browser, expect
from tests.support.browser import visitor
from tests.support.console import ConsoleVisitor
from tests.support.server import RunningServer

PASSWORD = "the wind turns north at noon"


@pytest.mark.slow
async def test_who_is_invited_joins_with_a_password_and_comes_back_with_it(
    browser: Browser, server: RunningServer, owner: ConsoleVisitor
) -> None:
    await owner.open("/invitations")
    await owner.page.get_by_role("button", name="Invite").click()
    await owner.dialog.get_by_label("Whom it is for").fill("Émilie")
    await owner.dialog.get_by_label("Role").select_option("developer")
    await owner.dialog.get_by_role("button", name="Invite").click()
    link = await owner.dialog.locator("code").inner_text()
    await owner.dialog.get_by_label("Language of the e-mail").select_option("Français")
    write = owner.dialog.get_by_role("link", name="Write the e-mail")
    await expect(write).to_have_attribute("href", re.compile("^mailto:.*Bonjour%20%C3%89milie.*%23invite%3D"))
    no_program = "link => { link.addEventListener('click', (event) => event.preventDefault()); link.click(); }"
    await write.evaluate(no_program)
    await owner.page.keyboard.press("Escape")
    await expect(owner.dialog).to_have_count(0)
    await expect(owner.row("Émilie")).to_contain_text("open")

    async with visitor(browser, server, ConsoleVisitor) as guest:
        page = guest.page
        await page.goto(link.replace("/#", "/console#"))
        await expect(page.get_by_role("heading", name="Example House invites you")).to_be_visible()
        assert "invite" not in page.url
        assert await guest.serious_issues() == []
        await expect(page.get_by_label("Your name")).to_have_value("Émilie")
        await page.get_by_label("Your name").fill("Émilie du Châtelet")
        await expect(page.get_by_text("At least 12 characters.")).to_be_visible()
        await page.get_by_label("Password: a long sentence is best").press_sequentially("short")
        await page.get_by_role("button", name="Join").click()
        await expect(page.get_by_label("Password: a long sentence is best")).to_be_focused()
        await page.get_by_label("Password: a long sentence is best").fill(PASSWORD)
        await page.get_by_role("button", name="Join").click()
        await expect(
            page.get_by_text("Good to see you, Émilie du Châtelet. Your role here: Developer.")
        ).to_be_visible()

        await page.locator("button[popovertarget=menu]").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Name or e-mail address").fill("Émilie du Châtelet")
        await page.get_by_label("Password", exact=True).fill("a wrong one, surely")
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    await owner.page.reload()
    await expect(owner.row("Émilie")).to_contain_text("used up")


@pytest.mark.slow
async def test_who_is_signed_in_is_told_so_by_an_invitation_and_may_join_as_someone_else(
    browser: Browser, server: RunningServer, owner: ConsoleVisitor
) -> None:
    invitation = await owner.make("/v1/organization/invitations", {"role": "member", "note": "Blaise", "uses": 2})
    link = f"{server.url}/#invite={invitation['token']}&name=Blaise%20Pascal"
    made = await owner.make("/v1/organization/users", {"name": "Jacqueline", "role": "member"})
    async with visitor(browser, server, ConsoleVisitor) as person:
        await person.enter(made["login_token"])
        await person.page.goto(link)
        await expect(person.dialog.get_by_role("heading")).to_have_text("You are signed in as Jacqueline")
        await expect(person.dialog).to_contain_text(f"a new account in {server.organization}")
        assert await person.serious_issues() == []
        await person.page.keyboard.press("Escape")
        await expect(person.field).to_be_visible()
        await person.page.goto("about:blank")
        await person.page.goto(link)
        await person.dialog.get_by_role("button", name="Sign out and join as someone else").click()
        await expect(person.page.get_by_role("heading", name=f"{server.organization} invites you")).to_be_visible()
        await expect(person.page.get_by_label("Your name")).to_have_value("Blaise Pascal")


@pytest.mark.slow
async def test_an_invitation_is_withdrawn_once_its_name_is_written(owner: ConsoleVisitor) -> None:
    await owner.make("/v1/organization/invitations", {"role": "member", "note": "Nobody"})
    await owner.open("/invitations")
    await owner.act("Withdraw", "Nobody")
    await owner.dialog.get_by_role("button", name="Withdraw").click()
    await expect(owner.dialog.get_by_role("alert")).to_have_text("That is not “Nobody”.")
    await owner.dialog.get_by_label("Write “Nobody” to confirm").fill("Nobody")
    await owner.dialog.get_by_role("button", name="Withdraw").click()
    await expect(owner.row("Nobody")).to_contain_text("withdrawn")


async def test_a_member_is_given_a_role_and_disabled(owner: ConsoleVisitor) -> None:
    await owner.make("/v1/organization/users", {"name": "Quentin", "role": "member"})
    await owner.open("/members")
    await owner.page.get_by_label("Role of Quentin").select_option("developer")
    await expect(owner.page.get_by_label("Role of Quentin")).to_have_value("developer")
    await owner.act("Disable", "Quentin")
    await owner.dialog.get_by_label("Write “Quentin” to confirm").fill("Quentin")
    await owner.dialog.get_by_role("button", name="Disable").click()
    await expect(owner.row("Quentin")).to_contain_text("disabled")
    await owner.open("/audit")
    await owner.page.get_by_label("Filter").fill("quentin")
    actions = await owner.page.locator("tbody span[title]").evaluate_all("(all) => all.map((one) => one.title)")
    assert actions == ["user.disabled", "user.role_set", "user.created"]


async def test_a_budget_is_set_changed_in_place_and_removed(owner: ConsoleVisitor) -> None:
    await owner.make("/v1/organization/workspaces", {"name": "Thrifty"})
    await owner.open("/budgets")
    await owner.page.get_by_role("button", name="Set a budget").click()
    await owner.dialog.get_by_label("For").select_option(label="Thrifty")
    await owner.dialog.get_by_label("Amount in EUR").fill("12,50")
    await owner.dialog.get_by_role("button", name="Set a budget").click()
    row = owner.row("Workspace Thrifty")
    await expect(row).to_contain_text("€12.50 left")
    await expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "0")
    await expect(owner.page.get_by_role("note")).to_contain_text("These models have no price")
    await expect(owner.page.get_by_role("note")).to_contain_text("smollm2-135m")
    await owner.act("Change", "Workspace Thrifty")
    await expect(owner.dialog.get_by_label("Amount in EUR")).to_have_value("12.5")
    await owner.dialog.get_by_label("Amount in EUR").fill("20")
    await owner.dialog.get_by_role("button", name="Save").click()
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("€20.00 left")
    await owner.act("Remove", "Workspace Thrifty")
    await owner.dialog.get_by_role("button", name="Remove").click()
    await expect(row).to_have_count(0)


async def test_a_price_is_changed_in_one_figure_and_keeps_the_others(owner: ConsoleVisitor) -> None:
    model = "multilingual-e5-small"
    await owner.make(f"/v1/server/prices/{model}", {"input": 5, "output": 0, "training": 250})
    await owner.open("/budgets")
    await expect(owner.row(model)).to_contain_text("€2.50")
    await owner.page.get_by_role("button", name="Set a price").click()
    await owner.dialog.get_by_label("Model").select_option(model)
    await expect(owner.dialog.get_by_label("Fine-tuning")).to_have_value("2.5")
    await owner.dialog.get_by_label("Tokens read", exact=True).fill("0.06")
    await owner.dialog.get_by_role("button", name="Set a price").click()
    await expect(owner.row(model).filter(has_text="€0.06")).to_have_count(1)
    await expect(owner.row(model)).to_have_count(1)  # within the second of the price before, it begins with the next
    await expect(owner.row(model)).to_contain_text("€2.50")


async def test_a_price_that_begins_while_the_page_is_open_takes_the_place_of_the_one_before(
    owner: ConsoleVisitor,
) -> None:
    model = "multilingual-e5-small"
    await owner.make(f"/v1/server/prices/{model}", {"input": 7, "output": 0})
    await owner.make(f"/v1/server/prices/{model}", {"input": 800, "output": 0, "starts_at": int(time.time()) + 6})
    await owner.open("/budgets")
    await expect(owner.row(model)).to_have_count(2)
    await expect(owner.row(model)).to_have_count(1, timeout=20_000)
    await expect(owner.row(model)).to_contain_text("€8.00")


async def test_a_limit_is_set_and_removed(owner: ConsoleVisitor) -> None:
    await owner.make("/v1/organization/workspaces", {"name": "Steady"})
    await owner.open("/limits")
    await owner.page.get_by_role("button", name="Set a limit").click()
    await owner.dialog.get_by_label("For").select_option(label="Steady")
    await owner.dialog.get_by_role("button", name="Save").click()
    await expect(owner.dialog.get_by_role("alert")).to_have_text(
        "At least one of these needs a number: requests a minute, tokens a minute, requests at once. "
        "To have no limit, remove it."
    )
    await owner.dialog.get_by_label("Requests a minute").fill("60")
    await owner.dialog.get_by_role("button", name="Save").click()
    await expect(owner.row("Workspace Steady").get_by_role("cell").nth(1)).to_have_text("60")
    await owner.act("Remove", "Workspace Steady")
    await owner.dialog.get_by_role("button", name="Remove").click()
    await expect(owner.row("Workspace Steady")).to_have_count(0)


async def test_a_months_statement_comes_as_pdf(owner: ConsoleVisitor) -> None:
    await owner.open("/statements")
    async with owner.page.expect_download() as download:
        await owner.page.get_by_role("link", name="Download as PDF").click()
    assert (await (await download.value).path()).read_bytes().startswith(b"%PDF")


@pytest.mark.slow
async def test_an_upstream_is_added_asked_for_its_models_and_removed(owner: ConsoleVisitor) -> None:
    """Another Aquilon; here the server is its own upstream."""
    key = (await owner.make("/v1/organization/api_keys", {"name": "For the upstream"}))["value"]
    await owner.open("/upstreams")
    await owner.page.get_by_role("button", name="Add an upstream").click()
    await owner.dialog.get_by_label("Name", exact=True).fill("mirror")
    await owner.dialog.get_by_label("It speaks as").select_option("aquilon")
    await owner.dialog.get_by_label("Base address").fill(f"{owner.server.url}/v1")
    await owner.dialog.get_by_label("Its API key").fill(key)
    await owner.dialog.get_by_role("button", name="Save and ask it for its models").click()
    names = owner.dialog.get_by_label("Name here")
    await expect(names.first).to_have_value("smollm2-135m")
    for _extra in await owner.dialog.get_by_role("button", name="Remove: ").all():
        if await names.count() > 1:
            await owner.dialog.get_by_role("button", name="Remove: ").last.click()
    await names.first.fill("mirrored")
    await owner.dialog.get_by_role("button", name="Save", exact=True).click()
    await expect(owner.row("mirror")).to_contain_text("mirrored")
    assert key not in await owner.page.content()
    await owner.act("Check", "mirror")
    await expect(owner.row("mirror")).to_contain_text("It answered in")
    await owner.act("Remove", "mirror")
    await owner.dialog.get_by_label("Write “mirror” to confirm").fill("mirror")
    await owner.dialog.get_by_role("button", name="Remove").click()
    await expect(owner.row("mirrored")).to_have_count(0)


async def test_an_alias_is_set_on_the_models_page(owner: ConsoleVisitor) -> None:
    await owner.open("/models")
    await expect(owner.row("smollm2-135m").first).to_contain_text("in memory")
    await owner.page.get_by_role("button", name="Set an alias").click()
    await owner.dialog.get_by_label("Name", exact=True).fill("breeze-latest")
    await owner.dialog.get_by_label("Stands for").select_option("smollm2-135m")
    await owner.dialog.get_by_role("button", name="Save").click()
    await expect(owner.row("breeze-latest")).to_contain_text("smollm2-135m")
    await owner.act("Remove", "breeze-latest")
    await owner.dialog.get_by_role("button", name="Remove").click()
    await expect(owner.row("breeze-latest")).to_have_count(0)


@pytest.mark.slow
async def test_a_batch_job_goes_from_a_file_to_its_results(owner: ConsoleVisitor) -> None:
    body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}
    lines = [
        json.dumps({"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body})
        for number in range(2)
    ]
    await owner.open("/batches")
    await owner.page.get_by_role("button", name="New batch job").click()
    file = {"name": "two.jsonl", "mimeType": "application/jsonl", "buffer": "\n".join(lines).encode()}
    await owner.dialog.get_by_label("File").set_input_files([file])  # type: ignore[list-item]
    await owner.dialog.get_by_label("Name").fill("Two lines")
    await owner.dialog.get_by_role("button", name="Create").click()
    row = owner.row("Two lines")
    await expect(row).to_contain_text("2 of 2", timeout=30_000)
    async with owner.page.expect_download() as download:
        await owner.page.get_by_role("link", name="Results: Two lines").click()
    results = (await (await download.value).path()).read_text().splitlines()
    assert {json.loads(line)["custom_id"] for line in results} == {"0", "1"}

    await owner.follow("/files")
    file = owner.row("two.jsonl")
    await expect(file).to_contain_text("batch")
    async with owner.page.expect_download() as download:
        await owner.page.get_by_role("link", name="Download: two.jsonl").click()
    assert len((await (await download.value).path()).read_text().splitlines()) == 2
    await owner.act("Delete", "two.jsonl")
    await owner.dialog.get_by_label("Write “two.jsonl” to confirm").fill("two.jsonl")
    await owner.dialog.get_by_role("button", name="Delete").click()
    await expect(file).to_have_count(0)


@pytest.mark.slow
async def test_a_person_changes_their_name_address_and_password(
    browser: Browser, server: RunningServer, owner: ConsoleVisitor
) -> None:
    made = await owner.make("/v1/organization/users", {"name": "Sofia", "role": "member"})
    async with visitor(browser, server, ConsoleVisitor) as person:
        await person.enter(made["login_token"])
        await person.follow("/account")
        who = person.page.get_by_role("region", name="Who you are")
        await who.get_by_label("Name").fill("Sofia Kovalevskaya")
        await who.get_by_label("E-mail address").fill("sofia@example.org")
        await who.get_by_role("button", name="Save").click()
        await expect(who.get_by_role("status")).to_have_text("Saved.")
        await expect(person.page.get_by_text("Sofia Kovalevskaya, Member")).to_be_visible()
        await expect(person.page.get_by_text("At least 12 characters.")).to_be_visible()
        await person.page.get_by_label("New password").fill(PASSWORD)
        await person.page.get_by_role("button", name="Set the password").click()
        await expect(person.page.get_by_text("It is set.")).to_be_visible()
        await who.get_by_label("Name").fill("admin")
        await who.get_by_role("button", name="Save").click()
        await expect(who.get_by_role("alert")).to_have_text("Name: “admin” exists already: choose another name.")
        await person.page.locator("button[popovertarget=menu]").click()
        await person.page.get_by_role("button", name="Sign out").click()
        await person.page.get_by_label("Name or e-mail address").fill("sofia@example.org")
        await person.page.get_by_label("Password", exact=True).fill(PASSWORD)
        await person.page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(person.page.get_by_role("heading", name="Your account")).to_be_visible()


@pytest.mark.slow
async def test_a_role_that_is_refused_goes_back_to_what_it_was(owner: ConsoleVisitor) -> None:
    await owner.open("/members")
    role = owner.page.get_by_label("Role of admin")
    await role.select_option("member")
    await expect(owner.page.get_by_role("alert")).to_contain_text("last owner")
    await expect(role).to_have_value("owner")


@pytest.mark.slow
async def test_members_and_organizations_are_renamed(owner: ConsoleVisitor) -> None:
    await owner.make("/v1/organization/users", {"name": "Misspelt", "role": "member"})
    await owner.open("/members")
    await owner.page.get_by_role("button", name="Change: Misspelt").click()
    await owner.dialog.get_by_label("Name").fill("Well spelt")
    await owner.dialog.get_by_label("E-mail address").fill("well@example.org")
    await owner.dialog.get_by_role("button", name="Save").click()
    await expect(owner.row("Well spelt")).to_contain_text("well@example.org")
    await owner.make("/v1/server/organizations", {"name": "Acme", "owner": "Wile"})
    await owner.open("/organizations")
    await owner.page.get_by_role("button", name="Change: Acme").click()
    await owner.dialog.get_by_label("Name").fill("Acme & Sons")
    await owner.dialog.get_by_label("VAT, in percent").fill("5,5")
    await owner.dialog.get_by_role("button", name="Save").click()
    await expect(owner.row("Acme & Sons")).to_be_visible()
    _, listed = await owner.fetch("GET", "/v1/server/organizations")
    assert [row["vat_percent"] for row in listed["data"] if row["name"] == "Acme & Sons"] == ["5.5"]


@pytest.mark.slow
async def test_how_long_conversations_are_kept_is_set(owner: ConsoleVisitor) -> None:
    await owner.open("/settings")
    days = owner.page.get_by_label("Days to keep conversations")
    await expect(days).to_have_value("")
    for value in ("30", ""):
        await days.fill(value)
        await owner.page.get_by_role("button", name="Save").click()
        await expect(owner.page.get_by_text("Saved.")).to_be_visible()
        await owner.page.reload()
        await expect(days).to_have_value(value)
