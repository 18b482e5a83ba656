"""A default name for the first organization: the machine's domain, its user's name or its host name."""

from __future__ import annotations

import re

_NO_DOMAIN = ("local", "localdomain", "internal", "lan", "home", "arpa", "localhost")
_GENERIC_LOGINS = ("root", "aquilon", "ubuntu", "debian", "admin", "user", "nobody", "runner", "")
"""Logins that don't name a person."""
_GENERATED_HOST = re.compile(
    r"localhost|(vm|server|host|node|desktop|laptop|pc|debian|ubuntu|fedora|raspberrypi)[0-9-]*"
    r"|[0-9a-f]{8,}|ip-[0-9-]+"
)
"""Host names that an installer or a container runtime chose."""
UNNAMED = "My organization"


def organization_name(host: str, login: str, full_name: str = "") -> str:
    """``example.org`` for the host mail.example.org; else the person's name; else the host's name; never empty."""
    label, _, domain = host.lower().strip(".").partition(".")
    if "." in domain and domain.rpartition(".")[2] not in _NO_DOMAIN and not domain.replace(".", "").isdigit():
        return domain
    if login not in _GENERIC_LOGINS:
        return _printable(full_name.partition(",")[0]) or _printable(login)
    return _printable(label) if label and _GENERATED_HOST.fullmatch(label) is None else UNNAMED


def organization_name_here() -> str:
    """`organization_name` for this machine and the user who runs the program."""
    import getpass
    import os
    import pwd
    import socket

    try:
        account = pwd.getpwuid(os.geteuid())
        login, full_name = account.pw_name, account.pw_gecos
    except KeyError:  # a container's user without an account
        try:
            login, full_name = getpass.getuser(), ""
        except (KeyError, OSError):
            login, full_name = "", ""
    return organization_name(socket.gethostname(), login, full_name)


def _printable(name: str) -> str:
    return "".join(character for character in name if character.isprintable()).strip()[:100]
