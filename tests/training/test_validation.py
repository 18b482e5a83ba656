"""Data is checked before any weight is read: all lines, by their numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.commands import run_aquilon
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.training.protocol import Dpo, Lora, Sft, Training, UnusableJob
from aquilon.training.speeds import Machine
from aquilon.training.validation import Check, Problem, check, faults

MACHINE = Machine("a stand-in", 1e9, False, 4)
CHAT = {"messages": [{"role": "user", "content": "Say one"}, {"role": "assistant", "content": "One"}]}
WITHOUT_ROLE = {"messages": [{"content": "Say one"}, {"role": "assistant", "content": "One"}]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("base"), tiny_checkpoint())


def _write(path: Path, lines: list[Any]) -> Path:
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def _checked(model: Path, tmp_path: Path, lines: list[Any], **more: Any) -> Check:
    data = _write(tmp_path / "data.jsonl", lines)
    return check(Sft(model=str(model), data=[str(data)], **more), machine=MACHINE)


def test_usable_data_is_counted_and_what_it_takes_is_estimated(model: Path, tmp_path: Path) -> None:
    result = _checked(model, tmp_path, [CHAT] * 40, lora=Lora(rank=4))
    assert result.is_usable
    assert result.problems == []
    tokens = len("Say one") + len("One") + 4  # a token a byte, two roles, two ends
    statistics, estimate = result.statistics, result.estimate
    assert (statistics.lines, statistics.tokens, statistics.longest) == (40, 40 * tokens, tokens)
    assert statistics.trained_tokens == 40 * len(["O", "n", "e", "<|end|>"])
    assert estimate is not None
    assert estimate.epochs == 3
    assert estimate.trained_parameters == 4096
    assert estimate.seconds > 0
    assert estimate.memory_bytes > 26_912 * 4


def test_more_parameters_and_more_tokens_take_longer_and_all_weights_more_memory(model: Path, tmp_path: Path) -> None:
    small = _checked(model, tmp_path, [CHAT] * 40, lora=Lora(rank=4)).estimate
    long = _checked(model, tmp_path, [CHAT] * 400, lora=Lora(rank=4)).estimate
    all_weights = _checked(model, tmp_path, [CHAT] * 40).estimate
    assert small is not None
    assert long is not None
    assert all_weights is not None
    assert long.seconds > 5 * small.seconds
    assert all_weights.seconds > small.seconds
    assert all_weights.memory_bytes > small.memory_bytes


def test_the_ten_thousandth_line_without_a_role_is_named(model: Path, tmp_path: Path) -> None:
    result = _checked(model, tmp_path, [*[CHAT] * 9_999, WITHOUT_ROLE])
    [problem] = result.problems
    assert (problem.line, result.statistics.lines) == (10_000, 9_999)
    assert problem.message == ("messages[0]: 'role' is missing: it is one of system, developer, user, assistant, tool")


def test_many_problems_are_counted_and_the_first_are_shown(model: Path, tmp_path: Path) -> None:
    result = _checked(model, tmp_path, [WITHOUT_ROLE] * 50)
    assert (result.problem_count, len(result.problems), result.estimate) == (50, 20, None)
    assert [problem.line for problem in result.problems] == list(range(1, 21))
    assert [fault.place for fault in faults(result.problems)] == ["lines 1 to 20"]


def test_lines_that_follow_each_other_and_have_the_same_make_one_fault() -> None:
    lines = [(None, "x"), (1, "x"), (2, "x"), (4, "x"), (5, "y"), (6, "y")]
    problems = [Problem(path="a.jsonl", line=line, message=message) for line, message in lines]
    assert [(fault.place, fault.message, fault.count) for fault in faults(problems)] == [
        ("", "x", 1),
        ("lines 1 to 2", "x", 2),
        ("line 4", "x", 1),
        ("lines 5 to 6", "y", 2),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"messages": [{"role": "user", "content": "caf\xe9"}]}', "UTF-8"),
        (b'{"messages": [', "JSON"),
        (b"[1, 2]", "is no JSON object"),
    ],
)
def test_a_damaged_line_is_named(model: Path, tmp_path: Path, line: bytes, says: str) -> None:
    [problem] = _checked(model, tmp_path, [CHAT, line, CHAT]).problems
    assert problem.line == 2
    assert says.lower() in problem.message.lower()


def test_a_conversation_that_does_not_fit_is_named_with_its_tokens(model: Path, tmp_path: Path) -> None:
    long = {"messages": [{"role": "user", "content": "a" * 600}, {"role": "assistant", "content": "b"}]}
    [problem] = _checked(model, tmp_path, [CHAT, long]).problems
    assert problem.line == 2
    assert problem.message.startswith("the conversation has 605 tokens, and the context holds 512")


def test_an_empty_file_and_a_missing_one_are_problems(model: Path, tmp_path: Path) -> None:
    assert [problem.message for problem in _checked(model, tmp_path, []).problems] == ["is empty"]
    missing = check(Sft(model=str(model), data=[str(tmp_path / "none.jsonl")]), machine=MACHINE)
    assert [problem.message for problem in missing.problems] == ["does not exist"]


def test_pairs_are_checked_too(model: Path, tmp_path: Path) -> None:
    data = _write(tmp_path / "pairs.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}, CHAT])
    result = check(Dpo(model=str(model), data=[str(data)], training=Training(steps=3)), machine=MACHINE)
    assert [(problem.line, problem.message[:20]) for problem in result.problems] == [(2, "'prompt' is missing:")]
    assert result.statistics.lines == 1
    assert result.estimate is not None
    assert result.estimate.steps == 3


def test_what_may_surprise_is_noted(model: Path, tmp_path: Path) -> None:
    notes = _checked(model, tmp_path, [CHAT | {"source": "x"}]).notes
    assert notes == [
        "there is 1 conversation only: a model learns a style from about 50",
        "nothing reads the fields source",
    ]


def test_a_model_that_cannot_be_tuned_is_refused(model: Path, tmp_path: Path) -> None:
    data = _write(tmp_path / "data.jsonl", [CHAT])
    plain = write_checkpoint(tmp_path / "plain", tiny_checkpoint(chat=False))
    with pytest.raises(UnusableJob, match="has no chat template"):
        check(Sft(model=str(plain), data=[str(data)]), machine=MACHINE)
    with pytest.raises(UnusableJob, match="context is 4096: the model's context holds 512 tokens"):
        check(Sft(model=str(model), data=[str(data)], context=4096), machine=MACHINE)
    files = tiny_checkpoint()
    config = json.loads(files["config.json"]) | {"vocab_size": 200}
    other = write_checkpoint(tmp_path / "other", files | {"config.json": json.dumps(config).encode()})
    with pytest.raises(UnusableJob, match="model: "):
        check(Sft(model=str(other), data=[str(data)]), machine=MACHINE)


def test_the_command_prints_problems_and_ends_with_2(model: Path, tmp_path: Path) -> None:
    data = _write(tmp_path / "data.jsonl", [CHAT, WITHOUT_ROLE])
    outcome = run_aquilon(tmp_path, "train", "sft", "--model", str(model), "--data", str(data), "--out", "run")
    assert outcome.code == 2
    assert f"{data}, line 2: messages[0]: 'role' is missing" in outcome.err
    assert not Path("run").exists()


def test_the_check_alone_answers_a_program(model: Path, tmp_path: Path) -> None:
    data = _write(tmp_path / "data.jsonl", [CHAT] * 20)
    arguments = ("train", "sft", "--model", str(model), "--data", str(data), "--check")
    outcome = run_aquilon(tmp_path, *arguments, "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["statistics"]["lines"] == 20
    said = run_aquilon(tmp_path, *arguments, "--lora", "4").err
    assert "20 conversations of 280 tokens, 80 of them trained" in said
    assert "Training 4.1K of 31K parameters, 48 steps (3 × the data)\nEstimate for this machine (" in said


def test_an_unknown_model_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "aquilon.db").touch()
    outcome = run_aquilon(tmp_path, "train", "dpo", "--model", "smolm", "--data", "x.jsonl", "--check")
    assert outcome.code == 2
    assert "--model: There is no model 'smolm'" in outcome.err
