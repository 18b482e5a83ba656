"""Every page of the console: in both languages and themes, wide and narrow, for those it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, StorageState, expect
from tests.support.browser import visitor
from tests.support.console import ConsoleVisitor
from tests.support.server import RunningServer, start_server

from aquilon.people.first_organization import UNNAMED

BUDGET = 120 * 1024
PAGES = [
    "/",
    "/playground",
    "/keys",
    "/usage",
    "/requests",
    "/batches",
    "/fine-tuning",
    "/files",
    "/members",
    "/invitations",
    "/waiting-list",
    "/chat",
    "/quotas",
    "/workspaces",
    "/audit",
    "/settings",
    "/budgets",
    "/limits",
    "/statements",
    "/models",
    "/upstreams",
    "/organizations",
    "/sign-on",
    "/account",
]


@pytest.mark.parametrize(
    ("theme", "width", "language"),
    [
        pytest.param("light", 1280, "en-GB", id="light"),
        pytest.param("dark", 390, "fr-FR", id="dark", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
async def test_axe_finds_nothing_serious_on_any_page(
    browser: Browser, server: RunningServer, owners_cookies: StorageState, theme: Any, width: int, language: str
) -> None:
    options = {"color_scheme": theme, "viewport": {"width": width, "height": 800}, "locale": language}
    async with visitor(browser, server, ConsoleVisitor, storage_state=owners_cookies, **options) as owner:
        await owner.open("/")
        seen = set()
        for path in PAGES:
            await owner.follow(path)
            assert await owner.serious_issues() == [], path
            assert await owner.page.evaluate("document.documentElement.scrollWidth") <= width, path
            seen.add(await owner.page.locator("h1").inner_text())
        assert len(seen) == len(PAGES)
        links = await owner.page.locator("nav a").evaluate_all("all => all.map(a => new URL(a.href).pathname)")
        assert {path.removeprefix("/console") or "/" for path in links} == set(PAGES)


async def test_files_are_uploaded_with_their_purpose(owner: ConsoleVisitor) -> None:
    page = owner.page
    await owner.open("/files")
    await page.get_by_label("Purpose").select_option("user_data")
    await page.get_by_label("Only for me").check()
    files = [{"name": f"{name}.txt", "mimeType": "text/plain", "buffer": b"x"} for name in ("one", "two")]
    await page.locator("input[type=file]").set_input_files(files)  # type: ignore[arg-type]
    await expect(page.get_by_text("two.txt is uploaded.")).to_be_visible()
    for name in ("one.txt", "two.txt"):
        await expect(owner.row(name)).to_contain_text("user_data")
    _, listed = await owner.fetch("GET", "/v1/files?purpose=user_data")
    assert {file["visibility"] for file in listed["data"]} == {"user"}


async def test_another_workspace_is_chosen_in_the_bar(owner: ConsoleVisitor) -> None:
    page = owner.page
    room = await owner.make("/v1/organization/workspaces", {"name": "Library"})
    _, own = await owner.fetch("GET", "/auth/session")
    member = {"user_id": own["user"]["id"], "role": "developer"}
    await owner.make(f"/v1/organization/workspaces/{room['id']}/users", member)
    await owner.open("/keys")
    await page.get_by_role("banner").get_by_label("Workspace").select_option("Library")
    await expect(page.get_by_role("banner").get_by_label("Workspace")).to_be_enabled()
    _, session = await owner.fetch("GET", "/auth/session")
    assert session["workspace"]["name"] == "Library"
    await page.get_by_role("banner").get_by_label("Workspace").select_option(own["workspace"]["name"])
    await expect(page.get_by_role("banner").get_by_label("Workspace")).to_be_enabled()
    await owner.make(f"/v1/organization/workspaces/{room['id']}/archive", {})


async def test_a_table_without_room_for_its_words_becomes_cards_and_a_table_again(owner: ConsoleVisitor) -> None:
    quota = await owner.make("/v1/organization/person-quotas", {"period": "month", "tokens": 2_000_000})
    await owner.page.set_viewport_size({"width": 800, "height": 800})
    await owner.open("/quotas")
    await owner.choose_language("Deutsch")
    table = owner.page.get_by_role("group", name="Kontingente", exact=True)
    await expect(table).to_contain_text("2.000.000")
    sideways = "frame => frame.scrollWidth - frame.clientWidth"
    for width, display in ((800, "block"), (1600, "table"), (800, "block")):
        await owner.page.set_viewport_size({"width": width, "height": 800})
        await expect(table.locator("table")).to_have_css("display", display)
        assert await table.evaluate(sideways) <= 0, width
        if display == "table":
            await expect(table.locator("tbody tr td").last).to_have_css("display", "table-cell")
        await expect(table).to_have_attribute("tabindex", "-1")  # nothing to scroll, no stop of the tab key
        await expect(table.get_by_role("button", name="Entfernen").first).to_be_in_viewport(ratio=1)
    await owner.fetch("DELETE", f"/v1/organization/person-quotas/{quota['id']}")


async def test_a_chosen_date_is_written_in_the_page_s_language_whatever_the_browser_s(owner: ConsoleVisitor) -> None:
    await owner.open("/keys")
    await owner.choose_language("Français")
    await owner.page.get_by_role("button", name="Nouvelle clé").click()
    await owner.dialog.get_by_label("Expire").select_option("day")
    await owner.dialog.get_by_label("Dernier jour").fill("2027-01-01")
    await expect(owner.dialog.get_by_text("vendredi 1 janvier 2027", exact=True)).to_be_visible()


@pytest.mark.slow
async def test_forms_are_as_accessible_as_pages_and_fit_narrow_screens(owner: ConsoleVisitor) -> None:
    forms = {
        "/keys": "New key",
        "/upstreams": "Add an upstream",
        "/sign-on": "Add a provider",
        "/models": "Change: ",
        "/fine-tuning": "Train a model",
    }
    await owner.page.set_viewport_size({"width": 390, "height": 800})
    for path, opener in forms.items():
        await owner.open(path)
        await owner.page.get_by_role("button", name=opener).first.click()
        if path == "/upstreams":
            await owner.dialog.get_by_role("button", name="Add a model by hand").click()
        assert await owner.serious_issues() == [], path
        assert await owner.dialog.evaluate("dialog => dialog.scrollWidth - dialog.clientWidth") == 0, path


@pytest.mark.slow
async def test_a_new_gateway_says_what_is_still_to_do_and_why_no_model_can_be_trained(
    browser: Browser, tmp_path: Path
) -> None:
    gateway = start_server(tmp_path, environment={"AQUILON_MODELS": "none", "AQUILON_ORGANIZATION": UNNAMED})
    try:
        async with visitor(browser, gateway, ConsoleVisitor, anew=True) as owner:
            page = owner.page
            await owner.enter()
            await expect(page.get_by_role("link", name="Name the organization")).to_be_visible()
            member = await owner.make("/v1/organization/users", {"name": "Tamino", "role": "developer"})
            await owner.open("/fine-tuning")
            await expect(page.get_by_role("heading", name="No model here can be trained")).to_be_visible()
            await expect(page.get_by_role("button", name="Train a model")).to_have_count(0)
            await page.get_by_role("link", name="Add a model").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Models")
        async with visitor(browser, gateway, ConsoleVisitor, anew=True, locale="fr") as developer:
            await developer.enter(member["login_token"])
            await developer.open("/fine-tuning")
            await expect(
                developer.page.get_by_text("La personne qui exploite ce serveur peut y remédier.")
            ).to_be_visible()
            await expect(developer.page.get_by_role("link", name="Ajouter un modèle")).to_have_count(0)
    finally:
        gateway.stop()


async def test_every_page_is_in_sight_in_the_list_of_a_low_window(owner: ConsoleVisitor) -> None:
    await owner.page.set_viewport_size({"width": 1280, "height": 800})
    await owner.open("/")
    assert await owner.page.locator(".side").evaluate("side => side.scrollHeight - side.clientHeight") <= 0


async def test_a_french_browser_finds_a_french_console(
    browser: Browser, server: RunningServer, owners_cookies: StorageState
) -> None:
    async with visitor(browser, server, ConsoleVisitor, locale="fr-FR", storage_state=owners_cookies) as owner:
        await owner.open("/")
        await expect(owner.page.locator("html")).to_have_attribute("lang", "fr")
        await expect(owner.page.get_by_role("heading", level=1)).to_have_text("Vue d’ensemble")
        await owner.page.get_by_role("link", name="Clés d’API").first.click()
        await expect(owner.page.get_by_role("button", name="Nouvelle clé")).to_be_visible()
        await expect(owner.page).to_have_title("Clés d’API · Aquilon")
        await owner.choose("Langue", "English")
        await expect(owner.page.get_by_role("button", name="New key")).to_be_visible()


async def test_conversation_and_console_lead_to_each_other(owner: ConsoleVisitor) -> None:
    await owner.page.get_by_role("link", name="Conversation").first.click()
    await expect(owner.field).to_be_focused()
    await owner.page.locator("button[popovertarget=menu]").click()
    await owner.page.get_by_role("link", name="Console").click()
    await expect(owner.page.get_by_role("heading", level=1)).to_have_text("Overview")
    await owner.page.go_back()
    await expect(owner.field).to_be_focused()


@pytest.mark.slow
async def test_a_member_sees_their_own_usage_and_no_page_that_is_not_for_them(
    browser: Browser, server: RunningServer, owner: ConsoleVisitor
) -> None:
    made = await owner.make("/v1/organization/users", {"name": "Mona", "role": "member"})
    async with visitor(browser, server, ConsoleVisitor) as member:
        await member.enter(made["login_token"])
        links = await member.page.locator(".side a").all_inner_texts()
        assert not {"Members", "Audit log", "Models", "Upstreams", "Statements"} & set(links)
        await member.page.get_by_role("link", name="Usage", exact=True).click()
        await expect(member.page.get_by_role("heading", name="Nothing used in this time")).to_be_visible()
        for path, route in (("/members", "/v1/organization/users"), ("/audit", "/v1/organization/audit_logs")):
            await member.open(path)
            await expect(member.page.get_by_role("heading", name="This page is not for your role")).to_be_visible()
            assert (await member.fetch("GET", route))[0] == 403


@pytest.mark.parametrize(
    "role",
    ["member", *(pytest.param(role, marks=pytest.mark.slow) for role in ("administrator", "developer", "billing"))],
)
@pytest.mark.slow
async def test_no_page_that_a_role_is_shown_refuses_it(
    browser: Browser, server: RunningServer, owner: ConsoleVisitor, role: str
) -> None:
    made = await owner.make("/v1/organization/users", {"name": f"Shown as {role}", "role": role})
    async with visitor(browser, server, ConsoleVisitor) as someone:
        await someone.enter(made["login_token"])
        paths = await someone.page.locator(".side a").evaluate_all("all => all.map(a => a.pathname)")
        for path in paths:
            await someone.follow(path.removeprefix("/console"))
            await expect(someone.page.get_by_role("alert"), path).to_have_count(0)


@pytest.mark.slow
async def test_a_server_that_stops_answering_is_told_of_in_the_page_s_language_and_tried_again(
    browser: Browser, server: RunningServer, owners_cookies: StorageState
) -> None:
    async with visitor(browser, server, ConsoleVisitor, locale="fr-FR", storage_state=owners_cookies) as owner:
        await owner.open("/members")
        role = owner.page.get_by_label("Rôle de admin")
        await expect(role).to_have_value("owner")
        await owner.page.route("**/v1/**", lambda route: route.abort("connectionrefused"))
        await role.select_option("member")
        alert = owner.page.get_by_role("alert")
        await expect(alert).to_contain_text("Le serveur ne répond pas.")
        await expect(role).to_have_value("owner")
        await owner.page.unroute_all()
        await alert.get_by_role("button", name="Réessayer").click()
        await expect(alert).to_have_count(0)


@pytest.mark.slow
async def test_whoever_loses_a_right_or_the_session_meanwhile_is_told_what_to_do(
    browser: Browser, server: RunningServer, owner: ConsoleVisitor
) -> None:
    made = await owner.make("/v1/organization/users", {"name": "Demoted", "role": "administrator"})
    async with visitor(browser, server, ConsoleVisitor) as someone:
        await someone.enter(made["login_token"])
        await someone.follow("/workspaces")
        await owner.make(f"/v1/organization/users/{made['id']}", {"role": "member"})
        await someone.page.get_by_role("button", name="New workspace").click()
        await someone.dialog.get_by_label("Name").fill("Mine")
        await someone.dialog.get_by_role("button", name="Create").click()
        await expect(someone.dialog.get_by_role("alert")).to_contain_text("This is not for your role.")
        await expect(someone.dialog.get_by_label("Name")).to_have_value("Mine")
        await someone.page.keyboard.press("Escape")
        await someone.page.context.clear_cookies()
        await someone.page.locator(".side a[href='/console/audit']").click()
        await expect(someone.page.get_by_role("alert")).to_contain_text("Your session has ended.")
        await someone.page.get_by_role("button", name="Reload the page").click()
        await expect(someone.page.get_by_label("Name or e-mail address")).to_be_visible()


async def test_an_unknown_address_leads_back(owner: ConsoleVisitor) -> None:
    await owner.open("/nowhere")
    await expect(owner.page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    await owner.page.get_by_role("link", name="To the overview").click()
    await expect(owner.page.get_by_role("heading", level=1)).to_have_text("Overview")


async def test_the_console_keeps_its_own_javascript_to_itself(owner: ConsoleVisitor) -> None:
    weigh = """
    performance.getEntriesByType("resource")
      .filter((one) => one.name.endsWith(".js")).map((one) => [one.name, one.encodedBodySize])
    """
    await owner.open("/")
    console = dict(await owner.page.evaluate(weigh))
    assert 10_000 < sum(console.values()) <= BUDGET
    await owner.page.goto(owner.server.url)
    await expect(owner.field).to_be_focused()
    chat = dict(await owner.page.evaluate(weigh))
    assert not [name for name in chat if "console" in name or "Shell" in name]
