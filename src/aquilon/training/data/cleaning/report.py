"""What happened to the text, stage by stage: ``report.json`` and ``report.html``."""

from __future__ import annotations

import msgspec

from aquilon.checkpoints.arrival import size_text
from aquilon.training.data.cleaning.records import STAGES, StageCount
from aquilon.training.report_page import bars, page, paragraph, section, table
from aquilon.wording import counted

_EXPLAINED = {
    "read": "Documents that could be read",
    "address": "Web addresses on no list of unwanted ones",
    "language": "The languages asked for, identified by lingua",
    "lines": "Lines that many documents repeat, or in another language than their document, are removed",
    "repetition": "Gopher's rules on repeated lines, paragraphs and groups of words",
    "quality": "Gopher's rules on lengths, signs, bullets and stop words",
    "c4": "C4's rules: at least three sentences, no filler text, no notices about cookies",
    "fineweb": "FineWeb's rules on lines: punctuation, shortness, repetition",
    "equal": "Equal documents: the first is kept",
    "similar": "Nearly equal documents by MinHash: the first is kept",
    "evaluation": "Nothing of the evaluation sets",
    "personal": "E-mail addresses, IBANs, phone numbers and IP addresses are replaced",
}
_MOST_REASONS = 12


class CleaningReport(msgspec.Struct, frozen=True, kw_only=True):
    sources: list[str]
    languages: list[str]
    """Those asked for; empty: all."""
    against: list[str]
    files: list[str]
    """The result, relative to the folder."""
    stages: dict[str, StageCount]
    """In their order. A stage's documents and bytes are those that it kept."""

    @property
    def documents(self) -> int:
        return self.stages["personal"].documents

    @property
    def bytes(self) -> int:
        return self.stages["personal"].bytes


def report_html(report: CleaningReport) -> str:
    languages = sorted({name for stage in report.stages.values() for name in stage.by_language})
    shown = sorted(languages, key=lambda name: -report.stages["language"].by_language.get(name, 0))[:6]
    read = report.stages["read"]
    sections = [
        paragraph(
            f"Of {counted(read.documents, 'document')} with {size_text(read.bytes)}, {report.documents:,} with "
            f"{size_text(report.bytes)} are left. What each stage rejected, with the reason, is in "
            "rejects/STAGE.jsonl.zst."
        ),
        bars(
            "Text that each stage kept",
            {name: {"": report.stages[name].bytes} for name in STAGES},
            _size,
        ),
        table(
            ["stage", "documents kept", "rejected", "bytes kept", "what it does"],
            [
                [name, count.documents, count.rejected, count.bytes, _EXPLAINED[name]]
                for name, count in report.stages.items()
            ],
        ),
        section(
            "By language",
            bars(
                "Text after three of the stages, of the languages with most of it",
                {
                    name: {language: report.stages[name].by_language.get(language, 0) for language in shown}
                    for name in ("language", "fineweb", "personal")
                },
                _size,
            ),
            table(
                ["bytes kept", *shown],
                [
                    [name, *(report.stages[name].by_language.get(language, 0) for language in shown)]
                    for name in STAGES[STAGES.index("language") :]
                ],
            ),
        ),
        section("Reasons", table(["stage", "reason", "number"], _reasons(report))),
        section(
            "Examples",
            table(
                ["stage", "reason", "document", "text"],
                [
                    [name, example.reason[:80], example.id[:80], example.text]
                    for name, count in report.stages.items()
                    for example in count.examples
                ],
            ),
        ),
        paragraph(
            f"Sources: {', '.join(report.sources)}. Languages asked for: {', '.join(report.languages) or 'all'}. "
            f"Evaluation sets: {', '.join(report.against) or 'none'}."
        ),
    ]
    return page("Clean text", sections)


def _size(amount: float) -> str:
    return size_text(int(amount))


def _reasons(report: CleaningReport) -> list[list[str | int]]:
    rows: list[list[str | int]] = []
    for name, count in report.stages.items():
        reasons = sorted(count.reasons.items(), key=lambda item: -item[1])
        rows += [[name, reason, number] for reason, number in reasons[:_MOST_REASONS]]
        if len(reasons) > _MOST_REASONS:
            rows.append([name, f"{len(reasons) - _MOST_REASONS} others", sum(n for _, n in reasons[_MOST_REASONS:])])
    return rows
