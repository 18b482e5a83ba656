"""The front end's own checks and unit tests, run with the node that builds it."""

from __future__ import annotations

import json
import re

from tests.support.frontend import FRONTEND, frontend


def test_types_hold_in_every_component() -> None:
    frontend().run_script("check")


def test_sources_are_formatted() -> None:
    frontend().run_script("format:check")


def test_unit_tests_pass() -> None:
    assert re.search(r"Tests .*passed", frontend().run_script("test"))


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((FRONTEND / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_the_built_page_is_of_these_sources_and_fits_the_security_policy() -> None:
    frontend().build(print)
    assert not frontend().build(print)
    for name in ("index.html", "console.html", "docs.html"):
        page = (frontend().STATIC / name).read_text()
        assert "<script" in page
        assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|https?://", page)
