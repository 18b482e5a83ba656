"""The variables that a client may set in a chat template, such as ``enable_thinking`` and ``reasoning_effort``."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

MAX_VARIABLES = 32
MAX_VALUES = 4096
"""Lists, objects, texts and numbers in all variables together."""
MAX_CHARACTERS = 262_144
MAX_DEPTH = 16

RESERVED = frozenset(
    {"messages", "tools", "add_generation_prompt", "continue_final_message"}  # fields of the request
    | {
        "chat_template",
        "tokenize",
        "tokenizer",
        "conversation",
        "template",
        "self",
        "loop",
        "caller",
        "varargs",
        "kwargs",
    }
    | {"range", "dict", "namespace", "raise_exception", "strftime_now"}  # what templates call
)

_SWITCHES = ("enable_thinking", "thinking")
"""Names under which templates ask whether the model thinks before it answers."""
_BRIEF = frozenset({"none", "minimal"})


def check_names(variables: Mapping[str, Any]) -> None:
    """Raise ValueError for a name that no template reads, and for one that isn't the client's to set."""
    for name in variables:
        if not name.isidentifier() or name.startswith("_"):
            raise ValueError(f"'{name[:100]}' is not the name of a template's variable")
        if name in RESERVED or name.endswith("_token"):
            raise ValueError(
                f"chat_template_kwargs can't set '{name}': the request's own fields, the template and the tokenizer do"
            )


def check_size(variables: Mapping[str, Any]) -> None:
    """Raise ValueError for too many variables, and for values that are too many, too long or nested too deeply."""
    if len(variables) > MAX_VARIABLES:
        raise ValueError(f"there are {len(variables)} variables; at most {MAX_VARIABLES} are allowed")
    values, characters, level = 0, sum(map(len, variables)), list(variables.values())
    for _ in range(MAX_DEPTH):
        values += len(level)
        inner: list[Any] = []
        for value in level:
            if isinstance(value, str):
                characters += len(value)
            elif isinstance(value, dict):
                characters += sum(map(len, value))
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        level = inner
        if values + len(level) > MAX_VALUES:
            raise ValueError(f"the variables have more than {MAX_VALUES} values")
        if characters > MAX_CHARACTERS:
            raise ValueError(f"the variables have more than {MAX_CHARACTERS} characters")
        if not level:
            return
    raise ValueError(f"the variables are nested more than {MAX_DEPTH} levels deep")


def variables_of(
    chat_template_kwargs: Mapping[str, Any] | None = None, *, reasoning_effort: Any = None, prompt_mode: Any = None
) -> dict[str, Any]:
    """A request's variables: ``chat_template_kwargs``, and the fields that templates know as variables.

    Raises ValueError, see `check_size`.
    """
    fields = {"reasoning_effort": reasoning_effort, "prompt_mode": prompt_mode}
    variables = {name: value for name, value in fields.items() if isinstance(value, str)}
    variables |= chat_template_kwargs or {}
    check_size(variables)
    return variables


def thinks(variables: Mapping[str, Any]) -> bool | None:
    """Whether the model is asked to think before it answers; None if the variables don't say."""
    for name in _SWITCHES:
        if isinstance(switch := variables.get(name), bool):
            return switch
    if isinstance(effort := variables.get("reasoning_effort"), str):
        return effort not in _BRIEF
    return True if variables.get("prompt_mode") == "reasoning" else None


def with_switches(variables: Mapping[str, Any], names_read: Set[str]) -> Mapping[str, Any]:
    """The variables with the switch for thoughts that a template knows, by the names that it reads.

    So ``reasoning_effort: none`` turns thoughts off in a template that asks for ``enable_thinking``.
    """
    switch = thinks(variables)
    if switch is None:
        return variables
    return {name: switch for name in _SWITCHES if name in names_read} | dict(variables)
