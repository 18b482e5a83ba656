"""Compile the kernels into the package.

``python native/build.py`` builds; the hatch hook calls ``build``. Each file of ``_PER_INSTRUCTION_SET`` is compiled
once for every instruction set, and the library chooses one when it is loaded, so that one build serves every
processor of an architecture.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_HERE = Path(__file__).resolve().parent
LIBRARY = _HERE.parent / "src" / "aquilon" / "engine" / "kernels" / "_native.so"

_PER_INSTRUCTION_SET = ("linear.c", "elementwise.c", "attention.c", "table.c")
_COMMON = (
    "pool.c",
    "workspace.c",
    "stages.c",
    "attention_stage.c",
    "decoder.c",
    "packing.c",
    "operations.c",
    "dispatch.c",
    "layout.c",
)
# Contraction stays off: the code says where a product and a sum are fused, the same for every processor.
_FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-pthread", "-ffp-contract=off", "-fvisibility=default", "-Wall", "-Wno-psabi")
_X86_VARIANTS = {
    "avx512": (
        *("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni", "-mavx2", "-mfma", "-mf16c"),
        "-mprefer-vector-width=512",
    ),
    "avx2": ("-mavx2", "-mfma", "-mf16c"),
    "portable": ("-O2",),
}


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _compiler() -> list[str] | None:
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    try:
        import ziglang  # noqa: F401
    except ImportError:
        return None
    return [sys.executable, "-m", "ziglang", "cc"]


def build_requirements() -> list[str]:
    """What an isolated build needs from PyPI: a compiler, where this machine has none."""
    return [] if os.environ.get("CC") or any(shutil.which(name) for name in ("cc", "gcc", "clang")) else ["ziglang"]


def _is_current() -> bool:
    sources = [path for path in _HERE.iterdir() if path.suffix in (".c", ".h", ".py")]
    return LIBRARY.exists() and LIBRARY.stat().st_mtime >= max(path.stat().st_mtime for path in sources)


def build(log: Callable[[str], None]) -> bool:
    """Build the library unless it is newer than its sources; returns False and logs the reason where that fails."""
    if _is_current():
        return True
    compiler = _compiler()
    if compiler is None:
        log("native kernels: no C compiler found")
        return False
    variants = _X86_VARIANTS if _is_x86() else {"portable": ()}
    jobs: list[tuple[str, tuple[str, ...], str]] = [(source, (), source) for source in _COMMON]
    jobs += [
        (source, (*flags, f"-DVARIANT={variant}"), f"{variant}-{source}")
        for variant, flags in variants.items()
        for source in _PER_INSTRUCTION_SET
    ]
    with tempfile.TemporaryDirectory() as folder:

        def compile_one(job: tuple[str, tuple[str, ...], str]) -> str:
            source, flags, name = job
            target = str(Path(folder) / f"{name}.o")
            _run([*compiler, *_FLAGS, *flags, "-c", str(_HERE / source), "-o", target])
            return target

        try:
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                objects = list(pool.map(compile_one, jobs))
            linked = Path(folder) / LIBRARY.name
            _run([*compiler, "-shared", "-pthread", *objects, "-o", str(linked), "-lm"])
            LIBRARY.parent.mkdir(parents=True, exist_ok=True)
            # A running process may have the old library mapped: a new file replaces it, its content is not overwritten.
            fresh = LIBRARY.with_suffix(f".{os.getpid()}.tmp")
            shutil.copy(linked, fresh)
            fresh.replace(LIBRARY)
        except subprocess.CalledProcessError as error:
            log(f"native kernels: {error.cmd[0]} failed:\n{error.stderr}")
            return False
    log(f"native kernels: built {LIBRARY.name}")
    return True


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(0 if build(print) else 1)
