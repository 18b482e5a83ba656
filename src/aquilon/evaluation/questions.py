"""Puts a task's questions to a model and scores what it answers."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from aquilon.evaluation.answering import Answering, Drawing, NoAnswer, Scoring
from aquilon.evaluation.answers import answer_in, without_thoughts
from aquilon.evaluation.problems import Problem
from aquilon.evaluation.prompting import prompt_of
from aquilon.evaluation.protocol import Sampling
from aquilon.evaluation.results import Measure, QuestionRecord
from aquilon.evaluation.sandbox import run_program
from aquilon.evaluation.sandbox_process import Isolation
from aquilon.evaluation.statistics import accuracy
from aquilon.evaluation.tasks import AnswerTask, ChoiceTask, CodeTask

_BLOCK = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL)
_OUTPUT_CHARACTERS = 20_000

Done = Callable[[], None]
"""Called after each answer."""
Item = TypeVar("Item")
Value = TypeVar("Value")


async def choose(
    task: ChoiceTask, problems: list[Problem], model: Scoring, *, parallel: int, done: Done
) -> tuple[list[QuestionRecord], dict[str, Measure]]:
    """Multiple choice: ``accuracy`` by the likeliest choice, and by the likeliest for each of its bytes."""

    async def scored(problem: Problem) -> tuple[QuestionRecord, list[float]]:
        texts = [task.answer.replace("{answer}", choice) for choice in problem.choices]
        try:
            scores = await model.log_likelihoods(prompt_of(task, problem).text, texts)
        except NoAnswer as error:
            raise NoAnswer(f"line {problem.number} of {task.data}: {error}") from None
        by_bytes = [score / len(choice.encode()) for score, choice in zip(scores, problem.choices, strict=True)]
        done()
        record = QuestionRecord(
            number=problem.number,
            scores=[_is_right(scores, problem)],
            expected=problem.expected[0],
            answers=[str(scores.index(max(scores)))],
            outputs=[" ".join(f"{score:.4f}" for score in scores)],
        )
        return record, [_is_right(by_bytes, problem)]

    results = await _each(problems, scored, parallel)
    return [record for record, _ in results], {
        "accuracy": accuracy([record.scores for record, _ in results]),
        "accuracy_by_bytes": accuracy([right for _, right in results]),
    }


async def ask(
    task: AnswerTask, problems: list[Problem], model: Answering, *, sampling: Sampling, done: Done
) -> list[QuestionRecord]:
    """Answers that are right if they equal what is expected."""
    outputs = await _outputs(task, problems, model, sampling=sampling, done=done)
    records = []
    for problem, written in zip(problems, outputs, strict=True):
        answers = [answer_in(output, task) for output in written]
        records.append(
            QuestionRecord(
                number=problem.number,
                scores=[float(answer in problem.expected) for answer in answers],
                expected=" | ".join(problem.expected),
                answers=answers,
                outputs=[output[:_OUTPUT_CHARACTERS] for output in written],
            )
        )
    return records


async def program(
    task: CodeTask, problems: list[Problem], model: Answering, *, sampling: Sampling, done: Done
) -> tuple[list[QuestionRecord], Isolation | None]:
    """Functions that are right if their tests pass; and what the sandbox gave up."""
    outputs = await _outputs(task, problems, model, sampling=sampling, done=done)
    isolation: Isolation | None = None

    async def tried(pair: tuple[Problem, list[str]]) -> QuestionRecord:
        nonlocal isolation
        problem, written = pair
        scores, reasons = [], []
        for output in written:
            code = function_in(output, problem, chat=model.chat)
            source = f"{code}\n\n{problem.test}\n\ncheck({problem.entry_point})\n"
            ran = await run_program(source, seconds=task.seconds, memory=task.memory)
            isolation = ran.isolation
            scores.append(float(ran.passed))
            reasons.append("passes" if ran.passed else ran.reason)
        return QuestionRecord(
            number=problem.number,
            scores=scores,
            expected="passes",
            answers=reasons,
            outputs=[output[:_OUTPUT_CHARACTERS] for output in written],
        )

    pairs = list(zip(problems, outputs, strict=True))
    records = await _each(pairs, tried, os.cpu_count() or 1)
    return records, isolation


def function_in(output: str, problem: Problem, *, chat: bool) -> str:
    """The whole program before its tests: what the model wrote, after what the question has already."""
    if not chat:
        return problem.question + output
    output = without_thoughts(output)
    blocks = [block for block in _BLOCK.findall(output) if block.strip()]
    code = next((block for block in blocks if f"def {problem.entry_point}" in block), blocks[0] if blocks else output)
    if f"def {problem.entry_point}" not in code:
        return problem.question + code
    before, _, _ = problem.question.partition(f"def {problem.entry_point}")  # its imports and other functions
    return before + "\n" + code


async def _outputs(
    task: AnswerTask | CodeTask, problems: list[Problem], model: Answering, *, sampling: Sampling, done: Done
) -> list[list[str]]:
    """What the model writes to each question, with each seed."""

    async def answered(pair: tuple[Problem, int]) -> str:
        problem, seed = pair
        drawing = Drawing(
            max_tokens=sampling.max_tokens or task.max_tokens,
            stop=task.stop,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=seed,
        )
        try:
            output = await model.answer(prompt_of(task, problem), drawing)
        except NoAnswer as error:
            raise NoAnswer(f"line {problem.number} of {task.data}: {error}") from None
        done()
        return output

    pairs = [(problem, seed) for problem in problems for seed in sampling.seeds]
    outputs = await _each(pairs, answered, sampling.parallel)
    seeds = len(sampling.seeds)
    return [outputs[start : start + seeds] for start in range(0, len(outputs), seeds)]


async def _each(items: Sequence[Item], act: Callable[[Item], Awaitable[Value]], parallel: int) -> list[Value]:
    """The results in order, ``parallel`` at a time. The first error ends the others."""
    places = asyncio.Semaphore(parallel)

    async def one(item: Item) -> Value:
        async with places:
            return await act(item)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in items]
    return [task.result() for task in tasks]


def _is_right(scores: list[float], problem: Problem) -> float:
    return float(str(scores.index(max(scores))) == problem.expected[0])
