"""The engine process: ``python -m aquilon.engine.process --socket-fd N --options JSON``.

It ends when its socket closes, its parent dies or SIGTERM arrives: it never
outlives the API process that started it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading

import msgspec

from aquilon.engine.framing import BrokenFrame, FrameDecoder, encode_frame
from aquilon.engine.loop import EngineLoop
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import FromEngine, ToEngine
from aquilon.starting_process import die_with_parent
from aquilon.text.printable import printable

_RECEIVE_BYTES = 2**18

log = logging.getLogger("aquilon.engine")


def main() -> None:
    parser = argparse.ArgumentParser(prog="aquilon.engine.process", description=__doc__)
    parser.add_argument("--socket-fd", type=int, required=True, help="an open Unix stream socket to the client")
    parser.add_argument("--options", type=str, default="{}", help="EngineOptions as JSON")
    arguments = parser.parse_args()
    options = msgspec.json.decode(arguments.options, type=EngineOptions)
    _log_to_standard_error(options.log_level)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to the API process too, which stops this one
    with socket.socket(fileno=arguments.socket_fd) as connection:
        loop = EngineLoop(options, lambda message: _send(connection, message))
        signal.signal(signal.SIGTERM, lambda *_: loop.stop())
        threading.Thread(target=_read, args=(connection, loop), name="socket", daemon=True).start()
        loop.run()
    # sys.exit would wait for the loader's thread and for torch's teardown.
    logging.shutdown()
    os._exit(0)


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """A traceback keeps its lines; a message, which may hold a file's name, is one."""
        record.msg, record.args = printable(record.getMessage()), ()
        return super().format(record)


def _log_to_standard_error(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s engine: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _send(connection: socket.socket, message: FromEngine) -> None:
    try:
        connection.sendall(encode_frame(message))
    except OSError:
        os._exit(0)


def _read(connection: socket.socket, loop: EngineLoop) -> None:
    frames: FrameDecoder[ToEngine] = FrameDecoder(ToEngine)
    try:
        while data := connection.recv(_RECEIVE_BYTES):
            for message in frames.feed(data):
                loop.post(message)
    except BrokenFrame:
        log.exception("The client sent something that is not a message")
        os._exit(1)
    except OSError:
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
