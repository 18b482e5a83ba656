"""Names that stand for models: where they point now, what is planned, and what part of the callers goes elsewhere."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

MAX_ALIAS_CHARACTERS = 128
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class Alias:
    """Targets are models' own names, never another alias: what a name stands for is told in one step."""

    name: str
    target: str
    former: str | None = None
    """What it stood for before, and would stand for again after a roll-back."""
    share_target: str | None = None
    share_percent: int = 0
    """Of the callers, whom ``share_target`` answers in place of ``target``."""
    switch_target: str | None = None
    switch_at: int | None = None
    """From this moment on, in seconds since 1970, ``switch_target`` is the target."""

    def at(self, moment: int) -> Alias:
        """The alias as it is at a moment: a switch whose time has come is done, and ends the sharing."""
        if self.switch_target is None or self.switch_at is None or moment < self.switch_at:
            return self
        return Alias(name=self.name, target=self.switch_target, former=self.target)

    def model(self, moment: int, caller: str) -> str:
        """Which model answers a caller (a key's id, or a user's).

        A caller always gets the same one, so that a conversation doesn't change its
        voice half-way and finds its cached prefix again; a growing share adds
        callers and takes none away.
        """
        now = self.at(moment)
        if now.share_target is not None and _position(self.name, caller) < now.share_percent:
            return now.share_target
        return now.target

    def pointed_to(self, target: str, moment: int) -> Alias:
        """Standing for ``target`` alone; a plan is given up, the present target is the one to roll back to."""
        now = self.at(moment)
        return Alias(name=self.name, target=target, former=now.former if target == now.target else now.target)

    def rolled_back(self, moment: int) -> Alias:
        """Standing for the former target again, without sharing or plan. Raises ValueError where there is none.

        Where traffic is shared or a switch is planned, that alone is undone.
        """
        now = self.at(moment)
        if now.share_target is not None or now.switch_target is not None:
            return Alias(name=self.name, target=now.target, former=now.former)
        if now.former is None:
            raise ValueError(f"'{self.name}' has stood for '{now.target}' since it was made: nothing to roll back to")
        return Alias(name=self.name, target=now.former, former=now.target)

    def sharing(self, target: str, percent: int) -> Alias:
        """With a part of the callers answered by another model. Raises ValueError."""
        if not 0 < percent < 100:
            raise ValueError(f"A share is 1 to 99 percent of the callers, not {percent}")
        if target == self.target:
            raise ValueError(f"'{self.name}' stands for '{target}' already: a share goes to another model")
        return replace(self, share_target=target, share_percent=percent)

    def switching(self, target: str, moment: int, now: int) -> Alias:
        """With a switch planned. Raises ValueError for a moment that has passed."""
        if target == self.target:
            raise ValueError(f"'{self.name}' stands for '{target}' already: a switch goes to another model")
        if moment <= now:
            raise ValueError("A switch is planned for a moment to come; to switch now, set the target itself")
        return replace(self, switch_target=target, switch_at=moment)


def is_alias(name: str) -> bool:
    """Whether there could be one of this name."""
    return _NAME.fullmatch(name) is not None


def checked_alias(name: str) -> str:
    """The name itself. Raises ValueError for what no client could ask for, and for the catch-all."""
    if not is_alias(name):
        words = "; '*', for all other names, is a setting: AQUILON_MODEL_ALIASES" if name == "*" else ""
        raise ValueError(
            f"'{name[:100]}' can't be an alias: a letter or digit, then letters, digits and . _ : / @ + -, "
            f"at most {MAX_ALIAS_CHARACTERS}{words}"
        )
    return name


def _position(name: str, caller: str) -> float:
    """Where a caller stands among all, from 0 to below 100; another place for each alias."""
    digest = hashlib.sha256(f"{name}\0{caller}".encode()).digest()
    return int.from_bytes(digest[:6], "big") * 100 / 2**48
