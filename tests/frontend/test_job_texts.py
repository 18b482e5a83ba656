"""The console has a sentence for every event of a fine-tuning job and every reason why one fails."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = "".join(file.read_text() for file in Path("src/aquilon/jobs/fine_tuning").glob("*.py"))
TEXTS = Path("frontend/src/console/fine-tuning/texts/en.ts").read_text()


def known(kind: str) -> set[str]:
    return set(re.findall(rf'"tuning\.{kind}\.(\w+)"', TEXTS))


def test_every_event_has_a_sentence_and_every_sentence_an_event() -> None:
    codes = re.findall(r'NewEvent\.said\(\s*"(\w+)"|code = "(\w+)" if event\.step else "(\w+)"', SOURCE)
    assert {code for group in codes for code in group if code} == known("event")


def test_every_failure_of_a_job_has_a_sentence() -> None:
    codes = re.findall(r'JobFailed\((?:[^()]|\([^()]*\))*?code="(\w+)"', SOURCE)
    assert len(codes) > 5
    assert set(codes) <= known("problem")
