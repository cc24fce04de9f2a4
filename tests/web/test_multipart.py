"""Multipart bodies: the usual ones of browsers, odd ones and broken ones."""

from __future__ import annotations

import mmap
import os

import pytest

from imgsrv.errors import BadMultipart, EmptyBody
from imgsrv.web.multipart import BodyText, find_parts

TYPE = "multipart/form-data; boundary=XX"


def found(body: bytes, content_type: str = TYPE, name: str = "file") -> bytes:
    """The part that is found in the body."""
    file = os.memfd_create("test")
    try:
        os.pwrite(file, body, 0)
        with BodyText(file, len(body), prot=mmap.PROT_READ) as text:
            start, size = find_parts(text, content_type)[name]
            return text[start : start + size]
    finally:
        os.close(file)


def part(content: bytes, *headers: bytes, name: bytes = b'form-data; name="file"', boundary: bytes = b"XX") -> bytes:
    lines = [b"--" + boundary, b"Content-Disposition: " + name, *headers, b"", content]
    return b"\r\n".join(lines) + b"\r\n"


END = b"--XX--\r\n"


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(b"picture", id="small"),
        pytest.param(bytes(range(256)) * 4096, id="1-MB-of-every-byte"),
        pytest.param(b"\r\n", id="only-a-line-end"),
        pytest.param(b"a\r\n\r\nb", id="an-empty-line"),
        pytest.param(b"a\r\n--X\r\nb", id="half-a-boundary"),
        pytest.param(b"a--XX--\r\nb", id="a-boundary-that-begins-no-line"),
        pytest.param(b"a\n--XX\nb", id="a-boundary-after-a-bare-line-feed"),
        pytest.param(b"a\r\n-\r\n--\r\n--X", id="beginnings-of-boundaries-to-the-end"),
        pytest.param(b"a\r", id="a-carriage-return-at-the-end"),
    ],
)
def test_the_picture_is_found_to_the_byte(picture: bytes) -> None:
    assert found(part(picture) + END) == picture


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        pytest.param("multipart/form-data; boundary=XX", b"XX", id="plain"),
        pytest.param('multipart/form-data; boundary="XX"', b"XX", id="quoted"),
        pytest.param('multipart/form-data; boundary="a b:c"', b"a b:c", id="quoted-with-a-space-and-a-colon"),
        pytest.param("multipart/form-data;boundary=XX", b"XX", id="no-space"),
        pytest.param("multipart/form-data; charset=utf-8; boundary=XX", b"XX", id="behind-another-parameter"),
        pytest.param("MULTIPART/Form-Data; Boundary=XX", b"XX", id="upper-case"),
        pytest.param(f"multipart/form-data; boundary={'-' * 26}{'7' * 24}", b"-" * 26 + b"7" * 24, id="as-curl"),
    ],
)
def test_the_boundary_is_read_from_the_content_type(content_type: str, boundary: bytes) -> None:
    body = part(b"picture", boundary=boundary) + b"--" + boundary + b"--\r\n"
    assert found(body, content_type) == b"picture"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(part(b"picture", b"Content-Type: image/jpeg") + END, id="a-content-type"),
        pytest.param(part(b"picture", name=b'form-data; name="file"; filename="a;b.jpg"') + END, id="a-file-name"),
        pytest.param(part(b"picture", name=b'form-data; filename="x"; name="file"') + END, id="the-name-last"),
        pytest.param(part(b"picture", name=b"form-data; name=file") + END, id="the-name-unquoted"),
        pytest.param(part(b"picture").replace(b"Content-D", b"content-d") + END, id="a-lower-case-header"),
        pytest.param(part(b"picture") + b"--XX--", id="no-line-end-after-the-last-boundary"),
        pytest.param(part(b"picture") + END + b"epilogue", id="an-epilogue"),
        pytest.param(b"\r\n" + part(b"picture") + END, id="a-line-end-before-the-first-boundary"),
    ],
)
def test_the_part_named_file_is_the_picture(body: bytes) -> None:
    assert found(body) == b"picture"


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        pytest.param(part(b"x") + END, "multipart/form-data", "no boundary", id="no-boundary-named"),
        pytest.param(part(b"x") + END, "multipart/form-data; boundary=", "no boundary", id="an-empty-boundary"),
        pytest.param(
            part(b"x") + END, f"{TYPE}{'X' * 255}", "257 characters and may have 256", id="a-boundary-that-is-too-long"
        ),
        pytest.param(part(b"x") + END, f"{TYPE}; {'a' * 1024}", "may have 1024", id="a-content-type-that-is-too-long"),
        pytest.param(part(b"x"), TYPE, "before its closing boundary", id="no-last-boundary"),
        pytest.param(part(b"x") + b"--XX", TYPE, "before its closing boundary", id="half-a-last-boundary"),
        pytest.param(b"--XX--\r\n", TYPE, "no parts", id="no-part"),
        pytest.param(b"\xff\xd8\xff", TYPE, "", id="a-raw-picture"),
        pytest.param(part(b"x") + part(b"y") + END, TYPE, "more than one part named 'file'", id="two-files"),
        pytest.param(part(b"x", name=b'form-data; name="picture"') + END, TYPE, "'picture'", id="another-name"),
        pytest.param(part(b"x", name=b"form-data") + END, TYPE, "''", id="no-name"),
        pytest.param(
            part(b"x") + part(b"", name=b'form-data; name="mark"') + END, TYPE, "'mark' is empty", id="an-empty-part"
        ),
        pytest.param(b"--XX\r\nno header\r\n\r\nx\r\n" + END, TYPE, "", id="a-header-without-a-colon"),
        pytest.param(part(b"x") * 17 + END, TYPE, "more than 16", id="many-parts"),
        pytest.param(b"--YY" + part(b"x")[4:] + END, TYPE, "", id="another-boundary"),
    ],
)
def test_a_bad_body_is_refused_with_the_reason(body: bytes, content_type: str, reason: str) -> None:
    with pytest.raises(BadMultipart) as caught:
        found(body, content_type)
    assert reason in caught.value.reason


def test_a_part_with_very_many_headers_is_refused() -> None:
    with pytest.raises(BadMultipart):
        found(part(b"x", *[b"X-Header: 1"] * 100_000) + END)


def test_further_parts_are_found_by_their_names() -> None:
    body = part(b"picture") + part(b"logo", name=b'form-data; name="watermark"; filename="a.png"') + END
    assert [found(body, name=name) for name in ("file", "watermark")] == [b"picture", b"logo"]


def test_an_empty_part_is_an_empty_body() -> None:
    with pytest.raises(EmptyBody):
        found(part(b"") + END)
