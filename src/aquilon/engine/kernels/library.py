"""The compiled library: load it, declare its functions and structures, and check that the structures agree.

Imports no torch. ``AQUILON_KERNELS`` chooses the instruction set (``avx512``,
``avx2``, ``portable``; all give the same values) or ``none`` to do without.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path

_PATH = Path(__file__).with_name("_native.so")


class Matrix(Structure):
    """``aq_matrix``: one packed weight; see ``native/kernels.h`` for the layout of its panels."""

    _fields_ = (
        ("panels", c_void_p),
        ("outputs", c_int32),
        ("inputs", c_int32),
        ("bits", c_int32),
        ("zero", c_int32),
        ("wide_scales", c_int32),
        ("first_output", c_int32),
    )


class Projection(Structure):
    """``aq_projection``: matrices that share an input, side by side in the output."""

    _fields_ = (("matrices", POINTER(Matrix)), ("count", c_int32), ("bias", c_void_p))


class Batch(Structure):
    """``aq_batch``: which rows belong to which sequence, and where its keys and values lie."""

    _fields_ = (
        ("rows", c_int32),
        ("sequences", c_int32),
        ("starts", c_void_p),
        ("contexts", c_void_p),
        ("tables", c_void_p),
        ("table_stride", c_int32),
        ("cosines", c_void_p),
        ("sines", c_void_p),
        ("query_scales", c_void_p),
    )


class Cache(Structure):
    """``aq_cache``: one layer's keys and values."""

    _fields_ = (("keys", c_void_p), ("values", c_void_p), ("dtype", c_int32))


class Heads(Structure):
    """``aq_heads``: the shape of one layer's attention."""

    _fields_ = (
        ("heads", c_int32),
        ("kv_heads", c_int32),
        ("head_dim", c_int32),
        ("window", c_int32),
        ("scale", c_float),
    )


class Layer(Structure):
    """``aq_layer``: one decoder layer's weights and cache."""

    _fields_ = (
        ("attention_norm", c_void_p),
        ("mlp_norm", c_void_p),
        ("query_norm", c_void_p),
        ("key_norm", c_void_p),
        ("qkv", Projection),
        ("output", Projection),
        ("gate_up", Projection),
        ("down", Projection),
        ("cache", Cache),
        ("window", c_int32),
    )


class Decoder(Structure):
    """``aq_decoder``: all layers, the embedding and the final norm."""

    _fields_ = (
        ("layer_count", c_int32),
        ("hidden", c_int32),
        ("intermediate", c_int32),
        ("heads", c_int32),
        ("kv_heads", c_int32),
        ("head_dim", c_int32),
        ("epsilon", c_float),
        ("scale", c_float),
        ("layers", POINTER(Layer)),
        ("embedding", POINTER(Matrix)),
        ("norm", c_void_p),
    )


STRUCTURES: Mapping[str, type[Structure]] = {
    "aq_matrix": Matrix,
    "aq_projection": Projection,
    "aq_batch": Batch,
    "aq_cache": Cache,
    "aq_heads": Heads,
    "aq_layer": Layer,
    "aq_decoder": Decoder,
}
"""Each structure of C's that is declared here, by its name there."""


class _LayoutEntry(Structure):
    """``aq_layout_entry``: where a field lies, or, without a field, how large a structure is."""

    _fields_ = (("structure", c_char_p), ("field", c_char_p), ("offset", c_int32), ("size", c_int32))


class KernelsUnavailable(RuntimeError):
    """The native library is missing or can't be used; the message says why."""


@cache
def _open() -> ctypes.CDLL | str:
    """The library, or why it can't be used."""
    instruction_set = os.environ.get("AQUILON_KERNELS", "auto")
    if instruction_set == "none":
        return "switched off by AQUILON_KERNELS=none"
    try:
        library = open_library(_PATH)
    except KernelsUnavailable as error:
        return str(error)
    if library.aq_select(instruction_set.encode()) != 0:
        return f"AQUILON_KERNELS={instruction_set}: this processor can't run it, or there is no such instruction set"
    return library


def open_library(path: Path) -> ctypes.CDLL:
    """A compiled library whose functions and structures are those declared here; raises KernelsUnavailable."""
    if not path.exists():
        raise KernelsUnavailable(f"{path.name} was not built: no C compiler when Aquilon was installed")
    try:
        library = ctypes.CDLL(str(path))
        difference = _layout_difference(library)
        if difference is None:
            _declare(library)
    except OSError as error:
        raise KernelsUnavailable(str(error)) from error
    except AttributeError as error:
        difference = str(error)
    if difference is not None:
        raise KernelsUnavailable(
            f"{path.name} was built from other sources than this program's ({difference}): "
            "build it again with `python native/build.py`"
        )
    return library


def _layout_difference(library: ctypes.CDLL) -> str | None:
    """The first size or offset that differs between the library and the classes here; None where all agree.

    Raises AttributeError for a library that doesn't export its layout.
    """
    compiled = _compiled_layout(library)
    declared = _declared_layout()
    for place in [*declared, *(place for place in compiled if place not in declared)]:
        if compiled.get(place) != declared.get(place):
            return f"{place} is {_extent(compiled.get(place))} in the library and {_extent(declared.get(place))} here"
    return None


def _compiled_layout(library: ctypes.CDLL) -> dict[str, tuple[int, int]]:
    """Offset and size in bytes of each structure and field, by names such as ``aq_batch.rows``."""
    entry_at = library.aq_layout
    entry_at.restype, entry_at.argtypes = POINTER(_LayoutEntry), [c_int]
    layout: dict[str, tuple[int, int]] = {}
    while pointer := entry_at(len(layout)):
        entry = pointer.contents
        layout[_place(entry.structure.decode(), entry.field and entry.field.decode())] = (entry.offset, entry.size)
    return layout


def _declared_layout() -> dict[str, tuple[int, int]]:
    layout: dict[str, tuple[int, int]] = {}
    for name, structure in STRUCTURES.items():
        for field in structure._fields_:
            described = getattr(structure, field[0])
            layout[_place(name, field[0])] = (described.offset, described.size)
        layout[_place(name, None)] = (0, ctypes.sizeof(structure))
    return layout


def _place(structure: str, field: str | None) -> str:
    return structure if field is None else f"{structure}.{field}"


def _extent(layout: tuple[int, int] | None) -> str:
    return "missing" if layout is None else f"{layout[1]} bytes at offset {layout[0]}"


def _declare(library: ctypes.CDLL) -> None:
    signatures: dict[str, tuple[object, list[object]]] = {
        "aq_select": (c_int, [c_char_p]),
        "aq_variant": (c_char_p, []),
        "aq_threads": (c_int, []),
        "aq_set_threads": (c_int, [c_int]),
        "aq_pack": (None, [POINTER(Matrix), c_void_p, c_void_p, c_void_p]),
        "aq_project": (c_int, [POINTER(Projection), c_void_p, c_int64, c_int, c_void_p, c_int64]),
        "aq_embed_rows": (None, [POINTER(Matrix), c_void_p, c_int, c_void_p]),
        "aq_attend_paged": (
            c_int,
            [POINTER(Heads), POINTER(Batch), POINTER(Cache), c_void_p, c_void_p, c_void_p, c_void_p],
        ),
        "aq_decode": (c_int, [POINTER(Decoder), POINTER(Batch), c_void_p, c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


def available() -> bool:
    """Whether the native kernels can run here."""
    return not isinstance(_open(), str)


def unavailable_reason() -> str | None:
    """Why the native kernels can't run here, for a person; None where they can."""
    opened = _open()
    return opened if isinstance(opened, str) else None


def load() -> ctypes.CDLL:
    """The library with its functions declared; raises KernelsUnavailable."""
    opened = _open()
    if isinstance(opened, str):
        raise KernelsUnavailable(opened)
    return opened


def instruction_set() -> str:
    """Which of ``avx512``, ``avx2``, ``portable`` runs."""
    name: bytes = load().aq_variant()
    return name.decode()


def set_threads(threads: int) -> int:
    """Resize the team of threads that runs the kernels; returns the size it got. Results don't depend on it."""
    size: int = load().aq_set_threads(threads)
    return size
