"""Build hook: compiles the native kernels and the front end into the package.

Runs for wheels, editable installs and (front end only) source distributions.
A wheel carries both, so that its user needs neither a compiler nor node.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"aquilon_build_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class AquilonBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts ``engine/kernels/*.so`` and ``web/static`` in place before files are collected."""

    def dependencies(self) -> list[str]:
        """What an isolated build needs from PyPI on a machine without a compiler or node."""
        needed = self._frontend().build_requirements()
        return needed if self.target_name == "sdist" else needed + self._native().build_requirements()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._frontend().build(log=self.app.display_info)
        if self.target_name != "wheel":
            return
        if self._native().build(log=self.app.display_info):
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}"
        else:
            print("aquilon: no C compiler worked; the torch kernels will be used, which are slower", file=sys.stderr)

    def _frontend(self) -> ModuleType:
        return _module(Path(self.root) / "frontend" / "build.py")

    def _native(self) -> ModuleType:
        return _module(Path(self.root) / "native" / "build.py")
