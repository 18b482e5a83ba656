"""The front end's own build script, which knows where node is."""

from __future__ import annotations

import importlib.util
from functools import cache
from types import ModuleType

from tests.support.server import ROOT

FRONTEND = ROOT / "frontend"


@cache
def build_script() -> ModuleType:
    """``frontend/build.py``."""
    spec = importlib.util.spec_from_file_location("frontend_build", FRONTEND / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def frontend() -> ModuleType:
    """``frontend/build.py``, with the packages of its lock file installed."""
    module = build_script()
    module.install(print)
    return module
