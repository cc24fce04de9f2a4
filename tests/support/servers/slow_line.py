"""A way to a server that takes its time: what a client sends is handed on later, by a small TCP proxy."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

PIECE_BYTES = 1 << 16


class SlowLine:
    """A port before another one of this machine.  delay_s: how long each message of a client stays here."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._target, self.delay_s = port, delay_s
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._lines: list[socket.socket] = []

    def accept(self) -> None:
        """Serve clients until `close`."""
        while True:
            try:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._lines += [near, far]
            for source, sink, is_slow in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._hand_on, args=(source, sink, is_slow), daemon=True).start()

    def close(self) -> None:
        """Close every connection."""
        for line in (self._listening, *self._lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _hand_on(self, source: socket.socket, sink: socket.socket, is_slow: bool) -> None:  # noqa: FBT001  a thread's
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                if is_slow:
                    time.sleep(self.delay_s)
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def slow_line(port: int, delay_s: float) -> Iterator[SlowLine]:
    """Such a port during the block."""
    line = SlowLine(port, delay_s)
    accepting = threading.Thread(target=line.accept, daemon=True)
    accepting.start()
    try:
        yield line
    finally:
        line.close()
        accepting.join(20)
