"""The compiled library: found, loaded, its functions and structures declared.

Without torch. ``AQUILON_KERNELS`` chooses the instruction set (``avx512``,
``avx2``, ``portable``; all give the same values) or ``none`` to do without.
"""

from __future__ import annotations

import ctypes
import os
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
