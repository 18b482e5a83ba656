"""Jinja for chat templates, with hard limits on what a template may do.

A chat template is code that comes with a model. It runs in Jinja's immutable sandbox,
reads plain values only and calls only the functions listed here. Every loop, call and
growing value counts against a :class:`~aquilon.text.budget.Budget`, so that a hostile
template fails after about a second instead of exhausting the machine.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import datetime
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any, NoReturn

import jinja2.ext
from jinja2 import TemplateError as JinjaError
from jinja2 import nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import Namespace

from aquilon.text.budget import CALL, Budget, BudgetExceeded
from aquilon.text.metering import meter

budget: ContextVar[Budget] = ContextVar("budget")
"""The budget of the current rendering."""

_LARGEST_NUMBER_BITS = 1024
_LARGEST_WIDTH = 1000
_WIDTH = re.compile(r"\d{4,}|\{[^}]*\{|%[^a-zA-Z%]*\*")
"""In a format string: a width of a thousand or more, or one that an argument gives."""

# fmt: off
_STRING_METHODS = frozenset({
    "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdecimal",
    "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "join", "lower", "lstrip",
    "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit",
    "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper",
})
_CONTAINER_METHODS = frozenset({"get", "items", "keys", "values", "index", "count", "copy"})
_FILTERS_AS_THEY_ARE = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "groupby", "int",
    "items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse",
    "round", "select", "selectattr", "sort", "title", "trim", "unique", "upper",
)
# fmt: on


class ChatSandbox(ImmutableSandboxedEnvironment):
    """The environment of all templates; only the budget belongs to one rendering."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # folding constants would run parts of the template outside any budget
            finalize=_printed,
            extensions=[jinja2.ext.loopcontrols, _Generation],
        )
        self.filters = {name: _metered(FILTERS[name]) for name in _FILTERS_AS_THEY_ARE} | _FILTERS
        self.tests = {name: _paying(test) for name, test in dict[str, Any](TESTS).items()}
        self.globals = {
            "range": self.globals["range"],
            "dict": _Dict(),
            "namespace": _Namespace,
            "raise_exception": _raise_exception,
            "strftime_now": _strftime_now,
        }

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return meter(Parser(self, source, name, filename).parse())

    # The functions that metered syntax trees call, see metering.py

    @staticmethod
    def spend(nanoseconds: int) -> bool:
        return budget.get().spend(nanoseconds)

    @staticmethod
    def weighed(value: Any) -> Any:
        """Count a value that is about to be compared or searched."""
        budget.get().weigh(value)
        return value

    @staticmethod
    def copied(value: Any) -> Any:
        """Count a slice, whatever its step."""
        if isinstance(value, str):
            budget.get().make(len(value))
            budget.get().spend(len(value))
        elif isinstance(value, list | tuple):
            budget.get().collect(len(value))
        return value

    @staticmethod
    def joined(*values: Any) -> str:
        return _concat(map(_text_of, values))

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        return _concat(parts)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        budget.get().spend(CALL)
        for scope in ("_loop_vars", "_block_vars"):  # Jinja passes them to functions that take the context; ours don't
            kwargs.pop(scope, None)
        if __obj in (__self.spend, __self.weighed, __self.copied, __self.joined):
            return __obj(*args)
        if isinstance(__obj, BuiltinMethodType):
            return _call_method(__obj, args, kwargs)
        wrapped = getattr(__obj, "__wrapped__", None) if isinstance(__obj, FunctionType) else None
        if isinstance(wrapped, BuiltinMethodType):  # str.format, as Jinja's sandbox guards it
            _check_format(wrapped.__self__, (args, kwargs))
        elif not (
            isinstance(__obj, Macro | LoopContext | Undefined)
            or (isinstance(__obj, MethodType) and isinstance(__obj.__self__, LoopContext))
            or any(__obj is allowed for allowed in __self.globals.values())
        ):
            raise SecurityError(f"a chat template may not call {__obj!r}")
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        spent = budget.get()
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            spent.make(len(left) + len(right))
        elif operator == "+" and isinstance(left, list | tuple) and isinstance(right, list | tuple):
            spent.collect(len(left) + len(right))
        elif operator == "%" and isinstance(left, str):
            _check_format(left, right)
        elif operator == "*" and isinstance(right, str | list | tuple):
            left, right = right, left
        if operator == "*" and isinstance(left, str) and isinstance(right, int):
            spent.make(len(left) * max(right, 0))
        elif operator == "*" and isinstance(left, list | tuple) and isinstance(right, int):
            spent.collect(len(left) * max(right, 0))
        elif isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * max(right, 1) if operator == "**" else left.bit_length() + right.bit_length()
            if bits > _LARGEST_NUMBER_BITS:
                raise BudgetExceeded("the chat template computes with numbers that are too large")
        return super().call_binop(context, operator, left, right)


class _Generation(jinja2.ext.Extension):
    """``{% generation %}`` marks the model's answers for training; here it has no effect."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Dict:
    """``dict(...)`` without the type itself, which would offer a way out of the sandbox."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        values = dict(*args, **kwargs)
        budget.get().collect(len(values))
        return values


class _Namespace(Namespace):
    """``namespace(...)``; names with a leading underscore are refused, since Python gives them meanings."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, given = args[0], args[1:]
        attributes = dict(*given, **kwargs)
        if any(str(name).startswith("_") for name in attributes):
            raise SecurityError("a namespace's names may not begin with an underscore")
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        if str(name).startswith("_"):
            raise SecurityError("a namespace's names may not begin with an underscore")
        Namespace.__setitem__(self, name, value)


def _paying(test: Callable[..., Any]) -> Callable[..., Any]:
    """One of Jinja's tests (``is equalto``) that counts the values it compares."""
    takes_environment = hasattr(test, "jinja_pass_arg")

    @pass_context
    def paying(context: Context, value: Any, *args: Any) -> Any:
        for operand in (value, *args) if args else ():
            budget.get().weigh(operand)
        return test(context.environment, value, *args) if takes_environment else test(value, *args)

    return paying


def _raise_exception(message: Any) -> NoReturn:
    raise JinjaError(_text_of(message)[:1000])


def _strftime_now(pattern: str) -> str:
    if len(pattern) > _LARGEST_WIDTH or re.search(r"\d{3,}", pattern):
        raise SecurityError("this date format is too long")
    return datetime.now().astimezone().strftime(pattern)


def _text_of(value: Any) -> str:
    """A value as the template prints it; the size of a collection is counted before its text is built."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | dict):
        spent = budget.get()
        spent.make(6 * spent.weigh(value))
    return str(value)


@pass_context
def _printed(context: Context, value: Any) -> str:
    return _text_of(value)


def _concat(parts: Iterable[str]) -> str:
    gathered = list(parts)
    budget.get().make(sum(map(len, gathered)))
    return "".join(gathered)


def _check_format(pattern: Any, values: Any) -> None:
    spent = budget.get()
    if _WIDTH.search(pattern):
        raise SecurityError("this format string is not allowed in a chat template")
    spent.make(
        (1 + pattern.count("%") + pattern.count("{")) * (_LARGEST_WIDTH + 6 * spent.weigh(values)) + len(pattern)
    )


def _replaced(text: str, old: str, new: str, count: int = -1) -> str:
    spent = budget.get()
    spent.spend(len(text) // 4)
    occurrences = text.count(old) if count < 0 else min(text.count(old), count)
    spent.make(len(text) + occurrences * max(len(new) - len(old), 0))
    return text.replace(old, new, count)


def _call_method(method: BuiltinMethodType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    owner, name, spent = method.__self__, method.__name__, budget.get()
    if isinstance(owner, dict | list | tuple) and name in _CONTAINER_METHODS:
        spent.weigh(args)
        if name in ("copy", "index", "count"):
            spent.weigh(owner)
    elif isinstance(owner, str) and name in _STRING_METHODS:
        if name == "replace":
            return _replaced(owner, *args, **kwargs)
        if name == "join":
            items: list[Any] = list(*args)
            spent.collect(len(items))
            spent.make(sum(len(item) for item in items if isinstance(item, str)) + len(owner) * len(items))
            return owner.join(items)
        spent.make(len(owner))
        spent.weigh(args)
    else:
        raise SecurityError(f"a chat template may not call {type(owner).__name__}.{name}")
    result = method(*args, **kwargs)
    if isinstance(result, list):
        spent.collect(len(result))
    return result


def _metered(function: Callable[..., Any]) -> Callable[..., Any]:
    """One of Jinja's filters that counts the value it walks through."""
    passed = str(getattr(getattr(function, "jinja_pass_arg", None), "name", ""))

    @pass_context
    def metered(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        spent = budget.get()
        spent.spend(CALL)
        if isinstance(value, str):
            spent.make(len(value))
        if isinstance(value, str | list | tuple | dict | range):
            spent.collect(len(value))
        if function in _COMPARING:
            value = [*value] if not isinstance(value, dict) else value
            spent.spend(10 * spent.weigh(value))
        leading = {"context": (context,), "eval_context": (context.eval_ctx,), "environment": (context.environment,)}
        result = function(*leading.get(passed, ()), value, *args, **kwargs)
        if isinstance(result, list):
            spent.collect(len(result))
        return result

    return metered


_COMPARING = {FILTERS[name] for name in ("dictsort", "groupby", "max", "min", "sort", "unique")}


@pass_context
def _tojson(
    context: Context,
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers writes it in templates: without HTML escapes, with letters beyond ASCII unescaped."""
    spent = budget.get()
    if isinstance(indent, int) and indent > 16:
        raise SecurityError("tojson indents by at most 16 spaces in a chat template")
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    spent.make(2 * spent.weigh(value))
    encoded = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    spent.make(len(encoded))
    return encoded


@pass_context
def _join(context: Context, value: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    if attribute is not None:
        value = [context.environment.getattr(item, attribute) for item in value]
    items = [_text_of(item) for item in value]
    budget.get().make(sum(map(len, items)) + len(separator) * len(items))
    return separator.join(items)


@pass_context
def _replace(context: Context, text: Any, old: str, new: str, count: int | None = None) -> str:
    return _replaced(_text_of(text), old, new, -1 if count is None else count)


@pass_context
def _indent(context: Context, text: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text = _text_of(text)
    margin = width if isinstance(width, str) else " " * min(width, _LARGEST_WIDTH)
    budget.get().make(len(text) + len(margin) * (1 + text.count("\n")))
    indented: str = FILTERS["indent"](text, margin, first, blank)
    return indented


@pass_context
def _sum(context: Context, values: Iterable[Any], attribute: str | None = None, start: float = 0) -> float:
    total = start
    for value in values:
        number = context.environment.getattr(value, attribute) if attribute is not None else value
        if not isinstance(number, int | float):
            raise SecurityError("a chat template may sum numbers only")
        total += number
    return total


@pass_context
def _format(context: Context, pattern: str, *args: Any, **kwargs: Any) -> str:
    _check_format(pattern, (args, kwargs))
    return str(pattern) % (kwargs or args)


_FILTERS: dict[str, Callable[..., Any]] = {
    "tojson": _tojson,
    "join": _join,
    "replace": _replace,
    "indent": _indent,
    "sum": _sum,
    "format": _format,
    "string": pass_context(lambda _, value: _text_of(value)),
    "safe": pass_context(lambda _, value: _text_of(value)),
    "escape": pass_context(lambda _, value: html.escape(_text_of(value))),
    "e": pass_context(lambda _, value: html.escape(_text_of(value))),
}
