"""HEIC and JPEG XL: both are read and written, the size is known before decoding, and hostile files are refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest
from pictures import corpus, encoded, levels, opened, psnr, result, run, sample
from PIL import ExifTags, Image

from imgsrv.cli.main import run as command
from imgsrv.errors import TooManyPixels, Undecodable, UnusableParameters
from imgsrv.imaging.codecs import output as outputs
from imgsrv.imaging.codecs.output import FormatName, Output
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.formats import FORMATS, KNOWN, WRITTEN
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.installed import install_command

OPTIONAL = [
    pytest.param(name, marks=pytest.mark.skipif(name not in WRITTEN, reason=f"the extra {form.extra} is not installed"))
    for name, form in KNOWN.items()
    if form.extra and form.is_written
]


def cat(name: str, size: tuple[int, int] = (90, 60), mode: str = "RGB") -> bytes:
    image = sample("chelsea.png").resize(size).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(size))
    return run(encoded(image), format=name, quality=90)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("name", OPTIONAL)
def test_a_picture_survives_writing_and_reading(name: str, mode: str) -> None:
    got = result(cat(name, mode=mode))
    assert got.size == (90, 60)
    assert got.mode == mode
    assert psnr(levels(got, "RGB"), levels(sample("chelsea.png").resize((90, 60)).convert("RGB"))) > (
        15 if mode == "L" else 32
    )


@pytest.mark.parametrize("name", OPTIONAL)
def test_lossless_keeps_every_pixel(name: str) -> None:
    image = sample("chelsea.png").resize((90, 60))
    assert result(run(encoded(image), format=name, lossless=True)).tobytes() == image.tobytes()


@pytest.mark.parametrize("effort", [0, 5, 9])
@pytest.mark.parametrize("name", OPTIONAL)
def test_every_effort_can_be_written(name: str, effort: int) -> None:
    data = encoded(sample("chelsea.png").resize((30, 20)))
    assert opened(run(data, format=name, effort=effort)).size == (30, 20)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (64, 64), (65, 1), (1000, 700), (513, 2049)])
@pytest.mark.parametrize("name", OPTIONAL)
def test_the_size_is_known_before_decoding(name: str, size: tuple[int, int]) -> None:
    data = cat(name, size)
    facts = describe_picture(data, Limits())
    assert (facts["width"], facts["height"]) == size
    with pytest.raises(TooManyPixels):
        run(data, limits=Limits(max_pixels=size[0] * size[1] - 1))


@pytest.mark.parametrize("share", [0.05, 0.4, 0.9, 0.99])
@pytest.mark.parametrize("name", OPTIONAL)
def test_a_file_that_is_cut_off_is_refused(name: str, share: float) -> None:
    data = cat(name, (300, 200))
    with pytest.raises(Undecodable):
        run(data[: int(len(data) * share)])


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_orientation_of_exif_is_not_applied_a_second_time(name: str) -> None:
    # The containers have one of their own, which decoders apply; EXIF's is for information.
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    given = exif.tobytes() if name == "heic" else bytes(4) + exif.tobytes()[6:]
    data = encoded(sample("chelsea.png").resize((90, 60)), KNOWN[name].pillow, exif=given)
    facts = describe_picture(data, Limits())
    # Its writer turns the EXIF orientation into one of the container.
    size = (60, 90) if name == "heic" else (90, 60)
    assert (facts["width"], facts["height"], facts["orientation"]) == (*size, 1)
    assert result(data).size == size


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_header_with_a_wrong_size_is_refused(name: str) -> None:
    large, small = (cat(name, (side, side)) for side in (512, 64))
    if name == "heic":
        place = small.index(b"ispe") + 8
        lying = large.replace(large[large.index(b"ispe") + 8 :][:8], small[place : place + 8])
    else:
        # The size takes the first bytes of a codestream; both are squares of a multiple of eight.
        lying = large[:2] + small[2:4] + large[4:]
    with pytest.raises(Undecodable):
        run(lying, limits=Limits(max_pixels=100_000))


@pytest.mark.parametrize("name", OPTIONAL)
def test_max_bytes_and_target_bound_the_quality(name: str) -> None:
    data = encoded(sample("chelsea.png").resize((120, 80)))
    assert len(run(data, format=name, max_bytes=2500)) <= 2500
    low, high = (len(run(data, format=name, target=target)) for target in (0.8, 0.97))
    assert low < high


def test_a_heic_of_the_corpus_is_read() -> None:
    if "heic" not in FORMATS:
        pytest.skip("the extra heif is not installed")
    got = result(corpus("odd/image.heic"))
    assert got.size == (256, 256)
    assert levels(got, "RGB")[0, 0] == pytest.approx([0, 0, 255], abs=8)


def test_without_its_extra_a_format_is_not_written_and_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "WRITTEN", {name: form for name, form in WRITTEN.items() if not form.extra})
    with pytest.raises(UnusableParameters, match="the extra `heif` adds it"):
        Output(format="heic").check()


def test_jpeg_xl_is_read_where_only_its_encoder_is_missing() -> None:
    assert "jxl" in FORMATS
    assert KNOWN["jxl"].writer
    assert ("jxl" in WRITTEN) == (find_spec(KNOWN["jxl"].writer) is not None)


def test_a_target_without_the_extra_of_its_format_gets_an_error_with_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outputs, "WRITTEN", {name: form for name, form in WRITTEN.items() if not form.extra})
    source = tmp_path / "in.png"
    source.write_bytes(encoded(sample("chelsea.png")))
    assert command(["convert", str(source), str(tmp_path / "out.jxl")]) == 2
    assert f"the extra `jxl` adds it; to install it: {install_command('jxl')}\n" in capsys.readouterr().err


def test_the_names_of_output_formats_come_from_the_rows() -> None:
    written = [name for name, form in KNOWN.items() if form.is_written]
    assert list(get_args(FormatName)) == ["auto", "same", *written, *PLACEHOLDERS]
