"""Pictures for which Pillow allocates memory before it checks their size: they are refused while it reads the size."""

from __future__ import annotations

import resource
import struct
import zlib
from collections.abc import Iterator

import psutil
import pytest
from pictures import animation, encoded, opened, picture, run

from imgsrv.errors import TooManyPixels
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits

ROOM = 500_000_000
"""Bytes that a process may still ask for: less than any picture here would."""

LARGE = (30_000, 30_000)
BACKGROUND = 2
"""The disposal of a frame whose place is cleared afterwards."""


@pytest.fixture
def _little_memory() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def gif(screen: tuple[int, int], *frames: tuple[int, int], comment: bytes = b"") -> bytes:
    """A GIF whose frames have no pixels and must each be cleared."""
    one = b"!\xf9\x04" + bytes([BACKGROUND << 2]) + bytes(4)
    pixels = b"\0\x02\x02\x44\x01\0"
    drawn = b"".join(one + b"," + struct.pack("<HHHH", 0, 0, *size) + pixels for size in frames)
    return b"GIF89a" + struct.pack("<HH", *screen) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff" + comment + drawn + b";"


def apng(width: int, height: int) -> bytes:
    """An animated PNG without pixels, whose first frame must be cleared."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    frame = struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 1, 1, 0)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", frame), (b"IDAT", b""), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gif(LARGE, (1, 1)), id="a-gif-with-a-large-screen"),
        pytest.param(gif((1, 1), LARGE), id="a-gif-with-a-large-frame"),
        pytest.param(gif((1, 1), (1, 1), LARGE), id="a-gif-with-a-large-second-frame"),
        pytest.param(gif((1, 1), (LARGE[0], 1), (1, LARGE[1])), id="a-gif-that-grows-both-ways"),
        pytest.param(apng(*LARGE), id="an-animated-png"),
    ],
)
@pytest.mark.usefixtures("_little_memory")
def test_a_picture_that_needs_too_much_memory_is_refused_before_allocation(data: bytes) -> None:
    with pytest.raises(TooManyPixels) as caught:
        run(data)

    assert (caught.value.width, caught.value.height) == LARGE


@pytest.mark.usefixtures("_little_memory")
def test_a_description_of_a_picture_allocates_no_memory_for_it_either() -> None:
    with pytest.raises(TooManyPixels):
        describe_picture(gif((1, 1), LARGE), Limits())


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(struct.pack("<B44s", 44, b"\xff" * 44), id="of-44-bytes-as-many-as-a-comma-is"),
        pytest.param(struct.pack("<B9s", 9, b"\xff" * 9), id="of-9-bytes-as-many-as-a-frame-has"),
        pytest.param(struct.pack("<B13s", 13, b"GIF89a" + b"\xff" * 7), id="of-13-bytes-as-many-as-a-screen-has"),
    ],
)
def test_a_comment_is_not_read_as_a_size(block: bytes) -> None:
    good = encoded(picture("RG/BY"), "GIF")
    at = good.index(b",")
    at = good.index(b"!") if b"!" in good[:at] else at
    data = good[:at] + b"!\xfe" + block + b"\0" + good[at:]

    assert opened(run(data, limits=Limits(max_pixels=4))).size == (2, 2)


def test_frames_within_the_limit_are_all_read() -> None:
    data = animation([picture("RG/BY"), picture("GR/YB")], "GIF", duration=50)

    assert getattr(opened(run(data, limits=Limits(max_pixels=8))), "n_frames", 1) == 2
