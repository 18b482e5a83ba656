"""A program that a model wrote runs with limits, and can reach nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aquilon.evaluation.problems import Problem
from aquilon.evaluation.questions import function_in
from aquilon.evaluation.sandbox import Ran, run_program

MEMORY = 256 * 2**20


async def run(source: str) -> Ran:
    return await run_program(source, seconds=2, memory=MEMORY)


async def test_a_program_passes_only_if_it_comes_to_its_end() -> None:
    assert (await run("import math, json, re, collections\nassert math.sqrt(4) == 2\nprint('é')")).passed
    wrong = await run("assert 1 + 1 == 3, 'no'")
    assert (wrong.passed, wrong.reason) == (False, "AssertionError: no")
    early = await run("import os\nos._exit(0)\nassert False")
    assert (early.passed, early.reason) == (False, "ended before its tests")


async def test_a_program_meets_limits_on_processor_time_memory_and_files() -> None:
    endless = (await run("while True: pass")).reason
    assert endless in ("took more than 2 s of processor time", "took more than 6 s")  # the second on a busy machine
    assert (await run("x = [0] * 10**9")).reason == "took more than 256 MiB of memory"
    assert "File too large" in (await run("open('big', 'wb').write(bytes(10**8))")).reason


async def test_a_program_gets_no_environment_and_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    ran = await run(
        "import os\nassert 'SECRET_KEY' not in os.environ and 'PATH' not in os.environ\n"
        "open('note', 'w').write('kept')\nassert open('note').read() == 'kept'"
    )
    assert ran.passed, ran.reason


async def test_a_program_reaches_no_network_no_files_and_no_processes_where_the_system_can_see_to_it() -> None:
    ran = await run("")
    if ran.isolation.network:
        assert "Error" in (await run("import socket\nsocket.create_connection(('127.0.0.1', 22), 2)")).reason
        assert (
            "unreachable"
            in (
                await run("import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))")
            ).reason
        )
    if ran.isolation.files:
        assert "Permission denied" in (await run("open('/etc/passwd').read()")).reason
        assert "Permission denied" in (await run(f"open({str(Path.home())!r} + '/x', 'w')")).reason
    if ran.isolation.processes:
        assert "No such process" in (await run(f"import os\nos.kill({os.getpid()}, 0)")).reason


async def test_what_a_program_starts_ends_with_it() -> None:
    source = """
import os, time
try:
    child = os.fork()
except OSError:  # only the superuser's programs may start others
    child = 1
if child == 0:
    os.setsid()
    time.sleep(1000)  # its standard output stays open: the sandbox reads it to the end
"""
    assert (await run(source)).passed


PROBLEM = Problem(1, "import math\n\ndef area(r):\n    '''Of a circle.'''\n", ("passes",), entry_point="area")


@pytest.mark.parametrize(
    ("output", "chat"),
    [
        ("    return math.pi * r * r\n", False),
        ("```python\ndef area(r):\n    return math.pi * r * r\n```", True),
        ("Sure!\n```\n    return math.pi * r * r\n```\nDone.", True),
        ("<think>```python\nx\n```</think>```py\nimport math\ndef area(r):\n    return math.pi * r * r\n```", True),
    ],
)
def test_a_function_is_found_in_what_a_model_writes(output: str, chat: bool) -> None:
    names: dict[str, object] = {}
    exec(function_in(output, PROBLEM, chat=chat), names)
    assert names["area"](1) == pytest.approx(3.14159, abs=1e-5)  # type: ignore[operator]
