"""Error messages for the person at the terminal."""

from __future__ import annotations

import errno
import re
import sqlite3
import sys

from aquilon import __version__


class CommandError(Exception):
    """A command can't do what was asked; the message says what would help."""


def words(error: BaseException) -> str:
    """One paragraph: our own errors' messages, the system's errors explained, and a request to report all others."""
    if _is_own(error):
        return str(error)
    if is_wrong_setting(error):
        return _settings_words(error)
    if "database or disk is full" in str(error):
        return _machine_words(OSError(errno.ENOSPC, ""))
    if isinstance(error, sqlite3.Error) or type(error).__module__.startswith("sqlalchemy"):
        cause = getattr(error, "orig", None) or error  # without the statement and its values
        return f"The database can't be used: {cause}. `aquilon doctor` says more"
    if _is_out_of_memory(error):
        return _memory_words(error)
    if isinstance(error, OSError) and error.errno is not None:
        return _machine_words(error)
    if isinstance(error, UnicodeError):
        return _unicode_words(error)
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"This is a bug in Aquilon: {type(error).__name__}: {error}\n"
        f"Run it again with `aquilon --debug …` to see where, and please report it with that output "
        f"(Aquilon {__version__}, Python {python}, {sys.platform})."
    )


def is_wrong_setting(error: BaseException) -> bool:
    """Whether an option, an environment variable or a line of aquilon.toml has an invalid value."""
    if type(error).__name__ == "SettingsFileError":
        return True
    return type(error).__name__ == "ValidationError" and type(error).__module__.startswith("pydantic")


def _is_own(error: BaseException) -> bool:
    return any(kind.__module__.startswith("aquilon.") for kind in type(error).__mro__)


def _settings_words(error: BaseException) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc'])} is {_without_password(repr(problem['input']))}; "
        f"{problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors()  # type: ignore[attr-defined]
    ]
    return "A setting is wrong: " + "; ".join(problems)


def _without_password(text: str) -> str:
    """The address without its user name and password."""
    return re.sub("//.*@", "//…@", text)


def _unicode_words(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        place = f"byte 0x{error.object[error.start]:02x} at position {error.start}"
        return f"The input isn't text in {error.encoding.upper()}: {place}"
    if isinstance(error, UnicodeEncodeError):
        shown = ascii(error.object[max(error.start - 20, 0) : error.end + 20])
        return f"{shown} can't be used here: it has characters that aren't {error.encoding.upper()}"
    return f"The input isn't text: {error}"


def _is_out_of_memory(error: BaseException) -> bool:
    """Libraries in C, and the start of threads, have errors of their own for it."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    signs = ("allocate memory", "start new thread", "failed to map segment")
    return isinstance(error, RuntimeError | ImportError) and any(sign in str(error) for sign in signs)


def _memory_words(error: BaseException) -> str:
    """The message of an allocation says mostly for how much it was."""
    size = re.search(r"allocate (\d[\d.]* \w+)", str(error))
    wanted = f" when {size[1]} more were needed" if size else ""
    limit = _memory_limit()
    limited = f": this process may use {limit // 2**20} MiB, as `ulimit -v` says" if limit is not None else ""
    return (
        f"Memory ran out{wanted}{limited}. Raise the limit, of the shell or the container, or end other programs; "
        "a smaller model, or a shorter context of it, needs less"
    )


def _memory_limit() -> int | None:
    """Bytes of address space; None where this system or shell sets no limit."""
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _machine_words(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full{where}: free some space, or use another home with --home"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"Not allowed to write there{where}: change its permissions, or use another home with --home"
    if error.errno == errno.ENOTDIR:
        return f"A file is where a folder should be{where}: remove it, or use another home with --home"
    return f"{error.strerror}{where}"
