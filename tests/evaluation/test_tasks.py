"""Tasks are found by name or file, and what can't be used is refused with what would be right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aquilon.evaluation.problems import read_problems
from aquilon.evaluation.prompting import prompt_of
from aquilon.evaluation.task_files import TaskFinder, UnusableTask, known_names
from aquilon.evaluation.tasks import AnswerTask, ChoiceTask, CodeTask, file_sha256s, task_sha256
from aquilon.training.data.documents import UnreadableSource


@pytest.fixture
def finder(tmp_path: Path) -> TaskFinder:
    return TaskFinder(tmp_path)


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_an_unknown_task_is_refused_with_the_nearest_name(finder: TaskFinder) -> None:
    with pytest.raises(UnusableTask, match="there is no task 'mgsm-fre': did you mean 'mgsm-fr'"):
        finder.find("mgsm-fre")
    with pytest.raises(UnusableTask, match="name one of bpb, gsm8k"):
        finder.find("zzzz")


def test_a_known_task_without_its_questions_says_where_they_belong(finder: TaskFinder) -> None:
    with pytest.raises(UnusableTask, match=r"mgsm-fr.tsv or mgsm_fr.tsv in .*url-nlp"):
        finder.find("mgsm-fr")


@pytest.mark.parametrize("name", known_names())
def test_each_known_task_describes_itself_and_its_examples_answer_in_its_own_way(name: str, finder: TaskFinder) -> None:
    line = {"question": "?", "answer": "#### 1", "prompt": "def f():", "test": "pass", "entry_point": "f"}
    file = {"gsm8k": "gsm8k-test.jsonl", "humaneval": "humaneval.jsonl"}.get(name, f"{name}.tsv")
    (finder.folder / file).write_text(f"{json.dumps(line)}\n" if file.endswith("jsonl") else "?\t1\n")
    task = finder.find(name)
    assert task.name == name
    assert finder.present() == [task]
    if isinstance(task, AnswerTask):
        from aquilon.evaluation.answers import answer_in

        assert [answer_in(example.answer, task) for example in task.examples] == ["39", "63", "55"]


def test_a_file_of_questions_tells_what_kind_of_task_it_is(finder: TaskFinder, tmp_path: Path) -> None:
    choice = write(tmp_path / "a.jsonl", {"question": "q", "choices": ["x", "y"], "answer": "y"})
    number = write(tmp_path / "b-fr.jsonl", {"question": "q", "answer": "1 234,5"})
    text = write(tmp_path / "c.jsonl", {"question": "q", "answer": ["Paris", "Paname"]})
    code = write(tmp_path / "d.jsonl", {"prompt": "def f():\n", "test": "def check(f): pass", "entry_point": "f"})
    found = [finder.find(str(path)) for path in (choice, number, text, code)]
    assert [type(task) for task in found] == [ChoiceTask, AnswerTask, AnswerTask, CodeTask]
    assert [read_problems(task)[0].expected for task in found] == [
        ("1",),
        ("1234.5",),
        ("paris", "paname"),
        ("passes",),
    ]


def test_a_limit_takes_questions_from_all_over_the_file(finder: TaskFinder, tmp_path: Path) -> None:
    write(tmp_path / "q.jsonl", *({"question": "?", "answer": str(number)} for number in range(1, 11)))
    task = finder.find(str(tmp_path / "q.jsonl"))
    for limit, numbers in ((4, [1, 3, 6, 8]), (10, list(range(1, 11))), (1, [1]), (10**12, list(range(1, 11)))):
        assert [problem.number for problem in read_problems(task, limit)] == numbers


def test_a_task_file_states_its_prompt_and_examples(finder: TaskFinder, tmp_path: Path) -> None:
    write(tmp_path / "q.jsonl", {"question": "Capital of Italy?", "answer": "Rome"})
    (tmp_path / "capitals.toml").write_text(
        'kind = "answer"\ndata = "q.jsonl"\nmatch = "text"\ninstruction = "Be brief."\nprompt = "Q: {question}\\nA:"\n'
        '[[examples]]\nquestion = "Capital of France?"\nanswer = "Paris"\n'
    )
    task = finder.find("capitals")
    [problem] = read_problems(task)
    question = prompt_of(task, problem)
    assert question.text == "Be brief.\n\nQ: Capital of France?\nA: Paris\n\nQ: Capital of Italy?\nA:"
    assert [message.content for message in question.messages] == [
        "Be brief.",
        "Capital of France?",
        "Paris",
        "Capital of Italy?",
    ]


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ('kind = "answer"\ndata = "q.jsonl"\npromt = "x"', "'promt' is unknown: did you mean 'prompt'"),
        ('kind = "quiz"\ndata = "q.jsonl"', "kind is 'quiz': it must be one of choice, answer, code"),
        ('kind = "answer"\ndata = "none.jsonl"', "needs its questions, none.jsonl in"),
        ('kind = "answer"\ndata = "q.jsonl"\nprompt = "Say:"', "it must hold {question}"),
        ("kind = ", "is no TOML"),
    ],
)
def test_a_task_file_with_a_mistake_is_refused(finder: TaskFinder, tmp_path: Path, toml: str, problem: str) -> None:
    write(tmp_path / "q.jsonl", {"question": "q", "answer": "1"})
    (tmp_path / "mine.toml").write_text(toml)
    with pytest.raises(UnusableTask, match=problem):
        finder.find("mine")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"question": "q", "choices": ["x", "y"], "answer": "z"}, "'answer' is 'z': it must be one of the choices"),
        ({"question": "q", "choices": ["x"], "answer": 0}, "'choices' must be a list of 2 to 100 texts"),
        ({"choices": ["x", "y"], "answer": 0}, "has no text in its field 'question'; its fields are choices, answer"),
        ([1], "is no JSON object"),
    ],
)
def test_a_bad_question_is_named_by_its_line(tmp_path: Path, line: object, problem: str) -> None:
    path = write(tmp_path / "q.jsonl", {"question": "q", "choices": ["x", "y"], "answer": 1}, line)
    with pytest.raises(UnreadableSource, match=f"line 2: {problem}"):
        read_problems(ChoiceTask(name="t", data=str(path)))


def test_the_hash_of_a_task_follows_its_data_and_prompt_and_not_their_place(tmp_path: Path) -> None:
    def of(path: Path, **fields: str) -> str:
        return task_sha256(AnswerTask(name="t", data=str(path), **fields), file_sha256s([path]))

    first = write(tmp_path / "a.jsonl", {"question": "q", "answer": "1"})
    same = write(tmp_path / "b.jsonl", {"question": "q", "answer": "1"})
    other = write(tmp_path / "c.jsonl", {"question": "q", "answer": "2"})
    assert of(first) == of(same)
    assert len({of(first), of(other), of(first, prompt="Q: {question}")}) == 3
