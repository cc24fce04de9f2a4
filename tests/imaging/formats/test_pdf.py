"""PDF: a page is drawn at the wanted size on white, in a process that can open nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from pictures import levels, opened, result, run

from imgsrv.errors import NoSuchFrame, ResultTooLarge, TooManyPixels, Undecodable
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits

pytest.importorskip("pypdfium2_raw", reason="the extra pdf is not installed", exc_type=ImportError)

RESOURCES = b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>/XObject<</X 5 0 R>>>>"

HALVES = b"1 0 0 rg 0 0 36 36 re f 0 0 1 rg 36 0 36 36 re f"
"""72 by 36 points: red on the left, blue on the right."""

WIDE, TURNED = (b"0 0 72 36", HALVES, b""), (b"0 0 20 30", b"0 1 0 rg 0 0 20 15 re f", b"/Rotate 90")


def pdf(pages: Sequence[tuple[bytes, bytes, bytes]], trailer: bytes = b"", forms: Sequence[bytes] = ()) -> bytes:
    """A document of pages: the box in points, the content, and further entries of each.

    forms: further objects; the pages may use the first one, behind those of one page, as X.
    """
    kids = b" ".join(b"%d 0 R" % (2 * at + 3) for at in range(len(pages)))
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), kids)]
    for box, content, more in pages:
        own = len(objects) + 1
        page = b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents %d 0 R%s%s>>" % (box, own + 1, RESOURCES, more)
        objects += [page, b"<</Length %d>>stream\n%s\nendstream" % (len(content), content)]
    objects += forms
    out, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, len(out))
    return out + head + table + end


DOCUMENT = pdf([WIDE, TURNED])


def refused(data: bytes) -> str:
    with pytest.raises(Undecodable) as caught:
        run(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("steps", "page", "size"),
    [
        ("", 1, (96, 48)),
        ("", 2, (40, 27)),
        ("resize:width=300", 1, (300, 150)),
        ("resize:width=300", 2, (300, 200)),
        ("resize:width=100,height=100,fit=cover", 1, (100, 100)),
        ("smartcrop:width=200,height=50", 1, (200, 50)),
    ],
)
def test_a_page_is_drawn_at_the_size_it_is_resized_to(steps: str, page: int, size: tuple[int, int]) -> None:
    assert opened(run(DOCUMENT, steps, format="png", page=page)).size == size


def test_the_first_page_is_drawn_where_none_is_chosen() -> None:
    row = levels(result(DOCUMENT, "resize:width=300"), "RGB")[75]
    assert row[0].tolist() == [255, 0, 0]
    assert row[-1].tolist() == [0, 0, 255]
    assert np.count_nonzero((row[:, 0] > 3) & (row[:, 2] > 3)) <= 1


def test_a_page_that_is_turned_lies_on_white() -> None:
    got = levels(result(DOCUMENT, "resize:width=300", page=2), "RGB")
    assert got[100, 10].tolist() == [0, 255, 0]
    assert got[100, -10].tolist() == [255, 255, 255]


def test_a_text_in_a_font_that_is_not_in_the_document_is_drawn() -> None:
    got = result(pdf([(b"0 0 100 50", b"BT /F 20 Tf 10 10 Td (Hi) Tj ET", b"")]), "resize:width=400")
    dark = np.argwhere(levels(got, "L") < 64)
    # Cap height of Helvetica is 0.72 of 20 points, at 4 pixels a point, over the base line at 10 points from below.
    assert 160 - 60 <= dark[:, 0].min() <= 160 - 55
    assert 158 <= dark[:, 0].max() <= 161


def test_pages_are_counted_and_have_the_size_that_browsers_show() -> None:
    facts = describe_picture(DOCUMENT, Limits())
    assert (facts["width"], facts["height"], facts["frames"]) == (96, 48, 2)


def test_a_page_that_is_not_there_is_named() -> None:
    with pytest.raises(NoSuchFrame, match="page=3"):
        run(DOCUMENT, page=3)


def test_the_limit_holds_for_the_size_at_which_a_page_is_drawn() -> None:
    large = pdf([(b"0 0 14400 14400", HALVES, b"")])
    with pytest.raises(TooManyPixels):
        run(large)
    assert opened(run(large, "resize:width=50")).size == (50, 50)
    with pytest.raises(ResultTooLarge):
        run(DOCUMENT, "resize:width=200", Limits(max_pixels=10_000))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"%PDF-1.4 and no more", "broken", id="broken"),
        pytest.param(DOCUMENT[:100], "broken", id="cut"),
        pytest.param(
            pdf([WIDE], b"/Encrypt<</Filter/Standard/V 1/R 2/O(%s)/U(%s)/P -1>>" % (b"1" * 32, b"1" * 32)),
            "asks for a password", id="password",
        ),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_read_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    assert reason in refused(data)


def endless() -> bytes:
    """Forms that are made of forms: more work than anybody can wait for."""
    forms = []
    for number in range(5, 14):
        content = b"/X Do " * 10 if number < 13 else HALVES
        below = b"/Resources<</XObject<</X %d 0 R>>>>" % (number + 1) if number < 13 else b""
        forms.append(
            b"<</Type/XObject/Subtype/Form/BBox[0 0 72 36]%s/Length %d>>stream\n%s\nendstream"
            % (below, len(content), content)
        )
    return pdf([(b"0 0 72 36", b"/X Do", b"")], forms=forms)


def test_a_page_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsrv.imaging.formats.read_only.pdf.CPU_S", 1)

    assert "too much time or memory" in refused(endless())
