"""JPEGs without an end: read where only the end marker is missing, refused where pixels are; and kinds of JPEG."""

from __future__ import annotations

import io
import random
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pictures import encoded, levels, opened, psnr, result, run, sample
from PIL import Image

from imgsrv import describe
from imgsrv.errors import Undecodable
from imgsrv.imaging.formats.jpeg_parts.scans import MOST_SCANS, completed, read_frame_kind, read_scans

END = b"\xff\xd9"

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("RGB", {"quality": 85}),
    "4:2:0": ("RGB", {"quality": 60, "subsampling": 2}),
    "own tables": ("RGB", {"optimize": True}),
    "progressive": ("RGB", {"progressive": True}),
    "grey": ("L", {}),
    "progressive grey": ("L", {"progressive": True}),
    "CMYK": ("CMYK", {}),
    "restarts": ("RGB", {"restart_marker_blocks": 3}),
    "progressive restarts": ("RGB", {"progressive": True, "restart_marker_blocks": 3}),
}

TRAILERS = {
    "nothing": b"",
    "a video": b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data\0\0\0\x18ftypmp42" + bytes(range(256)) * 4 + b"SEFT",
    "another JPEG": b"\xff\xd8\xff\xdb\0\x43",
    "zeros": bytes(1000),
    "half a marker": b"\xff",
}


def jpeg(kind: str, size: tuple[int, int] = (97, 71)) -> bytes:
    mode, options = KINDS[kind]
    data = encoded(sample("coffee.jpg").resize(size).convert(mode), "JPEG", **options)
    assert data.endswith(END)
    return data


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pipeline", ["", "resize:width=48", "resize:width=12", "grayscale"])
def test_a_jpeg_without_an_end_marker_gives_the_picture_of_the_whole_one(
    kind: str, trailer: str, pipeline: str
) -> None:
    whole = jpeg(kind)
    cut = whole.removesuffix(END) + TRAILERS[trailer]
    # With metadata=keep no JPEG is resized in planes.
    for form in ("png", "jpeg"):
        found, expected = (run(data, pipeline, format=form, metadata="keep") for data in (cut, whole))
        assert found == expected


def test_the_path_of_planes_and_the_path_of_rgb_agree_on_a_jpeg_without_an_end_marker() -> None:
    whole = jpeg("baseline", (600, 400))
    cut = whole.removesuffix(END) + TRAILERS["a video"]
    found, expected = (opened(run(data, "resize:width=300", format="jpeg")) for data in (cut, whole))
    # At half its size, imgsrv's own decoder is sharper than libjpeg-turbo, which decodes the one without an end.
    assert psnr(levels(found), levels(expected)) > 33


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pipeline", ["", "resize:width=48", "resize:width=12"])
@pytest.mark.parametrize("missing", [2, 3, 7, 30, 300])
def test_a_jpeg_whose_scan_is_cut_is_refused_at_every_scale(kind: str, pipeline: str, missing: int) -> None:
    cut = jpeg(kind)[: -missing - len(END)]
    for form in ("jpeg", "png"):
        with pytest.raises(Undecodable, match="truncated"):
            run(cut, pipeline, format=form)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "progressive" not in kind])
@pytest.mark.parametrize("pipeline", ["", "resize:width=48", "resize:width=12"])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_jpeg_whose_scan_is_cut_is_refused_although_an_end_marker_follows(
    kind: str, pipeline: str, share: float
) -> None:
    whole = jpeg(kind)
    start = whole.index(b"\xff\xda")
    cut = whole[: start + int((len(whole) - start) * share)].rstrip(b"\xff") + END
    for form in ("jpeg", "png"):
        with pytest.raises(Undecodable, match="truncated before its end marker"):
            run(cut, pipeline, format=form)
    assert opened(run(cut, pipeline, format="png", broken="accept")).size == result(whole, pipeline).size


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}], ids=str)
@pytest.mark.parametrize("level", [127, 128])
def test_a_grey_picture_is_no_broken_one(mode: str, options: dict[str, Any], level: int) -> None:
    data = encoded(Image.new(mode, (90, 60), (level,) * len(mode) if mode != "L" else level), "JPEG", **options)
    assert result(data).size == (90, 60)
    assert describe(data, "broken")["broken"] is False


@pytest.mark.parametrize("kind", KINDS)
def test_what_counts_as_complete_shows_what_the_whole_file_shows(kind: str) -> None:
    chance = random.Random(5)  # noqa: S311  repeatable, not secret
    for _ in range(6):
        whole = jpeg(kind, (chance.randrange(9, 80), chance.randrange(9, 80)))
        for missing in range(1, 24):
            found = completed(whole[: -missing - len(END)])
            if found is not None:
                assert np.array_equal(np.asarray(opened(found)), np.asarray(opened(whole)))


def test_a_progressive_jpeg_that_ends_between_two_scans_is_refused() -> None:
    data = jpeg("progressive")
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for at in scans[1:]:
        tables = data.rfind(b"\xff\xc4", 0, at)
        assert completed(data[:at]) is None
        assert completed(data[:tables]) is None


def test_a_jpeg_with_an_end_marker_is_not_completed() -> None:
    assert completed(jpeg("baseline")) is None
    assert read_scans(jpeg("baseline")).has_end


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xda\0\3\0", b"\xff\xd8" + b"\xff" * 99]
)
def test_a_beginning_has_no_scans(data: bytes) -> None:
    assert completed(data) is None
    assert read_frame_kind(io.BytesIO(data)) is None


def test_a_jpeg_of_very_many_scans_is_not_decoded_again() -> None:
    data = jpeg("progressive grey").removesuffix(END)
    at = data.rfind(b"\xff\xda")
    assert not read_scans(data + data[at:] * MOST_SCANS).end


def _imagecodecs(pixels: Any, **options: Any) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels, **options))


LEVELS = np.kron(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4, np.ones((40, 40), np.uint8))


@pytest.mark.parametrize("pipeline", ["", "resize:width=160", "resize:width=100", "resize:width=40", "resize:width=8"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_lossless_jpeg_is_read_at_every_size(channels: int, pipeline: str) -> None:
    pixels = LEVELS if channels == 1 else np.dstack([LEVELS, LEVELS[::-1], LEVELS.T])
    data = _imagecodecs(np.ascontiguousarray(pixels), lossless=True)
    assert read_frame_kind(io.BytesIO(data)) == (0xC3, 8, 320, channels)

    expected = result(encoded(Image.fromarray(pixels)), pipeline)

    assert np.array_equal(levels(result(data, pipeline)), levels(expected))
    assert opened(run(data, pipeline, format="jpeg")).size == expected.size


def test_a_lossless_jpeg_counts_with_its_full_size() -> None:
    from imgsrv.errors import JobTooLarge  # noqa: PLC0415  the names are used here only
    from imgsrv.imaging.model.limits import Limits  # noqa: PLC0415

    limits = Limits(max_job_memory=1_000_000)
    run(encoded(Image.fromarray(LEVELS), "JPEG"), "resize:width=40", limits)
    with pytest.raises(JobTooLarge):
        run(_imagecodecs(LEVELS, lossless=True), "resize:width=40", limits)


@pytest.mark.parametrize("pipeline", ["", "resize:width=48"])
@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_a_progressive_jpeg_without_its_last_scans_is_refused(form: str, pipeline: str) -> None:
    """Pillow, sharp and browsers show the part that is there, less sharp; `broken=accept` gives it."""
    whole = jpeg("progressive")
    starts = [at for at in range(len(whole)) if whole.startswith(b"\xff\xda", at)]
    tables = [whole.rindex(b"\xff\xc4", 0, at) if b"\xff\xc4" in whole[at - 200 : at] else at for at in starts]
    for start in tables[2:]:
        data = whole[:start] + END
        with pytest.raises(Undecodable, match="truncated"):
            run(data, pipeline, format=form)
        assert opened(run(data, pipeline, format=form, broken="accept")).width in (97, 48)


def test_a_hierarchical_jpeg_is_named() -> None:
    data = jpeg("baseline").replace(b"\xff\xc0", b"\xff\xc5", 1)
    with pytest.raises(Undecodable, match="hierarchical"):
        run(data)


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        pytest.param(5, b"\0\0", "DNL", id="height-behind-the-pixels"),
        pytest.param(9, b"\2", "2 components", id="two-components"),
        pytest.param(4, b"\x0c", "12 bits", id="twelve-bits"),
    ],
)
def test_other_kinds_are_named(at: int, value: bytes, reason: str) -> None:
    data = bytearray(jpeg("baseline"))
    start = data.index(b"\xff\xc0") + at
    data[start : start + len(value)] = value
    for read in (run, describe):
        with pytest.raises(Undecodable, match=reason):
            read(bytes(data))


def test_the_kind_of_a_frame_is_found_behind_any_segments() -> None:
    data = jpeg("grey")
    more = b"".join(b"\xff\xe2" + struct.pack(">H", 2 + 60_000) + b"\xff\xc3" * 30_000 for _ in range(50))
    assert read_frame_kind(io.BytesIO(data[:2] + more + data[2:])) == (0xC0, 8, 71, 1)


@pytest.mark.parametrize("end", [b"\xff\xd9", b"", b"\xff\xd9" + b"\xff\xda\0\x09" * 999])
@pytest.mark.parametrize("more", [0, 1])
def test_a_progressive_jpeg_of_more_scans_than_encoders_make_is_refused(end: bytes, more: int) -> None:
    whole = encoded(Image.new("RGB", (16, 16)), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    data = whole[:-2] + last * (MOST_SCANS - whole.count(b"\xff\xda") + more) + end
    if not more:
        assert opened(run(data)).size == (16, 16)
        return
    for read in (run, describe):
        with pytest.raises(Undecodable, match="more than 100 scans"):
            read(data)


@pytest.mark.parametrize("is_progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (4, 100), (100, 4)], ids=str)
def test_a_small_grey_picture_is_no_cut_one(size: tuple[int, int], *, is_progressive: bool) -> None:
    data = encoded(Image.new("L", size, 128), "JPEG", progressive=is_progressive)
    assert np.array_equal(np.asarray(opened(run(data, format="png"))), np.asarray(opened(data)))
