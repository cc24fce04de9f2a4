"""Several outputs of one picture: decoded once, with the results of separate requests."""

from __future__ import annotations

import email
import email.policy
import io
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any
from unittest.mock import Mock, patch

import pytest
from pictures import animation, encoded, levels, opened, picture, psnr, run, sample
from PIL import ExifTags, Image, ImageOps

from imgsrv.errors import OperationDoesNotFit, ResultTooLarge, Undecodable
from imgsrv.imaging.jpeg_fast_path import PlanesPlan, Way, can_decode, write
from imgsrv.imaging.model.limits import Limits
from imgsrv.jobs.archive import Multipart, Zip
from imgsrv.jobs.batch import process_batch
from imgsrv.jobs.job import BatchJob, Input, perform, read_answer, read_job
from imgsrv.jobs.variants import parse_variants, variants_of_widths

CHELSEA = encoded(sample("chelsea.png"))


def unpacked(data: bytes, *items: dict[str, Any], limits: Limits | None = None) -> dict[str, bytes]:
    """The outputs by the names of their files."""
    archive = Zip()
    process_batch(archive, data, parse_variants(json.dumps(items).encode(), {}), limits or Limits())
    with zipfile.ZipFile(io.BytesIO(archive.finish())) as opened_archive:
        return {name: opened_archive.read(name) for name in opened_archive.namelist()}


def test_every_output_equals_the_result_of_its_own_request() -> None:
    wanted = {"a": ("resize:width=100", "webp"), "b": ("crop:width=50,height=40/flip", "png"), "c": ("", "thumbhash")}

    found = unpacked(CHELSEA, *({"name": name, "ops": ops, "format": form} for name, (ops, form) in wanted.items()))

    assert found == {
        f"{name}.{suffix}": run(CHELSEA, ops, format=form)
        for (name, (ops, form)), suffix in zip(wanted.items(), ("webp", "png", "txt"), strict=True)
    }


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "avif", "gif", "tiff", "bmp", "jp2", "blurhash", "lqip"])
def test_every_format_can_follow_another_in_an_archive(form: str) -> None:
    found = list(unpacked(CHELSEA, {"name": "a", "format": "bmp"}, {"name": "b", "format": form}).values())

    assert found[1] == run(CHELSEA, format=form)


def test_an_output_does_not_change_the_next() -> None:
    items = [{"name": f"n{at}", "ops": "redact:boxes=0;0;99;99" if at % 2 else "", "format": "png"} for at in range(4)]

    found = list(unpacked(CHELSEA, *items).values())

    assert found[0] == found[2] == run(CHELSEA, format="png")
    assert found[1] == found[3] != found[0]


def test_a_photo_is_decoded_at_the_scale_of_the_largest_output() -> None:
    photo = encoded(sample("coffee.jpg").resize((2400, 1600)), "JPEG", quality=95)

    found = unpacked(photo, *({"name": f"w{width}", "ops": f"resize:width={width}", "format": "png"}
                              for width in (150, 600)))  # fmt: skip

    assert found["w600.png"] == run(photo, "resize:width=600", format="png")
    # The smaller one alone would have been decoded at 1/8.
    alone = levels(opened(run(photo, "resize:width=150", format="png")))
    assert psnr(levels(opened(found["w150.png"])), alone) > 45


# Turned round, its halves begin at the other edge.
@pytest.mark.parametrize(("orientation", "least"), [(1, 45), (3, 43), (6, 45)])
def test_each_width_is_as_close_to_lanczos_as_the_result_of_its_own_request(orientation: int, least: float) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    # Of odd sides, so that blocks and halves are cut at the edges.
    photo = encoded(sample("coffee.jpg").resize((2725, 2225)), "JPEG", quality=95, exif=exif)
    upright = ImageOps.exif_transpose(opened(photo))

    found = unpacked(photo, *({"name": str(width), "ops": f"resize:width={width}", "format": "png"}
                              for width in (150, 320, 640, 1280)))  # fmt: skip

    for name, file in found.items():
        batch, alone = opened(file), opened(run(photo, f"resize:width={name[:-4]}", format="png"))
        lanczos = levels(upright.resize(alone.size, Image.Resampling.LANCZOS))
        assert psnr(levels(batch), levels(alone)) > least
        assert psnr(levels(batch), lanczos) > psnr(levels(alone), lanczos) - 0.8


@contextmanager
def in_planes() -> Iterator[tuple[Mock, Mock]]:
    """Count what is decoded to planes, and what is written from them."""
    with (
        patch.object(PlanesPlan, "decode", autospec=True, side_effect=PlanesPlan.decode) as decoded,
        patch("imgsrv.jobs.shared.write", wraps=write) as written,
    ):
        yield decoded, written


HAS_PLANES = pytest.mark.skipif(not can_decode(Fraction(1, 2)), reason="no decoder of planes is here")


@HAS_PLANES
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("orientation", [1, 2, 6, 8])
def test_plain_sizes_of_a_jpeg_share_its_planes(orientation: int, subsampling: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    photo = encoded(sample("coffee.jpg").resize((2725, 2225)), "JPEG", quality=95, exif=exif, subsampling=subsampling)
    upright = ImageOps.exif_transpose(opened(photo))
    widths = (160, 320, 640, 961)
    items = [{"name": f"w{width}", "ops": f"resize:width={width}", "quality": 95} for width in widths]

    with in_planes() as (decoded, written):
        found = unpacked(photo, *items)

    assert (decoded.call_count, written.call_count) == (1, len(widths))
    for width in widths:
        of_its_own = opened(run(photo, f"resize:width={width}", format="jpeg", quality=95))
        shared = opened(found[f"w{width}.jpg"])
        lanczos = levels(upright.resize(of_its_own.size, Image.Resampling.LANCZOS))
        assert psnr(levels(shared), lanczos) > psnr(levels(of_its_own), lanczos) - 0.5


@pytest.mark.skipif(not can_decode(Fraction(1)), reason="without the extra `turbo` no decoder of planes has full size")
def test_planes_of_full_size_are_halved_again_and_again() -> None:
    photo = encoded(sample("coffee.jpg").resize((961, 773)), "JPEG", quality=95)

    with in_planes() as (_decoded, written):
        found = unpacked(photo, *({"name": f"w{width}", "ops": f"resize:width={width}"} for width in (961, 900, 60)))

    assert written.call_count == 3
    for width in (961, 900, 60):
        of_its_own = opened(run(photo, f"resize:width={width}", format="jpeg"))
        lanczos = levels(opened(photo).resize(of_its_own.size, Image.Resampling.LANCZOS))
        assert psnr(levels(opened(found[f"w{width}.jpg"])), lanczos) > psnr(levels(of_its_own), lanczos) - 0.5


@HAS_PLANES
def test_a_width_that_a_jpeg_does_not_have_gives_its_own_once() -> None:
    photo, archive = encoded(sample("coffee.jpg").resize((500, 400)), "JPEG"), Zip()

    process_batch(archive, photo, variants_of_widths("100,500,900,1200", {}), Limits())

    with zipfile.ZipFile(io.BytesIO(archive.finish())) as found:
        assert found.namelist() == ["100.jpg", "500.jpg"]


@HAS_PLANES
def test_a_jpeg_whose_planes_are_refused_is_decoded_as_a_picture() -> None:
    photo = encoded(sample("coffee.jpg").resize((800, 640)), "JPEG")
    items = [{"name": "a", "ops": "resize:width=100"}, {"name": "b", "ops": "resize:width=200"}]

    with (
        patch.object(PlanesPlan, "decode", return_value=(None, Way("rgb"))),
        patch("imgsrv.jobs.shared.write") as written,
    ):
        found = unpacked(photo, *items)

    assert not written.called
    assert [opened(file).width for file in found.values()] == [100, 200]


@HAS_PLANES
def test_plain_sizes_of_a_broken_jpeg_show_what_is_there() -> None:
    photo = encoded(sample("coffee.jpg").resize((800, 640)), "JPEG", quality=95)
    items = [{"name": "a", "ops": "resize:width=100"}, {"name": "b", "ops": "resize:width=200"}]

    found = unpacked(photo[: len(photo) // 2], *({**each, "broken": "accept"} for each in items))

    for file in found.values():
        whole = levels(opened(photo).resize(opened(file).size, Image.Resampling.LANCZOS))
        top = whole.shape[0] // 4
        # Another part of the photograph would have 10.
        assert psnr(levels(opened(file))[:top], whole[:top]) > 28


@HAS_PLANES
def test_a_plain_size_that_is_too_large_is_named() -> None:
    photo = encoded(sample("coffee.jpg").resize((800, 640)), "JPEG")
    items = [{"name": "a", "ops": "resize:width=100"}, {"name": "b", "ops": "resize:width=2000,enlarge=true"}]

    with pytest.raises(ResultTooLarge) as caught:
        unpacked(photo, *items, limits=Limits(max_pixels=1_000_000))

    assert caught.value.output == "b"


def test_an_animation_keeps_its_frames_where_the_format_can_hold_them() -> None:
    moving = animation([picture("RG/BY"), picture("YY/YY")], "GIF", duration=40)

    found = unpacked(moving, {"name": "still", "format": "jpeg"}, {"name": "moving", "format": "webp"})

    assert getattr(opened(found["moving.webp"]), "n_frames", 1) == 2
    assert found["still.jpg"] == run(moving, format="jpeg")


def test_an_output_that_does_not_fit_is_named() -> None:
    with pytest.raises(OperationDoesNotFit) as caught:
        unpacked(CHELSEA, {"name": "good"}, {"name": "wide", "ops": "crop:width=9000,height=10"})

    assert caught.value.output == "wide"


def test_the_error_of_a_broken_picture_names_no_output() -> None:
    with pytest.raises(Undecodable) as caught:
        unpacked(CHELSEA[:-5000], {"name": "a"})

    assert caught.value.output is None


def test_all_outputs_together_stay_within_the_limit() -> None:
    limits = Limits(max_pixels=sample("chelsea.png").width * sample("chelsea.png").height * 2)

    unpacked(CHELSEA, {"name": "a"}, {"name": "b"}, limits=limits)
    with pytest.raises(ResultTooLarge, match="all outputs together") as caught:
        unpacked(CHELSEA, {"name": "a"}, {"name": "b"}, {"name": "c"}, limits=limits)

    assert caught.value.output == "c"


def test_a_mime_message_has_each_output_with_its_headers() -> None:
    archive = Multipart()
    process_batch(archive, CHELSEA, variants_of_widths("30,60", {"format": "webp"}), Limits())
    head = f"Content-Type: {archive.media_type}\r\n\r\n".encode()

    parts = list(email.message_from_bytes(head + archive.finish(), policy=email.policy.HTTP).iter_parts())

    assert [part.get_filename() for part in parts] == ["30.webp", "60.webp"]
    for part, width in zip(parts, (30, 60), strict=True):
        data = part.get_payload(decode=True)
        assert data == run(CHELSEA, f"resize:width={width}", format="webp")
        assert (part["content-length"], part["image-width"]) == (str(len(data)), str(width))
        assert part["content-type"] == "image/webp"


def test_the_same_batch_gives_the_same_zip() -> None:
    first, second = Zip(), Zip()
    for archive in (first, second):
        process_batch(archive, CHELSEA, variants_of_widths("30", {}), Limits())

    assert bytes(first.finish()) == bytes(second.finish())


def test_a_job_of_several_outputs_goes_through_an_engine() -> None:
    variants = variants_of_widths("30,9", {"format": "webp", "background": "red"})
    job = BatchJob(Input(0, len(CHELSEA)), variants, "zip", "a1b2")
    body = os.memfd_create("body")
    os.pwrite(body, CHELSEA, 0)

    message, result = perform(body, job.to_bytes(), Limits())
    os.close(body)

    assert read_job(job.to_bytes()) == job
    report = read_answer(job, message)
    assert report.media_type == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(result)).namelist() == ["30.webp", "9.webp"]


def test_the_error_of_an_output_keeps_its_name_from_engine_to_front() -> None:
    variants = parse_variants(b'[{"name": "wide", "ops": "crop:width=9000,height=10"}]', {})
    body = os.memfd_create("body")
    os.pwrite(body, CHELSEA, 0)

    job = BatchJob(Input(0, len(CHELSEA)), variants, "multipart")
    message, _result = perform(body, job.to_bytes(), Limits())
    os.close(body)

    with pytest.raises(OperationDoesNotFit) as caught:
        read_answer(job, message)
    assert caught.value.output == "wide"
