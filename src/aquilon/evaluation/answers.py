"""What an answer says, taken out of what the model wrote, and whether it is right."""

from __future__ import annotations

import re
from decimal import Decimal

from aquilon.evaluation.numbers import numbers_in
from aquilon.evaluation.tasks import AnswerTask

_THOUGHTS = re.compile(r"^.*(?:</think>|\[/THINK\])", re.DOTALL)
_ENDS = " \t\n.,;:!?¡¿\"'«»“”„*_`()[]"


def expected_answers(task: AnswerTask, answers: list[str]) -> list[str]:
    """The right answers in the form that `answer_in` returns. Raises ValueError for a number that is none."""
    if task.match == "text":
        return [_plain(answer) for answer in answers]
    language = task.expected_language or task.language
    expected = []
    for answer in answers:
        numbers = numbers_in(answer.rpartition("####")[2], language)
        if len(numbers) != 1:
            raise ValueError(f"the answer {answer[-40:]!r} holds {len(numbers)} numbers: one is expected")
        expected.append(_written(numbers[0]))
    return expected


def answer_in(output: str, task: AnswerTask) -> str:
    """What an output answers: a number in Python's notation, or a text; empty if it has none."""
    output = without_thoughts(output)
    after = _after_marker(output, task.markers)
    if task.match == "text":
        lines = (output if after is None else after).strip().splitlines() or [""]
        return _plain(lines[-1] if after is None else lines[0])
    if after is not None and (numbers := numbers_in(_first_line(after), task.language)):
        return _written(numbers[0])
    numbers = numbers_in(output, task.language)
    return _written(numbers[-1]) if numbers else ""


def without_thoughts(output: str) -> str:
    """An output without the thoughts before its answer."""
    return _THOUGHTS.sub("", output)


def _after_marker(output: str, markers: tuple[str, ...]) -> str | None:
    """What follows the last marker; None without one."""
    lowered = output.lower()
    ends = [at + len(marker) for marker in markers if (at := lowered.rfind(marker.lower())) >= 0]
    return output[max(ends) :] if ends else None


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0]


def _plain(text: str) -> str:
    return " ".join(text.strip(_ENDS).casefold().split())


def _written(number: Decimal) -> str:
    text = format(number.normalize(), "f")
    return "0" if text in ("-0", "") else text
