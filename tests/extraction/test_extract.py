"""The process that reads a document: its limits, its reports, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.documents import archive, paragraph, pdf, scanned, text_cell, xlsx
from tests.support.polling import until

from aquilon.extraction import Limits, Unreadable, extract

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes in /proc")


def many_pages(pages: int) -> bytes:
    """A PDF that shows the same page again and again."""
    content = b"BT /F1 12 Tf 72 700 Td (A page) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%b]/Count %d>>" % (b"3 0 R " * pages, pages),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    bodies = b"".join(b"%d 0 obj\n%b\nendobj\n" % (number, body) for number, body in enumerate(objects, 1))
    return b"%PDF-1.4\n" + bodies + b"trailer<</Size 6/Root 1 0 R>>\n%%EOF"


def processes(*words: bytes) -> list[int]:
    """The processes that have these words in their command line."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:  # it has ended meanwhile
                continue
            if all(word in command for word in words):
                found.append(int(process.name))
    return found


def readers(path: Path) -> list[int]:
    """The processes that read this file."""
    return processes(b"aquilon.extraction.process", os.fsencode(path))


async def refusal(path: Path, limits: Limits) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        await extract(path, name=path.name, limits=limits)
    assert readers(path) == []
    return caught.value


async def test_ten_thousand_pages_are_read_up_to_the_limit_with_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AQUILON_SECRET", "the server's own")
    path = tmp_path / "long.pdf"
    path.write_bytes(many_pages(10_000))
    shares: list[float] = []
    environments: list[bytes] = []

    def note(share: float) -> None:
        shares.append(share)
        environments.extend(Path(f"/proc/{pid}/environ").read_bytes() for pid in readers(path) if not environments)

    document = await extract(path, name="long.pdf", on_progress=note)
    assert (document.pages, document.notes) == (10_000, ["truncated"])
    assert max(block.page or 0 for block in document.blocks) == Limits().pages
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] <= 1
    assert environments
    assert b"the server's own" not in environments[0]


async def test_a_document_that_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.xlsx"
    cells = f"<row>{text_cell('A1', 'x')}</row><row>{text_cell('I1048576', 'x')}</row>"
    path.write_bytes(archive(xlsx({"Sheet": cells})))
    refused = await refusal(path, Limits(memory_bytes=2**28))
    assert (refused.code, refused.details) == ("too_large", {"limit": 2**28})
    assert "more than 256 MiB of memory: divide it" in refused.message


@pytest.mark.slow
async def test_a_document_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slow.html"
    path.write_bytes(b"<html>" + b"<b>x</b>" * 1_500_000)
    refused = await refusal(path, Limits(cpu_seconds=1))
    assert (refused.code, refused.details) == ("timed_out", {"limit": 1})
    refused = await refusal(path, Limits(wall_seconds=1))
    assert (refused.code, "more than 1 s" in refused.message) == ("timed_out", True)


async def test_a_crash_of_the_reader_is_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "crash.pdf"
    path.write_bytes(many_pages(10_000))

    def crash(share: float) -> None:
        for pid in readers(path):
            os.kill(pid, signal.SIGSEGV)

    with pytest.raises(Unreadable, match=r"damaged: the program that reads it crashed on it \(SIGSEGV\)"):
        await extract(path, name="crash.pdf", on_progress=crash)


async def test_a_cancelled_extraction_leaves_no_process(tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    path.write_bytes(many_pages(10_000))
    started = asyncio.Event()
    task = asyncio.create_task(extract(path, name="long.pdf", on_progress=lambda share: started.set()))
    await started.wait()
    assert readers(path)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert readers(path) == []


@pytest.fixture
def endless_ocr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program ``tesseract`` that never ends, and a scan beside it."""
    program = tmp_path / "tesseract"
    program.write_text("#!/bin/sh\n[ $1 = --list-langs ] && echo Languages: && echo eng && exit\nsleep 1000 & wait\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "scan.pdf").write_bytes(scanned(pdf([paragraph("A page.", top=700)])))
    return program


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't say when a process has ended")
async def test_what_reads_a_scan_ends_when_the_server_is_killed(tmp_path: Path, endless_ocr: Path) -> None:
    path = tmp_path / "scan.pdf"
    source = "import asyncio, sys, pathlib, aquilon.extraction\n"
    source += "asyncio.run(aquilon.extraction.extract(pathlib.Path(sys.argv[1]), name=''))"
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", source, str(path))
    await until(lambda: len(processes(os.fsencode(endless_ocr))) == 1)
    server.kill()
    await server.wait()
    await until(lambda: readers(path) == [] and processes(os.fsencode(endless_ocr)) == [])


async def test_what_reads_scans_ends_with_the_extraction(tmp_path: Path, endless_ocr: Path) -> None:
    path, program = tmp_path / "scan.pdf", endless_ocr
    task = asyncio.create_task(extract(path, name="scan.pdf"))
    await until(lambda: len(processes(os.fsencode(program))) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: processes(os.fsencode(program)) == [])


async def test_a_file_larger_than_the_limit_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(bytes(1001))
    refused = await refusal(path, Limits(file_bytes=1000))
    assert (refused.code, refused.details) == ("too_large", {"limit": 1000, "value": 1001})


async def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await extract(tmp_path / "gone.txt", name="gone.txt")


def test_who_asks_for_a_document_loads_no_library_that_reads_one() -> None:
    heavy = {"docx", "lxml", "markdown_it", "odfdo", "pypdfium2", "python_calamine", "zipfile"}
    code = f"import sys, aquilon.extraction; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
