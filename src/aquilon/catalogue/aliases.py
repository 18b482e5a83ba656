"""Aliases: names that stand for models, with planned switches and shares of the callers for another model."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from aquilon.errors import Refusal

MAX_ALIAS_CHARACTERS = 128
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class Alias:
    """Targets are models' own names, never other aliases, so that one look-up resolves a name."""

    name: str
    target: str
    former: str | None = None
    """The previous target, to which a roll-back returns."""
    share_target: str | None = None
    share_percent: int = 0
    """The percentage of callers that ``share_target`` answers in place of ``target``."""
    switch_target: str | None = None
    switch_at: int | None = None
    """From this second since 1970 on, ``switch_target`` is the target."""

    def at(self, moment: int) -> Alias:
        """The alias at a moment. A switch that is due has taken place, and has ended any sharing."""
        if self.switch_target is None or self.switch_at is None or moment < self.switch_at:
            return self
        return Alias(name=self.name, target=self.switch_target, former=self.target)

    def model(self, moment: int, caller: str) -> str:
        """The model that answers a caller, which is a key's or a user's id.

        A caller always gets the same model, so that a conversation doesn't change
        models half-way and finds its cached prefix again. A growing share adds callers
        and removes none.
        """
        now = self.at(moment)
        if now.share_target is not None and _position(self.name, caller) < now.share_percent:
            return now.share_target
        return now.target

    def pointed_to(self, target: str, moment: int) -> Alias:
        """The alias with a new target, without sharing or planned switch. A roll-back returns to the present target."""
        now = self.at(moment)
        return Alias(name=self.name, target=target, former=now.former if target == now.target else now.target)

    def rolled_back(self, moment: int) -> Alias:
        """The alias after a roll-back, which only ends the sharing or planned switch if there is one.

        Otherwise it returns to the former target. Raises ValueError if there is none.
        """
        now = self.at(moment)
        if now.share_target is not None or now.switch_target is not None:
            return Alias(name=self.name, target=now.target, former=now.former)
        if now.former is None:
            raise Refusal(
                f"'{self.name}' has stood for '{now.target}' since it was created: nothing to roll back to",
                code="alias_has_no_former",
                values={"name": self.name, "target": now.target},
            )
        return Alias(name=self.name, target=now.former, former=now.target)

    def sharing(self, target: str, percent: int) -> Alias:
        """The alias with another model for ``percent`` of the callers. Raises ValueError."""
        if not 0 < percent < 100:
            raise Refusal(
                f"A share is 1 to 99 percent of the callers, not {percent}",
                code="out_of_range",
                values={"field": "percent", "value": percent, "least": 1, "most": 99},
            )
        if target == self.target:
            raise Refusal(
                f"'{self.name}' stands for '{target}' already: a share goes to another model",
                code="alias_same_target",
                values={"name": self.name, "target": target},
            )
        return replace(self, share_target=target, share_percent=percent)

    def switching(self, target: str, moment: int, now: int) -> Alias:
        """The alias with a planned switch. Raises ValueError for a moment that has passed."""
        if target == self.target:
            raise Refusal(
                f"'{self.name}' stands for '{target}' already: a switch goes to another model",
                code="alias_same_target",
                values={"name": self.name, "target": target},
            )
        if moment <= now:
            raise Refusal(
                "A switch is planned for a moment to come; to switch now, set the target itself",
                code="alias_switch_past",
            )
        return replace(self, switch_target=target, switch_at=moment)


def is_alias(name: str) -> bool:
    """Whether the name has the form of an alias."""
    return _NAME.fullmatch(name) is not None


def checked_alias(name: str) -> str:
    """The name, unchanged. Raises ValueError for an invalid name, and for the catch-all ``*``."""
    if not is_alias(name):
        advice = "; '*', for all other names, is a setting: AQUILON_MODEL_ALIASES" if name == "*" else ""
        raise Refusal(
            f"'{name[:100]}' can't be an alias: a letter or digit, then letters, digits and . _ : / @ + -, "
            f"at most {MAX_ALIAS_CHARACTERS}{advice}",
            code="alias_name_invalid",
            values={"name": name[:100], "most": MAX_ALIAS_CHARACTERS},
        )
    return name


def _position(name: str, caller: str) -> float:
    """The caller's position among all callers, from 0 to below 100, different for each alias."""
    digest = hashlib.sha256(f"{name}\0{caller}".encode()).digest()
    return int.from_bytes(digest[:6], "big") * 100 / 2**48
