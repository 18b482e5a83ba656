"""What can be done with a conversation and with its answers, from the page."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.async_api import Browser, Route, expect
from tests.support.browser import visitor
from tests.support.hostile_strings import HOSTILE_STRINGS
from tests.support.people import joined
from tests.support.polling import until
from tests.support.talker import MODEL, Talker, at_the_page, talking_server

APART_FROM_ITS_SENTENCE = """
[...document.querySelectorAll("button.note")].filter((note) => {
  const { top, bottom } = note.getBoundingClientRect();
  const everyText = document.createTreeWalker(note.closest("p"), NodeFilter.SHOW_TEXT);
  const [range, texts] = [document.createRange(), []];
  for (let text = everyText.nextNode(); text !== null; text = everyText.nextNode())
    if (!note.contains(text) && text.data.trim() !== "") texts.push(text);
  const before = texts.findLast((text) => note.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_PRECEDING);
  const after = texts.find((text) => note.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING);
  const end = before.data.trimEnd().length;
  range.setStart(before, end - 1), range.setEnd(before, end);
  const elsewhere = (box) => box.bottom < top || box.top > bottom;
  if (elsewhere(range.getBoundingClientRect())) return true;
  if (after === undefined || !/^[.,]/.test(after.data)) return false;
  range.setStart(after, 0), range.setEnd(after, 1);
  return elsewhere(range.getBoundingClientRect());
}).map((note) => note.parentElement.textContent)
"""
"""Footnotes' numbers that stand on another line than the word before them, or the point behind them."""


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talker]:
    with talking_server(tmp_path_factory.mktemp("talker")) as running:
        yield running


@pytest.mark.slow
async def test_an_answer_is_judged_and_the_conversation_shared_exported_found_and_followed(
    browser: Browser, talker: Talker
) -> None:
    long_question = "And of gulls?" + "\n" * 30 + "At length."
    gulls = "Gulls are never still."
    talker.says({"Tell me of herons": "Herons stand still. " * 40, long_question: gulls, "And of gulls?": gulls})
    async with at_the_page(browser, talker) as someone:
        page = someone.page
        await someone.ask("Tell me of herons")
        await someone.expect_state("finished")
        await someone.ask(long_question)
        await someone.expect_state("finished")
        bubble, folded = someone.turns.last.locator(".bubble"), "element => element.scrollHeight > element.clientHeight"
        assert await bubble.evaluate(folded)
        await someone.turns.last.get_by_role("button", name="Show all of the question").click()
        assert not await bubble.evaluate(folded)
        await expect(someone.turns.last.get_by_role("button", name="Show less")).to_be_focused()
        await page.wait_for_url("**/c/*")
        conversation = page.url.rpartition("/")[2]

        await someone.turns.last.get_by_role("button", name="Good answer").click()
        await page.get_by_role("radio", name="Correct").check(force=True)
        await page.locator("form:has(fieldset)").get_by_role("button", name="Send").click()
        await page.reload()
        await expect(someone.turns.last.get_by_role("button", name="Good answer")).to_have_attribute(
            "aria-pressed", "true"
        )
        [judged] = talker.owner.get(f"/v1/conversations/{conversation}/feedback").json()["data"]
        assert (judged["rating"], judged["reason"]) == ("up", "accurate")

        await page.locator("button[popovertarget=menu]").click()
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Export as Markdown").click()
        assert "language=en" in (await download.value).url
        assert "Gulls are never still." in (await (await download.value).path()).read_text()
        title = talker.owner.get(f"/v1/conversations/{conversation}").json()["title"]
        await page.get_by_role("button", name=f"Actions for “{title}”").click()
        await page.get_by_role("menuitem", name="Share…").click()
        shared = page.get_by_text("Everyone in the workspace “general” sees this conversation and can write in it.")
        await expect(shared).to_have_count(0)
        await page.get_by_label("Share with the workspace").check()
        await page.keyboard.press("Escape")
        await expect(shared).to_be_visible()
        await expect(page.get_by_role("link", name=f"{title}, shared with the workspace")).to_be_visible()

        with closing(joined(talker.server, talker.owner, "colleague")) as colleague:
            asked = {"model": MODEL, "conversation": conversation, "input": "And of gulls?"}
            colleague.post("/v1/responses", json=asked).raise_for_status()
            await expect(someone.turns).to_have_count(3)
            await someone.expect_state("finished")

        await page.get_by_role("button", name="New conversation").first.click()
        await page.get_by_label("Search conversations").fill("herons stand")
        await page.locator(".hits a").first.click()
        await expect(page.locator(".turn.reached")).to_contain_text("Tell me of herons")
        await expect(page.locator(".turn.reached")).to_be_focused()
        await page.get_by_label("Search conversations").fill("at length")
        await page.locator(".hits a", has_text="At length").click()
        await expect(page.locator(".turn.reached").get_by_role("button", name="Show less")).to_be_visible()
        await page.keyboard.press("Control+k")
        await page.get_by_role("combobox").fill("temporary")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Nothing of this conversation is kept")).to_be_visible()


RECOGNITION = """
(({ loads }) => {
  let loaded = false;
  window.webkitSpeechRecognition = undefined;
  window.SpeechRecognition = class extends EventTarget {
    static async available({ langs, processLocally }) {
      window.asked = { langs, processLocally };
      return loaded ? "available" : "downloadable";
    }
    static async install() { return (loaded = loads); }
    start() {
      const heard = Object.assign([{ transcript: " north wind " }], { isFinal: true });
      this.dispatchEvent(Object.assign(new Event("result"), { resultIndex: 0, results: [heard] }));
    }
    stop() { this.dispatchEvent(new Event("end")); }
  };
})(%s);
"""
"""A browser that knows how to understand a language on the device, and has to load it: Chromium's is so at first."""


@pytest.mark.parametrize("loads", [True, False])
async def test_a_language_is_loaded_onto_the_device_before_it_is_dictated(
    browser: Browser, talker: Talker, loads: bool
) -> None:
    async with at_the_page(browser, talker, locale="fr-FR") as someone:
        page = someone.page
        await page.add_init_script(RECOGNITION % json.dumps({"loads": loads}))
        await page.reload()
        await page.get_by_role("button", name="Dicter : le navigateur chargera d’abord cette langue").click()
        assert await page.evaluate("window.asked") == {"langs": ["fr-FR"], "processLocally": True}
        if loads:
            await expect(someone.field).to_have_value("north wind")
            await expect(page.get_by_text("Rien ne quitte cet appareil.")).to_be_attached()
            await page.get_by_role("button", name="Arrêter la dictée").click()
            await expect(page.get_by_role("button", name="Dicter", exact=True)).to_be_visible()
        else:
            await expect(
                page.get_by_role("button", name="Le navigateur n’a pas pu charger cette langue")
            ).to_be_visible()
            await expect(someone.field).to_have_value("")


RIVERS = (
    "# Rivers\n\nThe Loire is the longest river of France. It is 1,006 kilometres long.\n\n"
    "# Mountains\n\nMont Blanc is 4,806 metres high."
)


async def test_documents_are_attached_searched_cited_and_deleted_with_their_conversation(
    browser: Browser, talker: Talker
) -> None:
    talker.says(
        {
            "Which river is the longest?": "The Loire is the longest river of France [1]. "
            "It freezes in August, as the mayor told us.[1] In code: `a[1]`, and [7]."
        }
    )
    async with at_the_page(browser, talker) as someone:
        page = someone.page
        await page.get_by_role("button", name="Attach documents").click()
        async with page.expect_file_chooser() as chooser:
            await page.get_by_role("menuitem", name="Choose files…").click()
        await (await chooser.value).set_files(
            [
                {"name": "rivers.md", "mimeType": "text/markdown", "buffer": RIVERS.encode()},
                {"name": "picture.bin", "mimeType": "application/octet-stream", "buffer": b"\0\1\2" * 99},
            ]
        )
        attached = page.get_by_role("list", name="Documents of this conversation").get_by_role("listitem")
        await expect(attached.filter(has_text="rivers.md").locator(".state")).to_have_text("Read", timeout=30_000)
        await expect(attached.filter(has_text="picture.bin")).to_contain_text(
            "What is in the file can’t be read", timeout=30_000
        )
        await page.get_by_role("button", name="Remove “picture.bin”").click()
        await expect(attached).to_have_count(1)

        await someone.ask("Which river is the longest?")
        await someone.expect_state("finished")
        notes = someone.answer.locator("button.note")
        await expect(notes).to_have_count(2)
        await expect(notes.first).to_have_accessible_name("Source 1: rivers.md")
        await expect(notes.last).to_have_accessible_name("Source 1: rivers.md. It doesn’t support this sentence.")
        await expect(someone.answer.locator(".unsupported-sentence").first).to_contain_text("It freezes in August")
        size = page.viewport_size
        assert size is not None
        for width in range(320, 420, 8):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate(APART_FROM_ITS_SENTENCE) == [], f"at {width} pixels"
        await page.set_viewport_size(size)
        await notes.last.focus()
        await page.keyboard.press("Enter")
        panel = page.get_by_role("dialog", name="Source 1")
        await expect(panel.locator("mark")).to_contain_text("The Loire is the longest river")
        await expect(panel).to_contain_text("doesn’t support the sentence")
        assert await someone.serious_issues() == []
        await page.keyboard.press("Escape")
        await expect(notes.last).to_be_focused()

        await page.reload()
        await expect(someone.answer.locator("button.note")).to_have_count(2)
        await expect(attached).to_have_count(1)
        [library] = talker.owner.get("/v1/vector_stores").json()["data"]
        conversation = page.url.rpartition("/")[2]
        assert library["metadata"] == {"conversation_id": conversation}
        assert library["expires_at"] is None
    talker.owner.delete(f"/v1/conversations/{conversation}").raise_for_status()
    assert talker.owner.get("/v1/vector_stores").json()["data"] == []
    assert talker.owner.get("/v1/files").json()["data"] == []


async def test_an_answer_goes_on_without_a_library_that_is_deleted_meanwhile(browser: Browser, talker: Talker) -> None:
    talker.says({"Who is Bruno?": "Bruno is a heron. " + "He flies. " * 40}, pause=0.03)
    library = talker.owner.post("/v1/vector_stores", json={"name": "Herons"}).json()["id"]
    file = {"file": ("bruno.txt", b"Bruno is a heron.")}
    talker.owner.post(f"/v1/libraries/{library}/documents", files=file).raise_for_status()
    async with at_the_page(browser, talker) as host:
        page = host.page
        await page.get_by_role("button", name="Attach documents").click()
        await page.get_by_text("Attach a library").click()
        await page.get_by_role("dialog").get_by_text("Herons").click()
        await host.ask("Who is Bruno?")
        await expect(host.answer).to_contain_text("Bruno is")
        talker.owner.delete(f"/v1/vector_stores/{library}").raise_for_status()
        await host.expect_state("finished")

        await host.ask("Who is Bruno?")
        notice = page.get_by_role("alert")
        await expect(notice).to_contain_text("There is no such library, or not any more.")
        await expect(page.get_by_text("Herons")).to_have_count(0)
        await notice.get_by_role("button", name="Ask again").click()
        await host.expect_state("finished")
        await expect(host.answer).to_contain_text("Bruno is a heron.")


async def test_a_question_waits_for_its_documents_and_stays_where_one_cannot_be_read(
    browser: Browser, talker: Talker
) -> None:
    talker.says({"Which river is the longest?": "The Loire is the longest river of France [1]."})
    async with at_the_page(browser, talker) as someone:
        page, read = someone.page, asyncio.Event()

        async def not_read_yet(route: Route) -> None:
            answer = await route.fetch()
            files = await answer.json()
            if not read.is_set() and route.request.method == "GET":
                files["data"] = [{**file, "status": "in_progress", "last_error": None} for file in files["data"]]
            await route.fulfill(response=answer, json=files)

        await page.route(re.compile(r"/v1/vector_stores/[^/]+/files(\?|$)"), not_read_yet)

        async def attach(name: str, content: bytes) -> None:
            await page.get_by_role("button", name="Attach documents").click()
            async with page.expect_file_chooser() as chooser:
                await page.get_by_role("menuitem", name="Choose files…").click()
            await (await chooser.value).set_files([{"name": name, "mimeType": "text/markdown", "buffer": content}])
            documents = page.get_by_role("list", name="Documents of this conversation").get_by_role("listitem")
            await expect(documents.filter(has_text=name)).to_contain_text("Reading")  # a reload stops what is sent

        field, waiting = page.get_by_role("textbox", name="Your question"), page.locator(".queue li")
        await attach("rivers.md", RIVERS.encode())
        await field.fill("Which river is the longest?")
        await field.press("Enter")
        await expect(waiting).to_contain_text("Waits until your documents are read")
        await waiting.get_by_role("button", name="Take back").click()
        await expect(field).to_have_value("Which river is the longest?")
        await expect(field).to_be_focused()
        await field.press("Enter")
        await expect(waiting).to_have_count(1)
        await page.reload()
        await expect(waiting).to_contain_text("Waits until your documents are read")
        other = await page.context.new_page()  # where they are read already: the question is the first window's
        await other.goto(talker.server.url)
        await expect(other.get_by_role("textbox", name="Your question")).to_be_focused()
        read.set()
        await expect(waiting).to_have_count(0, timeout=30_000)
        await someone.expect_state("finished")
        await expect(someone.answer.locator("button.note")).to_have_count(1)
        await expect(other.locator(".queue, .turn")).to_have_count(0)
        await other.close()

        read.clear()
        await attach("picture.bin", b"\0\1\2" * 99)
        await field.fill("Which river is the longest?")
        await field.press("Enter")
        await expect(waiting).to_contain_text("Waits until your documents are read")
        await page.reload()
        await expect(waiting).to_contain_text("Waits until your documents are read")
        read.set()
        await expect(waiting).to_contain_text("Not sent: “picture.bin” could not be read", timeout=30_000)
        await waiting.get_by_role("button", name="Send now").click()
        await expect(someone.turns).to_have_count(2)
        await someone.expect_state("finished")
        conversation = page.url.rpartition("/")[2]
    talker.owner.delete(f"/v1/conversations/{conversation}").raise_for_status()


HOSTILE_PAGE = """<!doctype html><title>Attack</title><p id=log>quiet</p>
<script>
const done = [];
const attempt = async (name, act) => {
  try { const value = await act(); done.push(`${name}: ${value === undefined ? "ran" : value}`); }
  catch (error) { done.push(`${name}: refused`); }
};
(async () => {
  await attempt("cookie", () => document.cookie);
  await attempt("storage", () => localStorage.length);
  await attempt("parent", () => parent.document.title);
  await attempt("top", () => { top.location = "https://example.org/"; });
  await attempt("fetch", () => fetch("/v1/models").then((answer) => answer.status));
  navigator.sendBeacon("/v1/models", "beacon"); // it says yes whatever becomes of it
  await attempt("popup", () => { if (open("https://example.org/") === null) throw 0; });
  await attempt("call", () => { if (typeof RTCPeerConnection === "undefined") throw 0; });
  await attempt("eval", () => eval("1"));
  await attempt("nested", () => new Promise((resolve, reject) => {
    addEventListener("message", (event) => event.data === "undefined" ? reject() : resolve(event.data));
    const srcdoc = "<script>parent.postMessage(typeof RTCPeerConnection, '*')<\\/script>";
    document.body.append(Object.assign(document.createElement("iframe"), { srcdoc }));
    setTimeout(reject, 1000);
  }));
  new Image().src = "https://example.org/?image";
  document.body.append(Object.assign(document.createElement("iframe"), { src: "/v1/models" }));
  document.getElementById("log").textContent = done.join("; ");
})();
</script>
"""


@pytest.mark.slow
async def test_artifacts_open_beside_the_talk_in_versions_and_a_page_in_its_frame_reaches_nobody(
    browser: Browser, talker: Talker
) -> None:
    code = "def north(wind):\n" + "".join(f"    wind += {number}\n" for number in range(20)) + "    return wind\n"
    talker.says(
        {
            "Write north": f"Here:\n\n```python\n{code}```\n\n| wind | force |\n|---|---|\n| north | =5 |\n",
            "Shorter": f"Here:\n\n```python\n{code.replace('wind += 3', 'wind += 300')}```\n",
            "A traveller": "```html\n<title>Traveller</title><script>location = 'https://example.org/'</script>\n```\n",
            "A page": f"```html\n{HOSTILE_PAGE}```\n",
        }
    )
    async with at_the_page(browser, talker, anew=True) as someone:
        page, left = someone.page, list[str]()
        pages = page.context.pages

        async def leave(route: Route) -> None:
            left.append(route.request.url)
            await route.abort()

        await page.context.route(lambda url: not url.startswith(talker.server.url), leave)
        await someone.ask("Write north")
        await someone.expect_state("finished")
        await someone.turns.last.get_by_role("button", name="Open beside").first.click()
        panel = page.get_by_role("dialog", name="north")
        await expect(panel).not_to_contain_text("wind += 300")
        await someone.ask("Shorter")
        await expect(panel).to_contain_text("wind += 300")  # the panel goes on to the newest version
        await expect(panel).to_contain_text("2/2")
        await panel.get_by_role("button", name="Previous version").click()
        await expect(panel).to_contain_text("1/2")
        await expect(panel).not_to_contain_text("wind += 300")
        async with page.expect_download() as download:
            await panel.get_by_role("button", name="Download").click()
        assert (await download.value).suggested_filename == "north.py"
        assert await someone.serious_issues() == []
        await page.keyboard.press("Escape")
        await expect(panel).to_have_count(0)

        await someone.turns.first.locator(".table-tools button").click()
        async with page.expect_download() as download:
            await page.get_by_role("dialog").get_by_role("button", name="Download").click()
        assert (await (await download.value).path()).read_bytes() == b"wind,force\r\nnorth,'=5"
        await page.keyboard.press("Escape")

        await someone.ask("A page")
        await someone.expect_state("finished")
        before = page.url
        await someone.turns.last.get_by_role("button", name="Open beside").click()
        log = page.frame_locator("iframe").locator("#log")
        await expect(log).not_to_have_text("quiet")
        attempts = dict(entry.split(": ") for entry in (await log.inner_text()).split("; "))
        names = ("cookie", "storage", "parent", "top", "fetch", "popup", "call", "eval", "nested")
        assert attempts == dict.fromkeys(names, "refused")
        await page.keyboard.press("Escape")
        await someone.ask("A traveller")
        await someone.expect_state("finished")
        await someone.turns.last.get_by_role("button", name="Open beside").click()
        await expect(page.get_by_role("dialog", name="Traveller")).to_be_visible()
        await page.wait_for_function("document.querySelector('iframe')")
        for frame in page.frames:
            await frame.wait_for_load_state()
        assert page.url == before
        assert page.context.pages == pages
        assert left == []
        await until(lambda: any("example.org" in complaint for complaint in someone.complaints))
        # The browser notes in the frame what it refused there, as long as there is one; of the page itself it has
        # nothing to say.
        await page.keyboard.press("Escape")
        await expect(page.locator("iframe")).to_have_count(0)
        await page.evaluate("console.error('the last note')")
        await until(lambda: "error: the last note" in someone.complaints)
        assert [text for text in someone.complaints if talker.server.url + "/assets" in text] == []
        someone.complaints.clear()


CALL = (
    "const call = new RTCPeerConnection({ iceServers: [{ urls: 'stun:ADDRESS' }] }); call.createDataChannel('x');"
    "call.createOffer().then((offer) => call.setLocalDescription(offer));"
)
CALLS = """<!doctype html><body><div id=shadow></div><div id=cloned></div>
<p><template shadowrootmode=closed><iframe srcdoc="<script>CALL</script>"></iframe></template></p>
<iframe src="javascript:CALL"></iframe>
<script>
const source = `<script>CALL<\\/script>`, tree = `<iframe srcdoc="${source}"></iframe>`;
const hidden = `<p><template shadowrootmode=closed>${tree}</template></p>`;
const frame = () => Object.assign(document.createElement("iframe"), { srcdoc: source });
const attempts = [
  () => { CALL },
  () => document.body.append(frame()),
  () => shadow.attachShadow({ mode: "closed" }).append(frame()),
  () => {
    const root = cloned.attachShadow({ mode: "closed", clonable: true });
    root.append(document.createElement("p"));
    root.firstChild.append(frame());
    document.body.append(cloned.cloneNode(true));
  },
  () => document.body.setHTMLUnsafe(document.body.innerHTML + hidden),
  () => document.body.append(document.adoptNode(Document.parseHTMLUnsafe(hidden).querySelector("p"))),
  () => { document.write("<p><template shadowroot"); document.write(`mode=closed>${tree}</template></p>`); },
  () => {
    Document.prototype.querySelectorAll = () => [];
    NodeList.prototype.item = NodeList.prototype[Symbol.iterator] = () => null;
    Element.prototype.remove = Function.prototype.call = () => 0;
    document.body.append(frame());
  },
  () => setTimeout(() => { document.open(); document.write(hidden); document.close(); }),
];
for (const attempt of attempts) try { attempt(); } catch {}
</script>
"""
UNGUARDED = """<script>addEventListener("message", ({ data }) => {
  document.open(); document.write(data.html); document.close();
}, { once: true })</script>"""


@pytest.mark.slow
async def test_a_page_in_its_frame_can_t_call_anybody_by_webrtc(browser: Browser, talker: Talker) -> None:
    def listening() -> socket.socket:
        """Where a browser's calls would be heard. A browser doesn't call from the loopback address."""
        route = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with route:
            try:
                route.connect(("192.0.2.1", 9))
            except OSError:
                pytest.skip("this machine has no network that a browser would call by")
            address = route.getsockname()[0]
        heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        heard.bind((address, 0))
        heard.setblocking(False)
        return heard

    async def show(heard: socket.socket) -> None:
        address, port = heard.getsockname()
        await page.evaluate(
            """(html) => new Promise((loaded) => {
              const frame = Object.assign(document.createElement("iframe"), { src: "/artifact-frame" });
              frame.sandbox = "allow-scripts";
              frame.onload = () => { frame.onload = loaded; frame.contentWindow.postMessage({ html }, "*"); };
              document.body.append(frame);
            })""",
            CALLS.replace("CALL", CALL.replace("ADDRESS", f"{address}:{port}")),
        )

    async with visitor(browser, talker.server) as someone:
        page = someone.page
        await page.goto(talker.server.url)
        with listening() as guarded, listening() as unguarded:
            await show(guarded)
            await page.route("**/artifact-frame", lambda route: route.fulfill(body=UNGUARDED, content_type="text/html"))
            await show(unguarded)
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(unguarded, 2048), 30)
            with pytest.raises(BlockingIOError):
                guarded.recv(2048)  # its calls would have come first
        someone.complaints.clear()


@pytest.mark.slow
async def test_hostile_strings_are_text_in_questions_answers_titles_documents_and_artifacts(
    browser: Browser, talker: Talker
) -> None:
    assert len(HOSTILE_STRINGS) >= 60
    answer = "\n\n".join(HOSTILE_STRINGS)
    fenced = f"````markdown\n{answer}\n````\n"
    talker.says({"Say it all": f"{answer} [1]", answer: "Read.", "Open it": fenced})
    owned: list[str] = []
    async with at_the_page(browser, talker) as someone:
        page = someone.page
        await page.expose_function("owned", lambda number: owned.append(str(number)))
        await page.get_by_role("button", name="Attach documents").click()
        async with page.expect_file_chooser() as chooser:
            await page.get_by_role("menuitem", name="Choose files…").click()
        content = f"# {HOSTILE_STRINGS[8]}\n\n{answer}".encode()
        names = [f"{HOSTILE_STRINGS[at].replace('/', '_').replace(chr(10), ' ')[:120]}.md" for at in (0, 8, 41)]
        await (await chooser.value).set_files(
            [{"name": name, "mimeType": "text/html", "buffer": content} for name in names]
        )
        states = page.get_by_role("list", name="Documents of this conversation").locator(".state")
        await expect(states.filter(has_text="Read")).to_have_count(3, timeout=60_000)
        await expect(states.filter(has_text="Reading")).to_have_count(0, timeout=60_000)

        await someone.ask("Say it all")
        await someone.expect_state("finished")
        await someone.answer.locator("button.note").last.click()
        await expect(page.get_by_role("dialog", name="Source 1").locator("mark")).to_be_visible()
        await page.keyboard.press("Escape")
        conversation = page.url.rpartition("/")[2]
        for text in HOSTILE_STRINGS[:50:7]:
            title = {"title": text.replace("\n", " ")[:200]}
            talker.owner.post(f"/v1/conversations/{conversation}", json=title).raise_for_status()
            await page.reload()
            await expect(someone.answer).to_be_visible()
        await someone.ask(answer)
        await someone.expect_state("finished")
        await someone.ask("Open it")
        await someone.expect_state("finished")
        await someone.turns.last.get_by_role("button", name="Open beside").click()
        await expect(page.get_by_role("dialog").locator(".markdown > *").nth(20)).to_be_attached()
        await page.get_by_role("dialog").get_by_role("button", name="Source text").click()
        for link in await page.locator(".markdown a").all():
            assert (await link.get_attribute("href") or "").startswith(("http:", "https:", "mailto:"))
        assert owned == []  # and the visitor's browser has no policy violation to complain about
