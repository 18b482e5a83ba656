"""Wheels made on the spot, and the settings that make pip take them and nothing else."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def only_index(folder: Path) -> dict[str, str]:
    """Environment variables with which pip finds the wheels of this folder and no others."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_NO_CACHE_DIR": "1"}


def make_wheel(folder: Path, package: str, version: str, files: Mapping[str, bytes]) -> Path:
    distribution = package.replace("-", "_")
    info = f"{distribution}-{version}.dist-info"
    contents = {
        **{f"{distribution}/{name}": content for name, content in files.items()},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for name, content in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(content)}\n")
    contents[f"{info}/RECORD"] = ("".join(rows) + f"{info}/RECORD,,\n").encode()
    wheel = folder / f"{distribution}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return wheel
