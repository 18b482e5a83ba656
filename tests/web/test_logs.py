"""The log: one line for each event, whatever text it has, and a repeated error once in ten seconds."""

from __future__ import annotations

import io
import logging
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import structlog
from tests.support.polling import wait_until
from tests.support.server import RunningServer

from aquilon.web import logs
from aquilon.web.repeated_lines import RepeatedLines


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The output of the logs as the program configures them."""
    stream, root = io.StringIO(), logging.getLogger()
    before, level = list(root.handlers), root.level
    monkeypatch.setattr("sys.stderr", stream)
    logs.configure("info")
    yield stream
    root.handlers[:], root.level = before, level
    structlog.reset_defaults()


def handler() -> RepeatedLines:
    [repeated_lines] = [entry for entry in logging.getLogger().handlers if isinstance(entry, RepeatedLines)]
    return repeated_lines


def test_control_characters_are_escaped_in_every_log(written: io.StringIO) -> None:
    hostile = "\x1b[2Jred\r\nevent=forged\x9b\u202e"
    structlog.get_logger("ours").info("said", text=hostile)
    logging.getLogger("theirs").info("said %s", hostile)
    lines = written.getvalue().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.isprintable()
        assert "\\x1b[2Jred" in line


def test_a_path_with_control_characters_is_one_line(server: RunningServer) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(
            b"GET /v1/%1b%5b2J%0aforged HTTP/1.1\r\nhost: 127.0.0.1\r\nx-request-id: escaped-path\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
    wait_until(lambda: "escaped-path" in server.log)
    assert "\x1b" not in server.log
    assert not [line for line in server.log.splitlines() if line.startswith("forged")]


def test_a_repeated_error_is_written_once_and_then_counted(written: io.StringIO) -> None:
    log = structlog.get_logger("ours")
    for number in range(100):
        log.error("The database can't be used", error=f"locked {number}", request_id=f"req_{number}")
    assert written.getvalue().count("\n") == 1
    handler().write_counts(all_kinds=True)
    first, count = written.getvalue().splitlines()
    assert "request_id=req_0" in first
    assert "The database can't be used (99 more times within 10 seconds)" in count
    log.error("The database can't be used")
    assert written.getvalue().count("\n") == 3


def test_errors_of_different_kinds_are_each_written(written: io.StringIO) -> None:
    log = structlog.get_logger("ours")

    def fail(kind: type[Exception]) -> None:
        try:
            if kind is ValueError:
                raise ValueError
            raise KeyError
        except Exception:
            log.exception("unexpected")

    for _ in range(10):
        log.warning("An upstream failed", upstream="one")
        log.warning("An upstream failed", upstream="two")
        log.warning("Something else")
        fail(ValueError)
        fail(KeyError)
        logging.getLogger("theirs").warning("Invalid request")
        log.info("An ordinary event")
    lines = written.getvalue().splitlines()
    assert len([line for line in lines if "An ordinary event" in line]) == 10
    assert len(lines) == 16


def test_closing_the_log_writes_the_remaining_counts(written: io.StringIO) -> None:
    for _ in range(3):
        logging.getLogger("theirs").warning("Invalid %s", "request")
    handler().close()
    assert "Invalid request (2 more times within 10 seconds)" in written.getvalue()
