"""Fuzz the readers by hand, each for some seconds in a process of its own, and print what came of it.

    python tests/fuzz/run.py --seconds 60                 every reader, with atheris where it is installed
    python tests/fuzz/run.py --seconds 600 --reader SVG   one of them
    python tests/fuzz/run.py --worst                      the table of docs/security.md: the worst of each for 100 KB

Without atheris, which chooses inputs by the code that they reach, those are kept that give another kind of answer.
"""

from __future__ import annotations

import argparse
import json
import logging
import mmap
import multiprocessing
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

LIMIT_S = 1.0
"""Of processor time for one input."""

MOST_MEMORY = 6 << 30
"""Bytes of address space of a process that fuzzes."""

LONGEST_INPUT = 1 << 20

MOST_KEPT = 3000
"""Inputs that gave an answer of a new kind."""

NOTE_S = 1.0


class Session:
    """The inputs of one reader: tried, counted, and noted in a file, because atheris ends its process itself."""

    def __init__(self, name: str, folder: Path) -> None:
        from attacks import cpu_s  # noqa: PLC0415  imported when atheris watches imports
        from readers import READERS, outcome  # noqa: PLC0415

        from imgsrv.imaging.apart import pool  # noqa: PLC0415

        # Decoders work in this process, whose memory is limited: a helper would not start.
        pool._State.is_warm = False
        # Some libraries say of each broken input what is wrong with it.
        logging.disable()
        # As in the tests: a warning is an exception, but for those of Pillow.
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module=r"PIL\.")
        self.reader = next(reader for reader in READERS if reader.name == name)
        self._outcome, self._cpu_s = outcome, cpu_s
        self._notes = folder / "notes"
        with (folder / "input").open("w+b") as file:
            file.truncate(LONGEST_INPUT + 4)
            self._input = mmap.mmap(file.fileno(), 0)
        self.started, self._noted = time.monotonic(), 0.0
        self.inputs, self.worst_s, self.worst = 0, 0.0, b""
        self.kinds: set[str] = set()
        self.failures: dict[str, bytes] = {}
        self.note()

    def attempt(self, data: bytes) -> bool:
        """Give the reader the data.  True if its answer is of a new kind."""
        self._input[: 4 + len(data)] = len(data).to_bytes(4, "big") + data
        self.inputs += 1
        kinds: list[str] = []
        try:
            seconds = self._cpu_s(lambda: kinds.append(self._outcome(self.reader, data)), LIMIT_S)
        except Exception as error:  # noqa: BLE001  whatever the reader does not document is what is looked for
            place = traceback.extract_tb(error.__traceback__)[-1]
            kinds, seconds = [f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {error}"], 0.0
            self.failures.setdefault(kinds[0].partition(": ")[0], data)
        if seconds > self.worst_s:
            self.worst_s, self.worst = seconds, data
        is_new = _kind(kinds[0]) not in self.kinds
        self.kinds.add(_kind(kinds[0]))
        if time.monotonic() - self._noted > NOTE_S:
            self.note()
        return is_new

    def note(self) -> None:
        """Write the figures down."""
        self._noted = time.monotonic()
        figures = {
            "inputs": self.inputs,
            "seconds": max(self._noted - self.started, 1e-3),
            "kinds": len(self.kinds),
            "worst_ms": self.worst_s * 1000,
            "worst": self.worst.hex(),
            "failures": {kind: data.hex() for kind, data in self.failures.items()},
        }
        self._notes.write_text(json.dumps(figures), encoding="utf-8")


def _kind(text: str) -> str:
    """An answer without what varies with the input: its first words, without numbers and quoted texts."""
    words = [word for word in "".join(text.split("'")[::2]).split() if word.strip(",.;:").isalpha()]
    return " ".join([text.partition(":")[0], *words[:6]])


def _by_kind(name: str, folder: Path, seconds: float, seed: int) -> None:
    """Mutate seeds and inputs that gave an answer of a new kind."""
    from mutations import FOUND, mutated  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    session, random = Session(name, folder), Random(seed)  # noqa: S311  it makes no secrets
    kept = [*session.reader.seeds, *FOUND.get(name, ())]
    while time.monotonic() < session.started + seconds:
        data = mutated(random.choice(kept), random.choice(kept), session.reader.words, random)
        if session.attempt(data) and len(kept) < MOST_KEPT:
            kept.append(data)
    session.note()


def _by_coverage(name: str, folder: Path, seconds: float, seed: int) -> None:
    """Let atheris choose inputs by the lines and comparisons that they reach."""
    # A wheel that the project does not depend on.
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["imgsrv", "python_multipart", "falcon.util"]):
        session = Session(name, folder)
    from mutations import FOUND, WORDS  # noqa: PLC0415

    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate((*session.reader.seeds, *FOUND.get(name, ()))):
        (corpus / str(number)).write_bytes(data)
    words = folder / "words"
    quoted = ("".join(f"\\x{byte:02x}" for byte in word) for word in (*session.reader.words, *WORDS))
    words.write_text("".join(f'"{word}"\n' for word in quoted if word), encoding="ascii")
    options = [f"-max_total_time={seconds:.0f}", f"-seed={seed}", "-max_len=4096", "-verbosity=0", "-rss_limit_mb=6000"]
    atheris.Setup(["run", *options, f"-dict={words}", str(corpus)], partial(_tried, session))
    atheris.Fuzz()


def _tried(session: Session, data: bytes) -> None:
    session.attempt(data)


ENGINES: dict[str, Callable[[str, Path, float, int], None]] = {"atheris": _by_coverage, "kinds": _by_kind}


def fuzzed(name: str, engine: str, seconds: float, seed: int) -> dict[str, Any]:
    """The figures of one reader.  A process that died adds a failure with the input that it died of."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        process = multiprocessing.get_context("spawn").Process(
            target=ENGINES[engine], args=(name, folder, seconds, seed)
        )
        process.start()
        process.join()
        figures: dict[str, Any] = json.loads((folder / "notes").read_text(encoding="utf-8"))
        if process.exitcode is not None and process.exitcode < 0:
            data = (folder / "input").read_bytes()
            figures["failures"][f"ended by signal {-process.exitcode}"] = data[
                4 : 4 + int.from_bytes(data[:4], "big")
            ].hex()
        return figures


def fuzz(names: list[str], engine: str, seconds: float, seed: int) -> int:
    """Print a row for each reader, then the failures.  Gives the number of failures."""
    print("| reader | inputs | inputs/s | kinds of answers | worst CPU | failures |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
    failures: list[tuple[str, str, str]] = []
    for name in names:
        figures = fuzzed(name, engine, seconds, seed)
        rate, failed = figures["inputs"] / figures["seconds"], figures["failures"]
        numbers = f"{figures['inputs']:,} | {rate:,.0f} | {figures['kinds']} | {figures['worst_ms']:.1f} ms"
        print(f"| {name} | {numbers} | {len(failed)} |", flush=True)
        failures += [(name, kind, data) for kind, data in failed.items()]
    for name, kind, data in failures:
        print(f"\n{name}: {kind}\n{bytes.fromhex(data)[:600]!r}")
    return len(failures)


def worst() -> None:
    """Print the worst of each pattern and each reader for 100 KB."""
    from readers import READERS  # noqa: PLC0415
    from worst_cases import FOUND, METHODS, worst_of_pattern, worst_of_reader  # noqa: PLC0415

    print("| pattern or reader | worst CPU for 100 KB | front, repeated part and end of that input |")
    print("| --- | ---: | --- |")
    for found in FOUND:
        seconds, attack = worst_of_pattern(found)
        print(f"| `{found.name}`, {METHODS[found.name][0]} | {seconds * 1000:.1f} ms | {_cell(attack)} |", flush=True)
    for reader in READERS:
        seconds, attack = worst_of_reader(reader)
        print(f"| {reader.name} | {seconds * 1000:.1f} ms | {_cell(attack)} |", flush=True)


def _cell(text: str) -> str:
    return f"`` {text} ``".replace("|", "\\|")


def main() -> int:
    """Do what the command line asks."""
    from readers import READERS  # noqa: PLC0415

    names = [reader.name for reader in READERS]
    usual = "atheris" if find_spec("atheris") else "kinds"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each reader (10)")
    parser.add_argument("--reader", action="append", choices=names, help="only this one; may be given again")
    parser.add_argument("--engine", choices=ENGINES, default=usual, help=f"({usual})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worst", action="store_true", help="print the table of the worst cases instead")
    given = parser.parse_args()
    if given.worst:
        worst()
        return 0
    return 1 if fuzz(given.reader or names, given.engine, given.seconds, given.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
