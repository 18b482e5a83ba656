"""Detect the format in which a model writes its tool calls."""

from __future__ import annotations

from collections.abc import Mapping

from aquilon.text.tool_calls.format import ToolFormat
from aquilon.text.tool_calls.hermes import HermesFormat
from aquilon.text.tool_calls.llama import LlamaFormat
from aquilon.text.tool_calls.mistral import ARGUMENTS, CALL_ID, OPENING, MistralListFormat, MistralNamedFormat
from aquilon.text.tool_calls.preamble import PreambleFormat

_NAMED_FROM = 11
_WITHOUT_IDS_FROM = 13


def tool_format(template: str, controls: Mapping[str, int]) -> ToolFormat:
    """The format that the chat template writes; where it is unknown, our own, which a preamble explains.

    ``controls`` are the ids of the model's control tokens, by their text.
    """
    if OPENING in template and OPENING in controls:
        if ARGUMENTS in template:
            return MistralNamedFormat(controls, with_ids=CALL_ID in template)
        return MistralListFormat(controls)
    if "<tool_call>" in template and "tools" in template and "<function=" not in template and "arguments" in template:
        return HermesFormat(controls)
    if "tools" in template and '"parameters"' in template and '{"name": ' in template:
        return LlamaFormat(controls)
    return PreambleFormat(controls)


def mistral_tool_format(version: int, controls: Mapping[str, int]) -> ToolFormat:
    """The format of a version of Mistral's templates; the first version has no tools."""
    if OPENING not in controls:
        return PreambleFormat(controls)
    if version >= _NAMED_FROM:
        return MistralNamedFormat(controls, with_ids=version < _WITHOUT_IDS_FROM)
    return MistralListFormat(controls)
