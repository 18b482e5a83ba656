"""Many conversations kept in order: pinned, renamed, searched, grouped in a project, archived, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect
from tests.support.browser import visitor
from tests.support.people import cookie_header, signed_in_owner
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection, well
from tests.support.upstream_stand_ins import stand_in

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def prompts() -> list[Any]:
    """What the upstream was asked, request by request."""
    return []


@pytest.fixture(scope="module")
def upstream(prompts: list[Any]) -> Iterator[str]:
    async def answer(connection: Connection) -> None:
        if connection.request.method == "POST":
            prompts.append(connection.request.json)
            await well(connection)
        else:
            await connection.answer(404, {})

    with stand_in(answer) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("side-list"), environment={"AQUILON_MODELS": "none"})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def person(gateway: RunningServer, upstream: str) -> Iterator[httpx.Client]:
    with closing(signed_in_owner(gateway)) as owner:
        body = {"name": "there", "base_url": upstream, "models": [{"name": "far"}]}
        owner.post("/v1/server/upstreams", json=body).raise_for_status()
        yield owner


@pytest.fixture
def owner(person: httpx.Client) -> httpx.Client:
    """The owner with nothing but these conversations, from the latest to the oldest: Gazpacho, Sextants, Carrots."""
    while rows := person.get("/v1/conversations", params={"limit": 100}).json()["data"]:
        for row in rows:
            person.delete(f"/v1/conversations/{row['id']}").raise_for_status()
    for row in person.get("/v1/projects").json()["data"]:
        person.delete(f"/v1/projects/{row['id']}").raise_for_status()
    for title, text in (("Carrots", "When do I sow carrots?"), ("Sextants", "Où est la forêt ?"), ("Gazpacho", "x")):
        items = [{"role": "user", "content": text}]
        person.post("/v1/conversations", json={"title": title, "items": items}).raise_for_status()
    return person


def stored(owner: httpx.Client, **query: Any) -> list[str]:
    rows = owner.get("/v1/conversations", params=query).json()["data"]
    return [row["title"] for row in rows]


def entry(page: Page, title: str) -> Locator:
    return page.locator(".rows").get_by_role("link", name=title, exact=True)


async def choose(page: Page, title: str, *items: str) -> None:
    """What a person does with an entry's menu."""
    await entry(page, title).hover()
    await page.get_by_role("button", name=f"Actions for “{title}”").click()
    for item in items:
        await page.get_by_role("menuitem", name=item).or_(page.get_by_role("menuitemradio", name=item)).click()


async def test_a_conversation_in_a_project_begins_with_its_first_question(
    browser: Browser, gateway: RunningServer, owner: httpx.Client
) -> None:
    kitchen = begin_project(owner, "Kitchen")
    name, value = cookie_header(owner)["cookie"].split("=", 1)
    async with visitor(browser, gateway, viewport=DESK) as someone:
        page = someone.page
        await page.context.add_cookies([{"name": name, "value": value, "url": gateway.url}])
        await page.goto(gateway.url)
        will_be = page.get_by_text("New conversation in “Kitchen”")
        begin_in_it = page.get_by_role("menuitem", name="New conversation in it")

        await page.get_by_role("button", name="Actions for the project “Kitchen”").click()
        await begin_in_it.click()
        await expect(will_be).to_be_visible()
        await expect(someone.field).to_be_focused()
        await page.reload()
        await expect(will_be).to_be_visible()
        assert len(stored(owner)) == 3, "nothing is stored before the first question"

        await page.get_by_role("button", name="Begin it outside of the project").click()
        await expect(will_be).to_have_count(0)
        await page.reload()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await expect(will_be).to_have_count(0)

        await page.get_by_role("button", name="Actions for the project “Kitchen”").click()
        await begin_in_it.click()
        await someone.ask("How much salt?")
        await someone.expect_state("finished")
        await expect(will_be).to_have_count(0)
        assert len(stored(owner, project_id=kitchen)) == 1

        await page.locator("header").get_by_role("button", name="New conversation").click()
        await page.reload()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await expect(will_be).to_have_count(0)

        await page.get_by_role("button", name="Actions for the project “Kitchen”").click()
        await begin_in_it.click()
        await expect(will_be).to_be_visible()
        await page.get_by_role("button", name="Actions for the project “Kitchen”").click()
        await page.get_by_role("menuitem", name="Delete the project").click()
        await page.get_by_role("button", name="Keep the conversations").click()
        await expect(will_be).to_have_count(0)


async def test_the_archive_has_what_was_archived_while_it_was_read(
    browser: Browser, gateway: RunningServer, owner: httpx.Client
) -> None:
    name, value = cookie_header(owner)["cookie"].split("=", 1)
    async with visitor(browser, gateway, viewport=DESK) as someone:
        page = someone.page
        await page.context.add_cookies([{"name": name, "value": value, "url": gateway.url}])
        await page.goto(gateway.url)
        page, changed, is_read = someone.page, asyncio.Event(), asyncio.Event()

        async def slowly(route: Route) -> None:
            answer = await route.fetch()
            is_read.set()
            await changed.wait()
            await route.fulfill(response=answer)

        async def after_the_read(route: Route) -> None:
            await is_read.wait()
            await route.continue_()

        await page.route("**/v1/conversations?*archived=true*", slowly)
        await page.route("**/v1/conversations/conv_*", after_the_read)
        await choose(page, "Carrots", "Archive")
        async with page.expect_response("**/v1/conversations/conv_*"):
            await page.locator(".rows").get_by_role("button", name="Archived").click()
        changed.set()
        await expect(entry(page, "Carrots")).to_be_visible()


@pytest.mark.parametrize(
    "viewport", [pytest.param(DESK, id="desk"), pytest.param(PHONE, id="phone", marks=pytest.mark.slow)]
)
async def test_conversations_are_pinned_named_searched_grouped_archived_and_deleted(
    browser: Browser, gateway: RunningServer, owner: httpx.Client, prompts: list[Any], viewport: Any
) -> None:
    name, _, value = cookie_header(owner)["cookie"].partition("=")
    async with visitor(browser, gateway, viewport=viewport) as someone:
        page = someone.page
        await page.context.add_cookies([{"name": name, "value": value, "url": gateway.url}])
        await page.goto(gateway.url)
        if viewport is PHONE:
            await page.get_by_role("button", name="Show conversations").click()
        await expect(page.locator(".rows").get_by_role("link")).to_have_count(3)
        await expect(entry(page, "Sextants")).to_have_attribute("href", f"/c/{id_of(owner, 'Sextants')}")

        await choose(page, "Carrots", "Pin")
        await expect(page.locator(".rows")).to_contain_text("Pinned")
        await expect(page.locator(".rows").get_by_role("link").first).to_have_text("Carrots")

        await entry(page, "Sextants").focus()
        await page.keyboard.press("F2")
        await page.get_by_label("Name of the conversation").fill("Astrolabes")
        await page.keyboard.press("Enter")
        await expect(entry(page, "Astrolabes")).to_be_focused()
        await page.keyboard.press("ArrowUp")
        await expect(entry(page, "Gazpacho")).to_be_focused()

        await page.get_by_label("Search conversations").fill("foret")
        await expect(page.locator(".hits mark")).to_have_text("forêt")
        await page.get_by_label("Search conversations").fill("nothing at all")
        await expect(page.locator(".hits")).to_contain_text("Nothing found for “nothing at all”")
        await page.get_by_label("Search conversations").press("Escape")

        await page.get_by_role("button", name="New project").click()
        await page.get_by_label("Name", exact=True).fill("Kitchen")
        await page.get_by_label("Instructions").fill("Answer as a cook.")
        await page.get_by_role("dialog").get_by_role("button", name="Attach documents").click()
        async with page.expect_file_chooser() as chooser:
            await page.get_by_role("menuitem", name="Choose files…").click()
        recipe = {"name": "gazpacho.md", "mimeType": "text/markdown", "buffer": b"Gazpacho needs tomatoes."}
        await (await chooser.value).set_files([recipe])
        state = page.get_by_role("list", name="Documents").locator(".state")
        await expect(state).to_have_text("Read", timeout=30_000)
        await page.get_by_role("button", name="Create the project").click()
        await page.get_by_role("button", name="Kitchen", exact=True).click()
        await choose(page, "Gazpacho", "Move to a project", "Kitchen")
        await expect(page.locator(".rows li:has(button[aria-expanded]) + li")).to_contain_text("Gazpacho")
        if viewport is DESK:
            await require_shown_documents(page)

        await choose(page, "Astrolabes", "Archive")
        await expect(entry(page, "Astrolabes")).to_have_count(0)
        await page.locator(".rows").get_by_role("button", name="Archived").click()
        await expect(entry(page, "Astrolabes")).to_be_visible()
        await page.get_by_role("button", name="All conversations").click()

        await entry(page, "Carrots").focus()
        await page.keyboard.press("Delete")
        await expect(entry(page, "Carrots")).to_have_count(0)
        await page.get_by_role("button", name="Undo").click()
        await entry(page, "Carrots").focus()
        await page.keyboard.press("Delete")
        await expect(entry(page, "Carrots")).to_have_count(0)
        if viewport is DESK:
            assert await someone.serious_issues() == []
            await page.keyboard.press("Control+k")
            await page.get_by_role("combobox").fill("gazp")
            await expect(page.get_by_role("option", name="Gazpacho")).to_be_visible()
            assert await someone.serious_issues() == []
            await page.keyboard.press("Escape")
        else:
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("button", name="Show conversations")).to_be_focused()
        await page.reload()  # before the time for second thoughts is over: what was deleted stays so
        await expect(someone.field).to_be_visible()
        assert someone.complaints == []

    require_kept(owner, prompts)


async def test_assistants_and_explore_stand_below_the_list_where_they_are_on(
    browser: Browser, gateway: RunningServer, owner: httpx.Client
) -> None:
    rule = {"kind": "feature", "name": "explore"}
    for options in ({"viewport": DESK}, {"viewport": PHONE, "has_touch": True}):
        async with visitor(browser, gateway, **options) as someone:
            page = someone.page
            name, _, value = cookie_header(owner)["cookie"].partition("=")
            await page.context.add_cookies([{"name": name, "value": value, "url": gateway.url}])
            await page.goto(gateway.url)
            side = page.get_by_role("navigation", name="Conversations")
            if options["viewport"] == PHONE:
                await page.get_by_role("button", name="Show conversations").click()
            await side.get_by_role("button", name="Assistants").click()
            await expect(page.get_by_role("dialog", name="Assistants")).to_be_visible()
            await page.keyboard.press("Escape")
            if options["viewport"] == PHONE:
                await page.get_by_role("button", name="Show conversations").click()
            await side.get_by_role("link", name="Explore the models").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("What is a language model?")
    await asyncio.to_thread(owner.put, "/v1/organization/access-rules", json=rule | {"roles": []})
    async with visitor(browser, gateway, viewport=DESK) as someone:
        page = someone.page
        await page.context.add_cookies([{"name": name, "value": value, "url": gateway.url}])
        await page.goto(gateway.url)
        await expect(page.get_by_role("button", name="Assistants")).to_be_visible()
        await expect(page.locator("a[href='/explore']")).to_have_count(0)
        await page.goto(f"{gateway.url}/explore/tokens")
        await expect(page.get_by_role("main")).to_contain_text("Your organization has turned this off for you")
        assert await someone.issues() == []
    await asyncio.to_thread(owner.put, "/v1/organization/access-rules", json=rule)


async def test_the_palette_reaches_what_the_page_can_do_with_the_keys_names_in_the_readers_language(
    browser: Browser, gateway: RunningServer, owner: httpx.Client
) -> None:
    async with visitor(browser, gateway, locale="de", viewport=DESK) as someone:
        page = someone.page
        name, _, value = cookie_header(owner)["cookie"].partition("=")
        await page.context.add_cookies([{"name": name, "value": value, "url": gateway.url}])
        await page.goto(f"{gateway.url}/c/{answered(owner, 'Gazpacho')}")
        await expect(someone.answer).to_have_text("One two three")

        async def command(words: str, option: str) -> None:
            await page.keyboard.press("Control+k")
            await page.get_by_role("combobox").fill(words)
            await expect(page.get_by_role("option", name=option, selected=True)).to_be_visible()
            await page.keyboard.press("Enter")

        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("option").last).to_have_text("Sprache: Italiano")  # how it looks comes last
        await page.keyboard.press("Escape")
        await command("kopieren", "Antwort kopieren")
        await expect(page.locator("[aria-live=polite]").filter(has_text="Kopiert")).to_be_attached()
        assert await page.evaluate("navigator.clipboard.readText()") == "One two three"
        await command("unterhaltung anheften", "Diese Unterhaltung anheften")
        await expect(page.get_by_text("Angeheftet", exact=True)).to_be_visible()
        await command("gedacht", "Gedächtnis")
        await expect(page.get_by_role("dialog", name="Gedächtnis")).to_be_visible()
        await page.keyboard.press("Escape")
        await command("assistent", "Einen Assistenten wählen")
        await expect(page.get_by_role("dialog", name="Assistenten")).to_be_visible()
        await page.keyboard.press("Escape")
        async with page.expect_file_chooser():
            await command("anhangen", "Dokumente anhängen")
        await page.keyboard.press("Control+/")
        await expect(page.get_by_role("dialog", name="Tastenkürzel")).to_be_visible()
        keys = await page.get_by_role("dialog").locator("kbd").all_inner_texts()
        assert {"Strg", "Umschalt", "Eingabe", "Entf"} <= set(keys)
        await page.keyboard.press("Escape")
        await command("abmelden", "Abmelden")
        await expect(page.get_by_role("heading", name="Anmelden", exact=True)).to_be_visible()


async def require_shown_documents(page: Page) -> None:
    """A conversation shows what its project has answers search; it is changed in the project alone."""
    await entry(page, "Gazpacho").click()
    documents = page.get_by_role("list", name="Documents of the project “Kitchen”")
    await page.get_by_text("Documents of the project “Kitchen”").click()
    await expect(documents).to_contain_text("gazpacho.md")
    await expect(documents.get_by_role("button")).to_have_count(0)


def require_kept(owner: httpx.Client, prompts: list[Any]) -> None:
    """What was done on the page is done at the server, and the project's instructions and documents reach the model."""
    assert stored(owner, archived=True) == ["Astrolabes"]
    wait_until(lambda: "Carrots" not in stored(owner))
    [project] = owner.get("/v1/projects").json()["data"]
    assert stored(owner, project_id=project["id"]) == ["Gazpacho"]
    question = {"model": "far", "conversation": id_of(owner, "Gazpacho"), "input": "Salt?", "instructions": "Be brief."}
    owner.post("/v1/responses", json=question).raise_for_status()
    told = prompts[-1]["messages"][0]["content"]
    assert told.startswith("Answer as a cook.\n\nBe brief.")
    assert told.endswith("[1] gazpacho.md\nGazpacho needs tomatoes.")
    [library] = project["vector_store_ids"]
    body = owner.get(f"/v1/vector_stores/{library}").json()
    assert (body["name"], body["metadata"], body["expires_at"]) == ("Kitchen", {"project_id": project["id"]}, None)


def begin_project(owner: httpx.Client, name: str) -> str:
    return str(owner.post("/v1/projects", json={"name": name}).raise_for_status().json()["id"])


def answered(owner: httpx.Client, title: str) -> str:
    """The id of the conversation, to which an answer was added."""
    conversation = id_of(owner, title)
    body = {"model": "far", "conversation": conversation, "input": "Salt?"}
    owner.post("/v1/responses", json=body).raise_for_status()
    return conversation


def id_of(owner: httpx.Client, title: str) -> str:
    rows = owner.get("/v1/conversations").json()["data"]
    return next(str(row["id"]) for row in rows if row["title"] == title)
