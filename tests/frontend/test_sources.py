"""The front end's own checks and unit tests, run with the node that builds it."""

from __future__ import annotations

import importlib.util
import json
import re
from types import ModuleType

import pytest
from tests.support.server import ROOT

FRONTEND = ROOT / "frontend"


@pytest.fixture(scope="module")
def frontend() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frontend_build", FRONTEND / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.install(print)
    return module


def test_types_hold_in_every_component(frontend: ModuleType) -> None:
    frontend.run_script("check")


def test_unit_tests_pass(frontend: ModuleType) -> None:
    assert re.search(r"Tests .*passed", frontend.run_script("test"))


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((FRONTEND / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_the_built_page_is_of_these_sources(frontend: ModuleType) -> None:
    frontend.build(print)
    assert not frontend.build(print)
    assert "<script" in (frontend.STATIC / "index.html").read_text()
    assert not re.search(r"<script>|<style|style=|\son\w+=", (frontend.STATIC / "index.html").read_text())
