"""How reasoning models mark the thoughts before an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aquilon.text.grammar import literal


@dataclass(frozen=True)
class ReasoningFormat:
    """``opening`` thoughts ``closing`` answer."""

    opening: str
    closing: str
    controls: Mapping[str, int] = field(default_factory=dict)
    """Ids of the markers that are control tokens."""

    def is_open(self, prompt_end: str) -> bool:
        """Whether a prompt with this end has opened the thoughts already."""
        return prompt_end.rstrip().endswith(self.opening)

    def rules(self, *, opened: bool) -> str:
        """The rule ``thoughts`` in llguidance's notation, up to the beginning of the answer."""
        begin = "" if opened else f"{self._marker(self.opening)} "
        if self.closing in self.controls:
            end = f"THOUGHTS {self._marker(self.closing)}"
            rules = f"thoughts: {begin}{end} SPACE"
        else:
            rules = f"thoughts: {begin}thought SPACE\nthought[lazy]: THOUGHTS {literal(self.closing)}"
        return rules + "\nTHOUGHTS: /(.|\\n)*/\nSPACE: /[ \\n]{0,4}/"

    def _marker(self, text: str) -> str:
        token_id = self.controls.get(text)
        return literal(text) if token_id is None else f"<[{token_id}]>"


FORMATS = (("<think>", "</think>"), ("[THINK]", "[/THINK]"))


def reasoning_format(template: str, controls: Mapping[str, int]) -> ReasoningFormat | None:
    """The format whose marks are in a model's chat template; its control tokens have their ids.

    One mark is enough: some templates remove earlier thoughts by their closing mark alone.
    """
    for opening, closing in FORMATS:
        if closing in template or opening in template:
            marked = {text: controls[text] for text in (opening, closing) if text in controls}
            return ReasoningFormat(opening, closing, marked)
    return None
