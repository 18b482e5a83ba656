"""``aquilon train data``: what is kept, what is rejected and why, and that it goes on where it was stopped."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.support.commands import aquilon, run_aquilon
from tests.support.polling import wait_until
from tests.support.prose import prose

from aquilon.training.data.cleaning import cleaning, passes
from aquilon.training.data.cleaning.addresses import ListedAddresses, write_listed
from aquilon.training.data.cleaning.cleaning import CleaningRefused, clean
from aquilon.training.data.cleaning.contamination import EvaluationSets
from aquilon.training.data.cleaning.duplicates import EQUAL, SIMILAR, UNIQUE, signature, verdicts
from aquilon.training.data.cleaning.foreign_lines import without_foreign_lines
from aquilon.training.data.cleaning.lines import frequent_keys, line_keys, without_lines
from aquilon.training.data.cleaning.personal_data import without_personal_data
from aquilon.training.data.cleaning.quality import is_wrapped, quality_filters, refusal
from aquilon.training.data.cleaning.report import CleaningReport
from aquilon.training.data.cleaning.words import PLAIN_WORDS

FRENCH = [prose("fr", seed=seed) for seed in range(30)]
GERMAN = [prose("de", seed=seed) for seed in range(12)]


def write_documents(path: Path, documents: Sequence[str | dict[str, Any]]) -> Path:
    lines = [{"text": document} if isinstance(document, str) else document for document in documents]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def cleaned(sources: Sequence[Path], out: Path, **options: Any) -> CleaningReport:
    return clean(sources, out, workers=1, progress=lambda name, done, total: None, **options)


def lines_of(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as stored:
        reader = zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True)
        return [json.loads(line) for line in io.BufferedReader(reader)]


def results(out: Path) -> list[dict[str, Any]]:
    return [line for path in sorted((out / "text").iterdir()) for line in lines_of(path)]


def rejects(out: Path, stage: str) -> list[dict[str, Any]]:
    return lines_of(out / "rejects" / f"{stage}.jsonl.zst")


def test_good_prose_comes_through_with_its_language_and_where_it_is_from(tmp_path: Path) -> None:
    source = write_documents(
        tmp_path / "web.jsonl", [{"text": FRENCH[0], "id": "a1", "source": "a site"}, {"text": GERMAN[0]}]
    )
    report = cleaned([source], tmp_path / "out")
    assert results(tmp_path / "out") == [
        {"text": FRENCH[0], "language": "fr", "source": "a site", "id": "a1"},
        {"text": GERMAN[0], "language": "de", "source": "web.jsonl", "id": "web.jsonl#2"},
    ]
    assert report.documents == 2


def test_every_stage_counts_and_keeps_what_it_rejects_with_the_reason(tmp_path: Path) -> None:
    documents = [
        *FRENCH[:10],
        GERMAN[0],
        "Le boulanger du village ouvre sa porte à six heures. " * 40,  # repetition
        " ".join(prose("fr", seed=97).split()[:40]),  # quality
        FRENCH[0],
        FRENCH[1].replace("pluie", "neige") + "\nUne dernière ligne est ajoutée par quelqu'un.",
        prose("fr", seed=99)
        + "\nLe marchand vend quatre pommes et trois poires à chacun de ses douze clients fidèles.",
        prose("fr", seed=98) + "\nÉcrivez à marie.durand@mairie-exemple.fr ou appelez le 01 23 45 67 89.",
    ]
    source = write_documents(tmp_path / "web.jsonl", documents)
    with source.open("ab") as file:
        file.write(b'{"text": "caf\xe9"}\nnot json\n')
    evaluation = tmp_path / "exam.jsonl"
    evaluation.write_text(
        json.dumps({"question": "Le marchand vend 4 pommes et 3 poires à chacun"})
        + "\n"
        + json.dumps(
            {"question": "le marchand vend quatre pommes et trois poires à chacun de ses douze clients fidèles"}
        )
    )
    out = tmp_path / "out"
    report = cleaned([source], out, languages=["fr"], against=[evaluation])
    counted = {name: (count.documents, count.rejected) for name, count in report.stages.items()}
    assert counted["read"] == (17, 0)
    assert sum(report.stages["read"].reasons.values()) == len(rejects(out, "read")) == 2
    assert [line["reason"] for line in rejects(out, "language")] == ["de"]
    assert [line["text"] for line in rejects(out, "repetition")] == [documents[11]]
    assert [(line["reason"], line["text"]) for line in rejects(out, "quality")] == [("gopher_short_doc", documents[12])]
    assert [line["reason"] for line in rejects(out, "equal")] == [f"as another: {source}#1"]
    assert [line["reason"] for line in rejects(out, "similar")] == [f"as another: {source}#2"]
    assert rejects(out, "evaluation")[0]["reason"].startswith("in exam.jsonl: le marchand vend quatre pommes")
    assert report.stages["personal"].reasons == {"[EMAIL]": 1, "[PHONE]": 1}
    assert "Écrivez à [EMAIL] ou appelez le [PHONE]." in results(out)[-1]["text"]
    before = 17 + report.stages["read"].rejected
    for count in report.stages.values():
        assert count.documents + count.rejected == before
        before = count.documents
    assert before == len(results(out)) == 11


def test_the_report_is_one_page_with_table_and_plots(tmp_path: Path) -> None:
    source = write_documents(tmp_path / "web.jsonl", [*FRENCH[:3], "<script>alert(1)</script>"])
    aquilon(tmp_path, "train", "data", str(source), "--out", str(tmp_path / "out"), "--workers", "1")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<svg" in page
    assert "<table" in page
    assert "<script>" not in page
    assert "src=" not in page
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["stages"]["personal"]["by_language"] == {"fr": sum(len(text.encode()) for text in FRENCH[:3])}


def test_lines_that_many_documents_repeat_are_removed_and_kept_among_the_rejects(tmp_path: Path) -> None:
    notice = "Copie {} : ce site utilise des témoins pour mesurer son audience."
    documents = [f"{text}\n{notice.format(number)}" for number, text in enumerate(FRENCH[:15])]
    cleaned([write_documents(tmp_path / "web.jsonl", documents)], tmp_path / "out")
    assert [line["text"] for line in results(tmp_path / "out")] == FRENCH[:15]
    assert all(line["reason"] == "repeated line" for line in rejects(tmp_path / "out", "lines"))


def test_lines_in_another_language_than_their_document_are_removed() -> None:
    instructions = [
        "- Return the raw output, without wrapping it in a Markdown code block.",
        "Translate the following Markdown content from **English** to **German** while adhering to the rules above.",
    ]
    text = "\n".join([instructions[0], GERMAN[0], instructions[1], GERMAN[1]])
    assert without_foreign_lines(text, "de") == (f"{GERMAN[0]}\n{GERMAN[1]}", instructions)
    assert without_foreign_lines(GERMAN[0] + "\n" + GERMAN[1] + "\n" + FRENCH[0] * 3, "de")[1] == []
    for language, texts in (("fr", FRENCH), ("de", GERMAN)):
        assert all(without_foreign_lines(good, language)[1] == [] for good in texts)


def test_lines_that_are_cut_to_a_width_need_no_full_stop() -> None:
    cut = textwrap.fill(" ".join(FRENCH[0].splitlines()), 70)
    menu = "\n".join(["Accueil et nouveautés", "Nos produits", "Qui sommes-nous depuis toujours ?", "Contact"] * 4)
    rule = quality_filters("fr")["fineweb"]
    assert is_wrapped(cut)
    assert refusal(rule, cut) == (None, cut)
    assert not is_wrapped(menu)
    assert not is_wrapped(FRENCH[0].replace("\n", " "))


@pytest.mark.parametrize(
    ("sentence", "words", "sentences"),
    [
        ("L'été, dit-elle, finit ! Déjà ?", ["L'", "été", "dit", "elle", "finit", "!", "Déjà", "?"], 2),
        ('Er kam – und sah: 3,5 km. "Ja." Ende', ["Er", "kam", "–", "und", "sah", "3", "5", "km", "Ja", "Ende"], 3),
        ("", [], 0),
    ],
)
def test_words_and_sentences_are_cut_alike_in_all_languages(sentence: str, words: list[str], sentences: int) -> None:
    assert PLAIN_WORDS.word_tokenize(sentence) == words
    assert len(PLAIN_WORDS.sent_tokenize(sentence)) == len(PLAIN_WORDS.span_tokenize(sentence)) == sentences


@given(st.lists(st.lists(st.integers(0, 20), max_size=30), max_size=8), st.integers(1, 5))
def test_frequent_lines_are_those_that_a_plain_count_finds(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[int]], least: int
) -> None:
    folder = tmp_path_factory.mktemp("keys")
    lines = [
        {f"A line with the letter {chr(97 + number)} at its end, {chr(97 + number)}" for number in d} for d in documents
    ]
    files = []
    for number, document in enumerate(lines):
        files.append(folder / f"{number}.bin")
        line_keys("\n".join(document)).tofile(files[-1])
    frequent = frequent_keys(files, least=least)
    for line in set().union(*lines):
        often = sum(line in document for document in lines) >= least
        assert without_lines(line, frequent) == (("", [line]) if often else (line, []))


def test_large_files_of_lines_are_counted_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    for number in range(3):
        random.integers(0, 5000, 4000, dtype=np.uint64).tofile(tmp_path / f"{number}.bin")
    files = sorted(tmp_path.iterdir())
    whole = frequent_keys(files, least=4)
    monkeypatch.setattr("aquilon.training.data.cleaning.lines._IN_MEMORY", 10_000)
    assert len(whole)
    assert np.array_equal(frequent_keys(files, least=4), whole)


def test_nearly_equal_documents_are_found_and_the_first_is_kept(tmp_path: Path) -> None:
    """Of random documents, nine of ten with four fifths in common, as the method promises, and none with little."""
    random = Random(1)
    words = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(3000)]
    originals = [[random.choice(words) for _ in range(300)] for _ in range(60)]
    near = [[*words_[:270], *random.choices(words, k=30)] for words_ in originals]
    far = [[*words_[:100], *random.choices(words, k=200)] for words_ in originals]
    documents = [" ".join(document) for document in [*originals, *near, *far, originals[0]]]
    records = [signature(text, file=number % 3, number=number) for number, text in enumerate(documents)]
    half = len(records) // 2
    np.concatenate(records[:half]).tofile(tmp_path / "0.bin")
    np.concatenate(records[half:]).tofile(tmp_path / "1.bin")
    judged = verdicts([tmp_path / "0.bin", tmp_path / "1.bin"])
    assert all(kind == UNIQUE for kind in judged["kind"][:60])
    similar = [n for n in range(60) if judged["kind"][60 + n] == SIMILAR and judged["number"][60 + n] == n]
    assert len(similar) >= 50
    assert sum(judged["kind"][120:180] != UNIQUE) <= 3
    assert (judged["kind"][180], judged["file"][180], judged["number"][180]) == (EQUAL, 0, 0)


@pytest.mark.parametrize(
    ("text", "clean_text"),
    [
        ("Mail an max.mustermann+x@uni-köln.example.de, bitte", "Mail an [EMAIL], bitte"),
        ("Write to o'neil@example.co.uk.", "Write to o'[EMAIL]."),
        ("IBAN : FR76 3000 6000 0112 3456 7890 189.", "IBAN : [IBAN]."),
        ("IBAN DE89370400440532013000", "IBAN [IBAN]"),
        ("IBAN DE89370400440532013001", "IBAN DE89370400440532013001"),  # its check digits are wrong
        ("Tél. 01 23 45 67 89 ou 01.23.45.67.89", "Tél. [PHONE] ou [PHONE]"),
        ("Tel.: +49 (0)30 901820, 030/901820", "Tel.: [PHONE], [PHONE]"),
        ("Telefono 347 1234567, +39 06 6982", "Telefono [PHONE], +39 06 6982"),
        ("Llame al 612 345 678", "Llame al [PHONE]"),
        ("Call +1 (212) 555-0123 now", "Call [PHONE] now"),
        ("from 81.2.69.142 to 192.168.0.1", "from [IP] to 192.168.0.1"),
        ("2a02:2788:1004:1020:1d3a::1 is mine", "[IP] is mine"),
        ("À 12:30:45, le 01/02/2024, 1.234.567,89 €, art. L3245-1, 39 39", None),
        ("Vom 01.02.2024 bis 31.12.2025; § 123 Absatz 456; ISBN 978-3-16-148410-0", None),
        ("1000 2000 3000, 0.5 1.25, 2 147 483 648 habitants en 1998 2003", None),
    ],
)
def test_personal_data_is_replaced_and_other_numbers_stay(text: str, clean_text: str | None) -> None:
    assert without_personal_data(text)[0] == (text if clean_text is None else clean_text)


def test_an_evaluation_set_is_found_in_other_capitals_signs_and_accents(tmp_path: Path) -> None:
    (tmp_path / "exam.tsv").write_text(
        "Janet’s ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins.\t18\n"
        '"Quel est le plus grand fleuve de France métropolitaine ?\t7\nTrop court ?\t1\n'
    )
    sets = EvaluationSets([tmp_path / "exam.tsv"])
    assert sets.match("He said: ducks lay 12 eggs per day; she eats three, for breakfast — every day") is None
    match = sets.match("Janet's ducks lay 12 eggs per day; she eats THREE, for breakfast — every morning and more")
    assert match is not None
    assert match[0] == "exam.tsv"
    assert sets.match("on demande quel est le plus grand fleuve de france metropolitaine, la Loire") is not None
    assert sets.match("Trop court ? Oui, c'est trop court.") is None


@pytest.mark.parametrize("part", [".", "+1", "00111111111111111111 ", "a@", "[", "((", "1.1.", "A1", "« "])
def test_signs_without_end_are_read_in_a_time_that_grows_with_their_number(part: str) -> None:
    """Each of these would take minutes if a rule went through the rest of the text from each place in it."""
    text = part * (200_000 // len(part)) + "a"
    without_personal_data(text)
    PLAIN_WORDS.sent_tokenize(text)
    PLAIN_WORDS.word_tokenize(text)
    without_foreign_lines(text, "fr")


@pytest.mark.slow
def test_text_from_listed_addresses_is_rejected(tmp_path: Path) -> None:
    documents = [
        {"text": FRENCH[0], "url": "https://www.example.org/page"},
        {"text": FRENCH[1], "url": "http://videos.0-1sex.com/page"},
        {"text": FRENCH[2], "url": "https://example.org/anus-ass-babes"},
    ]
    cleaned([write_documents(tmp_path / "web.jsonl", documents)], tmp_path / "out")
    assert [line["text"] for line in results(tmp_path / "out")] == [FRENCH[0]]
    assert [line["reason"].partition(":")[0] for line in rejects(tmp_path / "out", "address")] == [
        "listed domain",
        "listed words",
    ]
    write_listed(tmp_path / "listed.npy")
    listed = ListedAddresses(tmp_path / "listed.npy")
    assert listed.refusal("https://fr.wikipedia.org/wiki/Chat") is None
    assert listed.refusal("http://[bad") == "no address"


class Stopped(Exception):
    pass


@pytest.fixture
def several_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Sources of two files that make about eight chunks."""
    monkeypatch.setattr(cleaning, "_BATCH_BYTES", 6000)
    first = write_documents(tmp_path / "a.jsonl", [*FRENCH, *FRENCH[:5]])
    (tmp_path / "b.txt").write_text("\n".join(GERMAN), encoding="utf-8")
    return [first, tmp_path / "b.txt"]


def test_a_command_that_was_stopped_anywhere_goes_on_to_the_same_result(
    several_chunks: list[Path], tmp_path: Path
) -> None:
    steps: list[tuple[str, int]] = []

    def follow(name: str, done: int, total: int) -> None:
        steps.append((name, done))

    clean(several_chunks, tmp_path / "whole", workers=1, progress=follow)
    assert len(steps) > 15
    left = {"at": 0}

    def stop(name: str, done: int, total: int) -> None:
        left["at"] -= 1
        if left["at"] <= 0:
            raise Stopped

    for attempt in range(2, 9):
        left["at"] = attempt
        try:
            clean(several_chunks, tmp_path / "stopped", workers=1, progress=stop)
            break
        except Stopped:
            pass
    cleaned(several_chunks, tmp_path / "stopped")
    assert results(tmp_path / "stopped") == results(tmp_path / "whole")
    assert (tmp_path / "stopped" / "report.json").read_bytes() == (tmp_path / "whole" / "report.json").read_bytes()
    assert {path.name for path in (tmp_path / "stopped").iterdir()} == {
        "plan.json",
        "report.json",
        "report.html",
        "text",
        "rejects",
    }


def test_a_finished_command_given_again_does_nothing(several_chunks: list[Path], tmp_path: Path) -> None:
    first = cleaned(several_chunks, tmp_path / "out")
    before = (tmp_path / "out" / "text").stat().st_mtime_ns
    assert cleaned(several_chunks, tmp_path / "out") == first
    assert (tmp_path / "out" / "text").stat().st_mtime_ns == before


def test_changed_sources_or_options_are_refused(several_chunks: list[Path], tmp_path: Path) -> None:
    cleaned(several_chunks, tmp_path / "out")
    with pytest.raises(CleaningRefused, match="was begun with other languages, or they have changed: name another"):
        cleaned(several_chunks, tmp_path / "out", languages=["fr"])
    with several_chunks[1].open("a") as file:
        file.write("Noch ein Satz.")
    with pytest.raises(CleaningRefused, match="was begun with other sources"):
        cleaned(several_chunks, tmp_path / "out")


def test_a_document_that_is_too_long_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_MOST_CHARACTERS", 5000)
    source = write_documents(tmp_path / "web.jsonl", [FRENCH[0], "mot " * 2000])
    report = cleaned([source], tmp_path / "out")
    assert (report.documents, report.stages["read"].rejected) == (1, 1)
    assert rejects(tmp_path / "out", "read")[0]["reason"] == "more than 5,000 characters"


def test_a_damaged_file_costs_its_rest_alone_and_is_named(tmp_path: Path) -> None:
    good = write_documents(tmp_path / "good.jsonl", FRENCH[:2])
    (tmp_path / "bad.jsonl.zst").write_bytes(zstandard.compress(b'{"text": "un"}\n' * 20000)[:-40])
    outcome = run_aquilon(
        tmp_path,
        "train",
        "data",
        str(tmp_path / "bad.jsonl.zst"),
        str(good),
        "--out",
        str(tmp_path / "out"),
        "--workers=1",
    )
    assert outcome.code == 0
    assert "1 line, document or file can't be read" in outcome.err
    assert "bad.jsonl.zst: is damaged" in rejects(tmp_path / "out", "read")[0]["text"]
    assert [line["text"] for line in results(tmp_path / "out")] == FRENCH[:2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--languages", "fr,xx"], "'xx' is no language that is known here: the codes are af,"),
        (["--against", "gone.jsonl"], "gone.jsonl: can't be read: No such file or directory"),
        (["--against", "exam.pdf"], "exam.pdf: is of an unknown kind: an evaluation set ends in .jsonl"),
    ],
)
def test_wrong_options_are_refused_before_any_work(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "exam.pdf").write_bytes(b"%PDF")
    source = write_documents(tmp_path / "web.jsonl", FRENCH[:1])
    located = [str(tmp_path / argument) if "." in argument else argument for argument in arguments]
    outcome = run_aquilon(tmp_path, "train", "data", str(source), "--out", str(tmp_path / "out"), *located)
    assert outcome.code == 1
    assert message in outcome.err
    assert not (tmp_path / "out" / "text").exists()


def test_empty_sources_and_a_folder_with_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    with pytest.raises(CleaningRefused, match="the sources hold no text"):
        cleaned([tmp_path / "empty.txt"], tmp_path / "out")
    source = write_documents(tmp_path / "web.jsonl", FRENCH[:1])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(CleaningRefused, match="holds something else already"):
        cleaned([source], tmp_path / "other")


@pytest.mark.slow
def test_killed_with_several_processes_it_leaves_none_and_goes_on(tmp_path: Path) -> None:
    documents = [prose("fr", seed=seed, sentences=40) for seed in range(1200)]
    source, out = write_documents(tmp_path / "web.jsonl", documents), tmp_path / "out"
    command = [sys.executable, "-m", "aquilon.cli.main", "train", "data", str(source), "--workers", "2", "--out"]
    process = subprocess.Popen([*command, str(out)], start_new_session=True)
    wait_until(lambda: any((out / "work").rglob("*.json")) and (out / "work" / "1-identified").exists(), seconds=60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not _processes_of(process.pid), seconds=30)
    subprocess.run([*command, str(out)], check=True)
    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    assert results(out) == results(tmp_path / "whole")


def _processes_of(session: int) -> list[str]:
    listed = subprocess.run(["ps", "-o", "pid=", "--sid", str(session)], capture_output=True, text=True, check=False)
    return listed.stdout.split()
