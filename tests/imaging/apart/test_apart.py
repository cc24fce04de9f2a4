"""Helper processes: what they can do is what in-process codecs do, and nothing else; and what becomes of their ends."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pictures import encoded, opened, run
from PIL import Image

from imgsrv.errors import CodecLost, Undecodable
from imgsrv.imaging.apart import pictures, pool, tasks
from imgsrv.imaging.apart.process import Allowance, Ended, Failed, Helper, Job, TooMuch
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

ROOMY = Allowance(1 << 30, 60, 60.0)


@pytest.fixture(
    params=[("decode", "encode"), *((task,) for task in ("draw", *tasks.DECODERS)), pool.TASKS], ids=" ".join
)
def any_helper(request: pytest.FixtureRequest) -> Iterator[Helper]:
    made = Helper(request.param, (), is_bound=False)
    yield made
    made.close()


@pytest.fixture
def helper() -> Iterator[Helper]:
    made = Helper(("decode", "encode"), (), is_bound=False)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_losses() -> None:
    pool.take_losses()


def noise(width: int, height: int, channels: int = 3) -> Image.Image:
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, channels), np.uint8))


def decoding(data: bytes, size: tuple[int, int], mode: str = "RGB") -> Job:
    return Job("decode", {"format": "JPEG2000", "mode": mode, "size": size}, [data], 4 * size[0] * size[1])


# ---- pictures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_a_picture_comes_out_of_a_helper_as_pillow_itself_reads_it(mode: str) -> None:
    frame = noise(37, 23, 4).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        frame = Image.fromarray(np.asarray(frame, np.uint16) * 257)
    data = encoded(frame, "JPEG2000")
    with Image.open(io.BytesIO(data)) as image:
        expected = image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB")

    got = opened(run(data, format="png")).convert(expected.mode)

    assert np.abs(np.asarray(got, np.int16) - np.asarray(expected, np.int16)).max() <= (255 if mode == "I;16" else 0)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_picture_of_several_pieces_is_written_pixel_by_pixel(channels: int) -> None:
    frame = noise(1500, 1201, channels)
    got = opened(run(encoded(frame, "PNG"), format="jp2", lossless=True))

    assert np.array_equal(np.asarray(got), np.asarray(frame))
    assert pool._State.idle  # it went through a helper


@pytest.mark.parametrize("kind", ["uint16", "float32"])
@pytest.mark.parametrize("compression", ["lzw", "deflate", "zstd"])
def test_a_compressed_tiff_is_read_in_a_helper(compression: str, kind: str) -> None:
    numbers = np.random.default_rng(2).integers(0, 65_536, (1201, 1500, 3)).astype(np.uint16)
    file = io.BytesIO()
    pixels = numbers if kind == "uint16" else (numbers / 65_535).astype(np.float32)
    tifffile.imwrite(file, pixels, photometric="rgb", compression=compression, predictor=True)
    pool.end_idle()

    got = tifffile.imread(io.BytesIO(run(file.getvalue(), format="tiff")))

    assert np.array_equal(got, numbers)
    assert pool._State.idle  # it went through a helper


def test_a_picture_of_several_pieces_is_read_pixel_by_pixel() -> None:
    frame = noise(1500, 1201)
    assert np.array_equal(np.asarray(opened(run(encoded(frame, "JPEG2000"), format="png"))), np.asarray(frame))


def test_a_picture_that_is_cut_off_is_the_clients_fault() -> None:
    data = encoded(noise(300, 300), "JPEG2000")
    with pytest.raises(Undecodable):
        run(data[:5000], format="png")
    assert pool.take_losses() == []


@pytest.mark.parametrize("mode", list(pictures.PIXEL_BYTES))
@pytest.mark.parametrize("size", [(7, 5), (2100, 1100)])
def test_a_decoders_pixels_become_a_frame_piece_by_piece(mode: str, size: tuple[int, int]) -> None:
    filling, count = pictures._Filling(mode, size), pictures.PIXEL_BYTES[mode] * size[0] * size[1]
    facts = b'{"depth": 12}'
    pixels = np.random.default_rng(1).integers(0, 256, count, np.uint8).tobytes()
    result = pixels + tasks.FACTS_LENGTH.pack(len(facts)) + facts + b"profile"
    for at in range(0, len(result), filling.piece):
        filling.take(result[at : at + filling.piece])

    frame, found, profile = filling.done()

    assert (frame.mode, frame.size, found, profile) == (mode, size, {"depth": 12}, b"profile")
    assert (frame.pixels.tobytes() if isinstance(frame, DeepFrame) else frame.tobytes()) == pixels


@pytest.mark.parametrize("result", [b"", b"12", bytes(3 * 35), bytes(3 * 35) + b"\xff\xff\xff\xff", bytes(3 * 35 + 4)])
def test_a_result_that_makes_no_sense_is_no_frame(result: bytes) -> None:
    filling = pictures._Filling("RGB", (7, 5))
    filling.take(result)
    with pytest.raises(OSError, match="no sense"):
        filling.done()


def test_a_decoder_runs_here_where_no_helpers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(data: bytes, order: tasks.Order) -> tasks.Decoded:
        if data != b"file":
            raise ValueError("it is broken")
        return tasks.Decoded(bytes(range(6)), {"mode": order["mode"], "asked": order["asked"]}, b"profile")

    monkeypatch.setattr(pictures, "is_warm", lambda: False)
    monkeypatch.setattr(pictures, "decoder", lambda _task: decode)
    wanted = pictures.Wanted("a task", "RGB", (2, 1), {"asked": 1}, 10)

    frame, facts, profile = pictures.decode_apart(io.BytesIO(b"file"), "tiff", wanted)

    assert (frame.tobytes(), facts, profile) == (bytes(range(6)), {"mode": "RGB", "asked": 1}, b"profile")
    with pytest.raises(OSError, match="it is broken"):
        pictures.decode_apart(io.BytesIO(b"other"), "tiff", wanted)
    with pytest.raises(OSError, match="fewer pixels"):
        pictures.decode_apart(io.BytesIO(b"file"), "tiff", replace(wanted, size=(3, 1)))


# ---- confinement --------------------------------------------------------------------------------------


def test_a_helper_has_no_descriptor_but_its_pipes_and_the_shared_memory(any_helper: Helper) -> None:
    open_files = [str(each.readlink()) for each in Path(f"/proc/{any_helper.process.pid}/fd").iterdir()]
    # Some builds of libffi keep their own file open for reading, to map the code of callbacks from it.
    kinds = sorted(name.partition(":")[0] for name in open_files if "/libffi.so" not in name)
    assert kinds == ["/memfd", "pipe", "pipe"]


def test_a_helper_is_confined(any_helper: Helper) -> None:
    facts = dict(line.split(":\t") for line in Path(f"/proc/{any_helper.process.pid}/status").read_text().splitlines())
    limits = Path(f"/proc/{any_helper.process.pid}/limits").read_text()
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == ("2" if any_helper.is_filtered else "0")
    assert facts["Threads"] == "1"
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files")] == [["0", "0"]]
    assert Path(f"/proc/{any_helper.process.pid}/environ").read_bytes().count(b"\0") <= 2
    assert b"IMGSRV" not in Path(f"/proc/{any_helper.process.pid}/environ").read_bytes()


PROBE = """
import os, signal, socket, sys
from pathlib import Path
from imgsrv.imaging.apart.confine import give_up
from multiprocessing import resource_tracker
victim, parent = Path(sys.argv[1]), os.getppid()
attempts = {
    "read a file": lambda: open(victim),
    "write a file": lambda: open(victim, "w"),
    "make a socket": socket.socket,
    "make a pipe": os.pipe,
    "delete a file": lambda: os.unlink(victim),
    "rename a file": lambda: os.rename(victim, f"{victim}.moved"),
    "cut a file off": lambda: os.truncate(victim, 0),
    "make a folder": lambda: os.mkdir(f"{victim}.folder"),
    "change a mode": lambda: os.chmod(victim, 0o777),
    "fork": os.fork,
    "execute": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
    "signal its parent": lambda: os.kill(parent, 0),
    "copy a descriptor": lambda: os.dup(1),
    "raise its own limits": lambda: __import__("resource").setrlimit(7, (9, 9)),
}
import resource
is_filtered = give_up()
print(is_filtered)
for name, attempt in attempts.items():
    try:
        attempt()
        print(name)
    except (OSError, ValueError):
        pass
sys.stdout.flush()
os._exit(0)
"""


def test_code_in_a_confined_process_can_do_nothing_to_files_and_processes(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("whole")

    done = subprocess.run([sys.executable, "-c", PROBE, victim], capture_output=True, text=True, check=True)

    is_filtered, *successes = done.stdout.splitlines()
    refused_anyway = {"read a file", "write a file", "make a socket", "make a pipe", "copy a descriptor"}
    assert not refused_anyway & set(successes)
    if is_filtered == "True":
        assert successes == []
        assert victim.read_text() == "whole"


def test_a_process_with_a_second_thread_is_not_taken_for_confined() -> None:
    code = (
        "import threading\n"
        "from imgsrv.imaging.apart.confine import give_up\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "try: give_up()\n"
        "except RuntimeError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused"]


# ---- limits and ends ----------------------------------------------------------------------------------


def test_a_helper_goes_on_after_a_picture_that_it_cannot_read(helper: Helper) -> None:
    with pytest.raises(Failed):
        helper.do(decoding(b"no picture", (3, 3)), ROOMY)
    assert helper.is_usable
    assert b"".join(helper.do(decoding(encoded(noise(3, 3), "JPEG2000"), (3, 3)), ROOMY)) == noise(3, 3).tobytes()


def test_a_picture_that_is_larger_than_its_header_says_is_refused(helper: Helper) -> None:
    with pytest.raises(Failed, match="another size"):
        helper.do(decoding(encoded(noise(30, 30), "JPEG2000"), (3, 3)), ROOMY)


def test_a_job_that_takes_too_much_memory_is_ended(helper: Helper) -> None:
    with pytest.raises((TooMuch, Failed)):
        helper.do(decoding(encoded(noise(1000, 1000), "JPEG2000"), (1000, 1000)), Allowance(1 << 20, 60, 60.0))


def test_a_job_that_nobody_waits_for_is_ended(helper: Helper) -> None:
    with pytest.raises(TooMuch):
        helper.do(decoding(encoded(noise(1000, 1000), "JPEG2000"), (1000, 1000)), Allowance(1 << 30, 60, 0.001))
    assert helper.process.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize(
    "answer", [b"garbage", b"[1]", b'{"size": -1}', b'{"size": "1"}', b'{"size": 99999999999}', b'{"size": 7}']
)
def test_an_answer_that_makes_no_sense_ends_the_helper(helper: Helper, answer: bytes) -> None:
    """The other side of the pipes is played by the test, as by code that a picture has slipped in."""
    ours, theirs = os.pipe()
    os.write(theirs, len(answer).to_bytes(4, sys.byteorder) + answer)
    os.close(theirs)
    helper._answers.close()
    helper._answers = os.fdopen(ours, "rb", buffering=0)
    helper._poll.register(ours)
    os.ftruncate(helper._memory, 0)

    with pytest.raises(Ended):
        helper._read(helper._heard(time.monotonic() + 20).get("size"), Job("decode", {}, (), 1000))
    assert helper.process.wait(20) == -signal.SIGKILL


def test_the_end_of_a_helper_costs_one_answer_and_is_counted() -> None:
    data = encoded(noise(2000, 2000), "JPEG2000")
    small = encoded(noise(8, 8), "JPEG2000")
    run(small, format="png")
    victim = pool._State.idle[-1].process.pid
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run(data, format="png")
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while pool._State.idle and thread.is_alive():
        time.sleep(0.001)
    os.kill(victim, signal.SIGKILL)
    thread.join(60)

    assert [type(error) for error in errors] == [CodecLost]
    assert "SIGKILL" in str(errors[0])
    assert pool.take_losses() == ["SIGKILL"]
    assert opened(run(small, format="png")).size == (8, 8)


def test_an_idle_helper_that_has_died_costs_no_answer() -> None:
    small = encoded(noise(8, 8), "JPEG2000")
    run(small, format="png")
    victim = pool._State.idle[-1].process
    os.kill(victim.pid, signal.SIGKILL)
    os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)

    assert opened(run(small, format="png")).size == (8, 8)
    assert pool.take_losses() == ["SIGKILL"]


def test_no_job_runs_past_the_deadline_of_its_thread() -> None:
    pool.set_deadline(time.monotonic() - 1)
    try:
        with pytest.raises(Undecodable, match="too much time"):
            run(encoded(noise(1000, 1000), "JPEG2000"), format="png")
    finally:
        pool.set_deadline(None)


def test_a_helper_ends_with_the_process_that_has_started_it() -> None:
    code = (
        "import os, sys\n"
        "from imgsrv.imaging.apart.process import Helper\n"
        "helper = Helper(('decode',), (), is_bound=True)\n"
        "print(helper.process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid, end = int(done.stdout), time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and "Z (zombie)" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_forked_process_does_not_use_the_helper_of_its_parent() -> None:
    small = encoded(noise(8, 8), "JPEG2000")
    run(small, format="png")
    ours = pool._State.idle[-1]

    pid = os.fork()
    if pid == 0:
        try:
            run(small, format="png")
            os._exit(0 if pool._State.idle[-1].process.pid != ours.process.pid else 1)
        finally:
            os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert ours.is_usable


def test_a_program_that_uses_the_library_keeps_no_helper() -> None:
    code = (
        "import io, os\n"
        "from PIL import Image\n"
        "from imgsrv import process, Output\n"
        "from imgsrv.imaging.apart import pool\n"
        "def no_helper(*_): raise AssertionError\n"
        "pool.run = no_helper\n"
        "file = io.BytesIO()\n"
        "Image.new('RGB', (400, 400)).save(file, 'JPEG2000')\n"
        "for name in ('jp2', 'tiff'): process(file.getvalue(), output=Output(format=name))\n"
        "print(pool._State.idle, pool.is_warm())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["[]", "False"], done.stderr


def test_an_order_survives_the_way_into_a_helper() -> None:
    """Metadata cross as Pillow's own objects."""
    exif = Image.Exif()
    exif[0x010E] = "a description"
    assert dict(pickle.loads(pickle.dumps({"exif": exif}))["exif"]) == {0x010E: "a description"}  # noqa: S301  our own
