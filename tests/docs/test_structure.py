"""That the picture of the architecture shows the imports as they are, and that they keep their bounds."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import subprocess
import sys
from types import ModuleType

import pytest
from tests.support.server import ROOT

SCRIPT = ROOT / "scripts" / "structure"
PICTURE = ROOT / "docs" / "architecture.svg"


@pytest.fixture(scope="module")
def structure() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("structure", str(SCRIPT))
    spec = importlib.util.spec_from_loader("structure", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["structure"] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


def test_imports_stay_at_home_point_down_and_form_no_circle() -> None:
    run = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_picture_shows_the_imports_between_rooms(structure: ModuleType) -> None:
    drawn = set(re.findall(r'data-from="(\w+)" data-to="(\w+)"', PICTURE.read_text()))
    pairs = {(importer, imported) for importer, imported in structure.read().between_rooms() if importer != imported}
    assert drawn == pairs, "draw it again: scripts/structure --picture docs/architecture.svg"


def test_upward_imports_and_circles_are_seen(structure: ModuleType) -> None:
    made_up = structure.Structure(
        layers=[["top"], ["left", "right"], ["ground"]],
        lines={},
        imports={
            ("top.a", "ground.a"),
            ("ground.a", "ground.b"),
            ("ground.b", "ground.a"),
            ("ground.c", "top.b"),
            ("left.a", "right.a"),
        },
        purposes={},
    )
    assert made_up.upward() == [("ground.c", "top.b"), ("left.a", "right.a")]
    assert made_up.circles() == [["ground.a", "ground.b"]]
