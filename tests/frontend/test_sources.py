"""The front end's own unit tests, run with the node that builds it, and what holds for its sources."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support.frontend import FRONTEND, frontend
from tests.support.server import ROOT


def test_unit_tests_pass() -> None:
    assert re.search(r"Tests .*passed", frontend().run_script("test"))


def test_no_import_runs_in_a_circle() -> None:
    imports = {file: _imported(file) - {file} for file in _sources()}  # a tree of fields shows itself
    tuple(TopologicalSorter(imports).static_order())  # raises CycleError, which names the circle
    rooms: dict[str, set[str]] = {}
    for file, imported in imports.items():
        rooms.setdefault(_room(file), set()).update({_room(one) for one in imported} - {_room(file)})
    tuple(TopologicalSorter(rooms).static_order())


def test_the_clipboard_and_the_buttons_of_an_icon_alone_have_one_place() -> None:
    texts = {file.name: file.read_text() for file in _sources()}
    assert [name for name, text in texts.items() if "navigator.clipboard" in text] == ["clipboard.svelte.ts"]
    assert [name for name, text in texts.items() if 'class="icon-button' in text] == []


def _sources() -> list[Path]:
    return sorted(file for file in (FRONTEND / "src").rglob("*") if file.suffix in {".ts", ".svelte"})


def _imported(file: Path) -> set[Path]:
    """The files of ours that are loaded with this one, or later by it."""
    names = re.findall(r'(?:from |import |import\()"(\.[^"]+)"', file.read_text())
    found = [(file.parent / name).resolve() for name in names]
    return {path if path.is_file() else path.with_name(f"{path.name}.ts") for path in found}


def _room(file: Path) -> str:
    """The folder under src, or the file that stands in src itself."""
    return file.relative_to(FRONTEND / "src").parts[0]


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((FRONTEND / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_the_built_page_is_of_these_sources_and_fits_the_security_policy() -> None:
    frontend().build(print)
    assert not frontend().build(print)
    for name in ("index.html", "console.html", "explore.html", "docs.html"):
        page = (frontend().STATIC / name).read_text()
        assert "<script" in page
        assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|https?://", page)


def test_the_types_of_the_api_are_those_of_its_document() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "api-types", "--check"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
