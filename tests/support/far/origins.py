"""Servers that pictures are fetched from: one that answers with any bytes, also with TLS, and a real nginx."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from servers.nginx import as_root, running_nginx
from servers.ports import free_port, listens

Answer = bytes | Callable[[socket.socket, bytes], None]
"""What is sent, or what does the sending; a callable gets the request too."""

LARGEST_REQUEST = 65_536

NOTHING = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"


class Origin:
    """A server with an answer for each path, beginning with the status line.  It counts connections and requests."""

    def __init__(self, answers: Mapping[str, Answer], certificate: Path | None = None) -> None:
        self.answers = dict(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        """The paths that were asked for, in their order."""
        return [request.split(b" ")[1].decode() for request in self.requests]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _address = self._listener.accept()
                self.connections += 1
                self._open.add(accepted)
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # A client may leave at any time, and the handshake may fail on purpose.
        with contextlib.suppress(OSError), connection:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.add(connection)
            with connection:
                while request := self._request(connection):
                    self.requests.append(request)
                    answer = self.answers.get(
                        request.split(b" ")[1].decode(), b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
                    )
                    if isinstance(answer, bytes):
                        connection.sendall(answer)
                        if b"\r\nconnection: close\r\n" in answer.lower():
                            return
                    else:
                        answer(connection, request)
                        return

    def _request(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data and len(data) < LARGEST_REQUEST:
            if not (piece := connection.recv(LARGEST_REQUEST)):
                return b""
            data += piece
        return data

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)


@contextlib.contextmanager
def origin(answers: Mapping[str, Answer], certificate: Path | None = None) -> Iterator[Origin]:
    """An origin during the block."""
    made = Origin(answers, certificate)
    try:
        yield made
    finally:
        made.close()


def ok(body: bytes, *headers: str) -> bytes:
    """A whole answer with the body."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def certificate(folder: Path, name: str, *, subject: str = "IP:127.0.0.1", days: int = 2) -> Path:
    """A self-signed certificate with its key in one file, made by openssl."""
    file = folder / f"{name}.pem"
    key = folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", str(days)),
            *("-addext", f"subjectAltName={subject}", "-keyout", str(key), "-out", str(file)),
        ],
        check=True,
        capture_output=True,
    )
    file.write_bytes(file.read_bytes() + key.read_bytes())
    return file


@contextlib.contextmanager
def nginx(folder: Path, files: Path) -> Iterator[str]:
    """A real nginx that serves the files; gives its URL.  Its own state lies in the folder."""
    port = free_port()
    # The files are in folders that only the user of the test may enter.
    server = f"gzip on; gzip_types *; server {{ listen 127.0.0.1:{port}; root {files}; }}"
    with running_nginx(folder, server, lambda: listens(port), before=as_root()):
        yield f"http://127.0.0.1:{port}"
