"""The chat page beside Open WebUI's: from the start of the server to a page one can type into, its weight, memory.

All run without a model of their own, before the same paced stand-in, each from an empty home, in turns. Open WebUI
runs twice, each in an environment of its own: its slim form, with the requirements that it names for that since
September 2026, and with all packages, as its main image and an installation by pip have it (its slim image had
them too before). The slim form reads no document by itself: "This file type requires an external document extractor
in slim", and passages go to PostgreSQL. Both look for no model of their own. It has no sign-in here, ours
has: its link is opened.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Page as BrowserPage
from tests.support.browser import ARGUMENTS, chromium_path

import aquilon
from bench.gateway import MODEL, _stand_in
from bench.llama_cpp import CACHE, download
from bench.processes import free_port, pss_mb, running
from bench.report import keep, table

OPEN_WEBUI = "open-webui==0.12.4"
WORDS = 200
"""Of the answer that the page shows before memory is measured."""
_NOTE_WHEN_SHOWN = """
  const look = () => {
    if (document.querySelector('%s')?.checkVisibility()) window.shownAt = Date.now();
    else requestAnimationFrame(look);
  };
  look();
"""
"""Waiting from outside looks again only after half a second."""
_ARRIVED = "performance.timeOrigin + performance.getEntriesByType('navigation')[0].responseStart"
_T = TypeVar("_T")
_LONGEST = 180.0
"""Seconds."""
_Start = Callable[[Browser, Path, int], "Page"]


@dataclass(frozen=True)
class Page:
    """What was measured of one start."""

    answers: float
    """Seconds from the start until the page itself arrives. Ours is asked for as soon as its link is shown."""
    typable: float
    """Seconds from the start until the page, then opened for the first time, can be typed into."""
    javascript_kb: float
    """Transferred until then."""
    files: int
    """Of any kind, until then."""
    answered: float
    """Seconds from sending a question of one word to the end of its answer on the page."""
    memory_mb: float
    """Of all processes (PSS), after that answer."""


def main(*, quick: bool = False) -> None:
    rounds = 1 if quick else 5
    slim, whole = _open_webui_program(slim=True), _open_webui_program(slim=False)
    starts: dict[str, _Start] = {
        "aquilon": _aquilon,
        "open webui, slim": partial(_open_webui, program=slim),
        "open webui": partial(_open_webui, program=whole),
    }
    measured: dict[str, list[Page]] = {name: [] for name in starts}
    with _stand_in(WORDS) as upstream, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        for _ in range(rounds):
            for name, start in starts.items():
                with tempfile.TemporaryDirectory(prefix="aquilon-bench-") as folder:
                    measured[name].append(start(browser, Path(folder), upstream))
        browser.close()
    figures = {
        name: {field: median(getattr(page, field) for page in pages) for field in Page.__annotations__}
        for name, pages in measured.items()
    }
    _show(figures)
    print(f"\nkept in {keep('chat', figures)}")


def _show(figures: dict[str, dict[str, float]]) -> None:
    columns = ("", "answers s", "typable s", "JavaScript kB", "files", "answer s", "memory MB")
    rows = [[name, *(f"{value:.2f}" for value in fields.values())] for name, fields in figures.items()]
    ours = figures["aquilon"]
    for name, theirs in figures.items():
        if theirs is not ours:
            rows.append([f"{name}: ratio", *(f"{theirs[field] / ours[field]:.2f}" for field in ours)])
    print(table(columns, rows))


def _aquilon(browser: Browser, folder: Path, upstream: int) -> Page:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AQUILON_")}
    environment |= {"AQUILON_HOME": str(folder / "home"), "AQUILON_PORT": str(free_port())}
    program = [sys.executable, "-m", "aquilon.cli.main"]
    log = folder / "aquilon.log"
    compileall.compile_dir(aquilon.__path__[0], quiet=1)  # as installing does, which made the other's files too
    started = time.time()
    with log.open("w") as out:
        server = subprocess.Popen([*program, "up", "--model", "none"], stdout=out, stderr=out, env=environment)
    with running(server):
        link = _until(lambda: re.search(r"http://\S+#login=\S+", log.read_text()), server, log)[0]
        add = ["upstreams", "add", "bench", f"http://127.0.0.1:{upstream}/v1", "--model", MODEL, "--context", "4096"]
        with _page(browser, link, field="textarea", started=started) as seen:
            # The chat is of use with an upstream alone, which is added while the server runs.
            subprocess.run([*program, *add], check=True, env=environment, stdout=subprocess.DEVNULL)
            time.sleep(1)
            seen.page.reload()
            return seen.after_an_answer(server.pid)


def _open_webui(browser: Browser, folder: Path, upstream: int, *, program: Path) -> Page:
    port = free_port()
    environment = os.environ | {
        "DATA_DIR": str(folder / "data"),
        "HOME": str(folder),
        "WEBUI_AUTH": "False",
        "WEBUI_SECRET_KEY": "bench",
        "ENABLE_OLLAMA_API": "False",
        "OPENAI_API_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        "OPENAI_API_KEY": "none",
        "USE_SLIM_DOCKER": "true",
        "OFFLINE_MODE": "True",
        "ENABLE_TITLE_GENERATION": "False",
        "ENABLE_TAGS_GENERATION": "False",
        "ENABLE_FOLLOW_UP_GENERATION": "False",
    }
    (folder / "data").mkdir()
    log = folder / "open-webui.log"
    command = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port)]
    started = time.time()
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=folder)
    with running(server):
        address = f"http://127.0.0.1:{port}"
        _until(lambda: _answers(f"{address}/health"), server, log)
        with _page(browser, address, field="#chat-input", started=started) as seen:
            return seen.after_an_answer(server.pid)


@dataclass
class _Seen:
    """A page that was opened."""

    page: BrowserPage
    field: str
    answers: float
    typable: float
    javascript_kb: float
    files: int

    def after_an_answer(self, pid: int) -> Page:
        field = self.page.locator(self.field).first
        field.wait_for(state="visible")
        self.page.keyboard.press("Escape")  # Open WebUI tells what is new in a dialog above its page
        field.click()
        self.page.keyboard.type("Go")
        begun = time.perf_counter()
        self.page.keyboard.press("Enter")
        while self.page.inner_text("body").count("word") < WORDS and time.perf_counter() - begun < _LONGEST:
            self.page.wait_for_timeout(20)
        return Page(
            answers=self.answers,
            typable=self.typable,
            javascript_kb=self.javascript_kb,
            files=self.files,
            answered=time.perf_counter() - begun,
            memory_mb=pss_mb(pid),
        )


@contextlib.contextmanager
def _page(browser: Browser, address: str, *, field: str, started: float) -> Iterator[_Seen]:
    """Open the page in a browser that knows nothing of it yet, and wait until its field takes what is typed."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    kinds: dict[str, str] = {}
    weights: dict[str, float] = {}
    devtools.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    devtools.on(
        "Network.loadingFinished", lambda event: weights.update({event["requestId"]: event["encodedDataLength"]})
    )
    devtools.send("Network.enable")
    page.add_init_script(_NOTE_WHEN_SHOWN % field)
    page.goto(address)
    page.locator(field).first.focus(timeout=_LONGEST * 1000)
    page.keyboard.type("a")
    page.keyboard.press("Backspace")
    typable = page.evaluate("window.shownAt") / 1000 - started
    answers = page.evaluate(_ARRIVED) / 1000 - started
    scripts = sum(weight for request, weight in weights.items() if kinds.get(request) == "Script")
    yield _Seen(page, field, answers, typable, scripts / 1024, len(weights))
    context.close()


def _until(found: Callable[[], _T | None], server: subprocess.Popen[Any], log: Path) -> _T:
    """What ``found`` returns once it is something; raises RuntimeError if the server ends or takes too long."""
    end = time.monotonic() + _LONGEST
    while server.poll() is None and time.monotonic() < end:
        if (value := found()) is not None:
            return value
        time.sleep(0.02)
    raise RuntimeError(log.read_text()[-2000:])


def _answers(address: str) -> bool | None:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return None
    return True


def _open_webui_program(*, slim: bool) -> Path:
    environment = CACHE / ("open-webui" if slim else "open-webui-whole")
    program = environment / "bin" / "open-webui"
    if program.exists():
        return program
    print(f"installing Open WebUI, {'slim' if slim else 'with all packages'}, in an environment of its own", flush=True)
    wheel = download(OPEN_WEBUI)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "pip"), "install", "--quiet"]
    if slim:
        needs = environment / "requirements-slim.txt"
        needs.write_bytes(zipfile.ZipFile(wheel).read("requirements-slim.txt"))
        subprocess.run([*pip, "-r", str(needs)], check=True)
        subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    else:
        subprocess.run([*pip, f"torch=={version('torch').partition('+')[0]}"], check=True)
        subprocess.run([*pip, str(wheel)], check=True)
    return program
