"""The compiled library: found, loaded, its functions and structures declared.

Without torch. ``AQUILON_KERNELS`` chooses the instruction set (``avx512``,
``avx2``, ``portable``; all give the same values) or ``none`` to do without.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_void_p
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
        ("panel_bytes", c_int64),
    )


class Projection(Structure):
    """``aq_projection``: matrices that share an input, side by side in the output."""

    _fields_ = (("matrices", POINTER(Matrix)), ("count", c_int32), ("bias", c_void_p))


class KernelsUnavailable(RuntimeError):
    """The native library isn't there or doesn't load; the message says which."""


@cache
def _open() -> ctypes.CDLL | str:
    """The library, or why there is none."""
    wanted = os.environ.get("AQUILON_KERNELS", "auto")
    if wanted == "none":
        return "switched off by AQUILON_KERNELS=none"
    if not _PATH.exists():
        return f"{_PATH.name} was not built: no C compiler when Aquilon was installed"
    try:
        library = ctypes.CDLL(str(_PATH))
    except OSError as error:
        return str(error)
    _declare(library)
    if library.aq_select(wanted.encode()) != 0:
        return f"AQUILON_KERNELS={wanted}: this processor can't run it, or there is no such instruction set"
    return library


def _declare(library: ctypes.CDLL) -> None:
    signatures: dict[str, tuple[object, list[object]]] = {
        "aq_select": (c_int, [c_char_p]),
        "aq_variant": (c_char_p, []),
        "aq_threads": (c_int, []),
        "aq_set_threads": (c_int, [c_int]),
        "aq_pack": (None, [POINTER(Matrix), c_void_p, c_void_p, c_void_p]),
        "aq_project": (c_int, [POINTER(Projection), c_void_p, c_int64, c_int, c_void_p, c_int64]),
        "aq_embed_rows": (None, [POINTER(Matrix), c_void_p, c_int, c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


def available() -> bool:
    """Whether the native kernels can run here."""
    return not isinstance(_open(), str)


def unavailable_reason() -> str | None:
    """Why they can't, for a person; None where they can."""
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
    """Makes the team that runs the kernels this large; returns the size it got. Results don't depend on it."""
    size: int = load().aq_set_threads(threads)
    return size
