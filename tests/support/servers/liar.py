"""A server that is no Redis, though it listens where one should."""

from __future__ import annotations

import socket
import threading

import pytest

LIES = pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="silence"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another-protocol"),
        pytest.param(b"+OK\r\n", id="the-wrong-kind"),
        pytest.param(b":1\r\n", id="a-number"),
        pytest.param(b"*-7\r\n$x\r\n", id="garbage"),
        pytest.param(b"$999999999\r\n", id="an-endless-value"),
    ],
)
"""What such a server answers."""


class Liar(threading.Thread):
    """A server on a free port that answers whatever comes with the same bytes, or with silence."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._answer, self._lines = answer, list[socket.socket]()
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            self._lines.append(line)
            if self._answer:
                threading.Thread(target=self._answering, args=(line,), daemon=True).start()

    def _answering(self, line: socket.socket) -> None:
        try:
            while line.recv(65_536):
                line.sendall(self._answer)
        except OSError:
            return

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for line in self._lines:
            line.close()
        self.join(20)
