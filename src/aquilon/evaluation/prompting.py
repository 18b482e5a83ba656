"""What a model is asked: as one text to continue, or as a conversation."""

from __future__ import annotations

from dataclasses import dataclass

from aquilon.evaluation.problems import Problem
from aquilon.evaluation.tasks import AnswerTask, ChoiceTask, CodeTask, QuestionTask
from aquilon.text.messages import Message


@dataclass(frozen=True)
class Prompt:
    """One question in both forms."""

    text: str
    messages: tuple[Message, ...]


def prompt_of(task: QuestionTask, problem: Problem) -> Prompt:
    if isinstance(task, CodeTask):
        wish = f"{task.instruction}\n\n```python\n{problem.question}\n```"
        return Prompt(problem.question, (Message("user", wish),))
    return Prompt(_text(task, problem.question), _messages(task, problem.question))


def _text(task: ChoiceTask | AnswerTask, question: str) -> str:
    parts = [task.instruction] if task.instruction else []
    parts += [
        _filled(task.prompt, example.question) + task.answer.replace("{answer}", example.answer)
        for example in task.examples
    ]
    return task.separator.join([*parts, _filled(task.prompt, question)])


def _messages(task: ChoiceTask | AnswerTask, question: str) -> tuple[Message, ...]:
    """The examples are earlier turns, as they are."""
    messages = [Message("system", task.instruction)] if task.instruction else []
    for example in task.examples:
        messages += [Message("user", example.question), Message("assistant", example.answer)]
    return (*messages, Message("user", question))


def _filled(template: str, question: str) -> str:
    return template.replace("{question}", question)
