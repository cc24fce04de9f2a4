"""A network of its own in which every address leads to one server, and names mean what a test says.

Run as a script in new network and mount namespaces, it makes every address local, answers DNS on 127.0.0.1, and
answers HTTP on port 80 of every address with one picture.  It writes the address of each connection into a file.  So a
test sees which addresses a server under test has connected to.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PUBLIC, OTHER_PUBLIC, PUBLIC_6 = "93.184.215.14", "1.1.1.1", "2606:4700::beef"

NAMES: dict[str, list[list[str]]] = {
    "public.test": [[PUBLIC]],
    "public6.test": [[PUBLIC_6]],
    "private.test": [["10.0.0.1"]],
    "loopback.test": [["127.0.0.1"]],
    "metadata.test": [["169.254.169.254"]],
    "mixed.test": [[PUBLIC, "127.0.0.1"]],
    "mixed6.test": [[PUBLIC, "::1"]],
    "loopback6.test": [["::1"]],
    "mapped.test": [["::ffff:127.0.0.1"]],
    "nat64.test": [["64:ff9b::7f00:1"]],
    "sixtofour.test": [["2002:7f00:1::"]],
    "teredo.test": [["2001:0:7f00:1::"]],
    "local6.test": [["fd00:ec2::254"]],
    "zero.test": [["0.0.0.0"]],  # noqa: S104  nothing is bound
    # Each question for the name has the next answer: what is checked is not what is connected to, if one asks twice.
    "rebind.test": [[PUBLIC], ["127.0.0.1"]],
    "rebind-at-once.test": [["127.0.0.1"], [PUBLIC]],
}
"""The addresses of each name, in turns."""

SILENT = ".silent.test"
"""Names below it are asked for in vain: no answer comes."""

A, AAAA = 1, 28


def answer_names() -> None:
    """Answer DNS for ever."""
    asked = Counter[tuple[str, int]]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        while True:
            question, client = server.recvfrom(4096)
            with contextlib.suppress(ValueError, struct.error, IndexError):
                if answer := _named(question, asked):
                    server.sendto(answer, client)


def _named(question: bytes, asked: Counter[tuple[str, int]]) -> bytes:
    """The answer to a question; empty for a name that nobody answers for."""
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    kind = struct.unpack_from(">H", question, at + 1)[0]
    name, version = ".".join(labels), {A: 4, AAAA: 6}.get(kind, 0)
    if name.endswith(SILENT):
        return b""
    turns = NAMES.get(name, [])
    addresses = turns[asked[name, kind] % len(turns)] if turns else []
    asked[name, kind] += 1
    found = [ipaddress.ip_address(text).packed for text in addresses if ipaddress.ip_address(text).version == version]
    status = 0x8180 if turns else 0x8183
    head = question[:2] + struct.pack(">HHHHH", status, 1, len(found), 0, 0)
    records = [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(packed)) + packed for packed in found]
    return head + question[12 : at + 5] + b"".join(records)


def answer_http(connection: socket.socket, picture: bytes) -> None:
    """Answer one request: with the picture, or with a redirect to what follows `/to?`."""
    with connection, contextlib.suppress(OSError):
        target = connection.recv(65_536).split(b" ")[1].decode()
        if target.startswith("/to?"):
            location = urllib.parse.unquote(target[4:])
            connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nConnection: close\r\n\r\n".encode())
        else:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(picture)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + picture)


def run(program: str, *arguments: str) -> None:
    subprocess.run([shutil.which(program) or program, *arguments], check=True)


def main(folder: Path) -> None:
    """Make the network; run until stdin ends."""
    for version in ("-4", "-6"):
        everything = "0.0.0.0/0" if version == "-4" else "::/0"
        run("ip", version, "link", "set", "lo", "up")
        run("ip", version, "route", "add", "local", everything, "dev", "lo")
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    run("mount", "--bind", str(folder / "resolv.conf"), "/etc/resolv.conf")
    listener = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    picture, log = (folder / "picture").read_bytes(), folder / "connections"

    def accept() -> None:
        while True:
            connection, _client = listener.accept()
            with log.open("a") as file:
                file.write(f"{connection.getsockname()[0].removeprefix('::ffff:')}\n")
            threading.Thread(target=answer_http, args=(connection, picture), daemon=True).start()

    threading.Thread(target=answer_names, daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    print("ready", flush=True)  # noqa: T201  for the test that waits for it
    sys.stdin.read()


class Network:
    """The network as a test sees it.  inside: the beginning of a command that runs in it."""

    def __init__(self, folder: Path, inside: list[str]) -> None:
        self._folder, self.inside = folder, inside

    def connections(self) -> list[str]:
        """The addresses that were connected to until now."""
        log = self._folder / "connections"
        return log.read_text().splitlines() if log.exists() else []


def unshared() -> list[str]:
    """The beginning of a command that runs in namespaces of its own."""
    return ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def is_possible() -> bool:
    """True if this machine grants namespaces of its own."""
    if not all(shutil.which(program) for program in ("unshare", "nsenter", "ip", "mount")):
        return False
    return subprocess.run([*unshared(), "true"], check=False, capture_output=True).returncode == 0


@contextlib.contextmanager
def network(folder: Path, picture: bytes) -> Iterator[Network]:
    """The network during the block."""
    (folder / "picture").write_bytes(picture)
    command = [*unshared(), sys.executable, __file__, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
            yield Network(folder, ["nsenter", f"--target={process.pid}", *user, "--net", "--mount"])
        finally:
            process.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
