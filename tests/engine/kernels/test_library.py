"""A compiled library is used only where its structures lie in memory as ctypes declares them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from aquilon.engine.kernels import library

NATIVE = Path(__file__).parents[3] / "native"
COMPILER = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")


def compiled(folder: Path, source: str) -> Path:
    (folder / "library.c").write_text(source)
    path = folder / "library.so"
    command = [str(COMPILER), "-std=gnu11", "-fPIC", "-shared", f"-I{folder}", "library.c", "-o", path.name]
    subprocess.run(command, check=True, cwd=folder)
    return path


def compiled_layout(folder: Path, header: str, before: str, after: str) -> Path:
    """A library with the layout of our structures after ``before`` in a header is replaced by ``after``."""
    for file in NATIVE.glob("*.h"):
        shutil.copy(file, folder)
    text = (folder / header).read_text()
    assert text.count(before) == 1
    (folder / header).write_text(text.replace(before, after))
    return compiled(folder, (NATIVE / "layout.c").read_text())


@pytest.mark.skipif(not library.available(), reason=str(library.unavailable_reason()))
def test_the_library_of_this_installation_has_the_declared_layout() -> None:
    assert library.open_library(Path(library.load()._name)).aq_threads() >= 1


@needs_compiler
@pytest.mark.parametrize(
    ("header", "before", "after", "place"),
    [
        ("kernels.h", "int32_t outputs, inputs;", "int32_t inputs, outputs;", "aq_matrix.outputs"),
        ("kernels.h", "int32_t table_stride;", "int64_t table_stride;", "aq_batch.table_stride is 8 bytes"),
        ("kernels.h", "int32_t dtype; /* aq_dtype */", "int32_t dtype, more, and_more;", "aq_cache is 32 bytes"),
        ("decoder.h", "aq_cache cache;", "aq_cache cache; void *added;", "aq_layer.window"),
    ],
    ids=["swapped", "widened", "longer", "pushed back"],
)
def test_a_library_compiled_from_other_structures_is_refused_with_the_first_that_differs(
    tmp_path: Path, header: str, before: str, after: str, place: str
) -> None:
    path = compiled_layout(tmp_path, header, before, after)
    with pytest.raises(library.KernelsUnavailable, match=place) as refusal:
        library.open_library(path)
    assert "build it again" in str(refusal.value)


@needs_compiler
def test_a_library_without_a_layout_is_refused(tmp_path: Path) -> None:
    path = compiled(tmp_path, "int aq_threads(void) { return 1; }")
    with pytest.raises(library.KernelsUnavailable, match="aq_layout"):
        library.open_library(path)


def test_a_missing_and_a_damaged_library_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(library.KernelsUnavailable, match="was not built"):
        library.open_library(tmp_path / "missing.so")
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(b"not a library")
    with pytest.raises(library.KernelsUnavailable, match=r"damaged\.so"):
        library.open_library(damaged)
