"""SVG: drawn at the wanted size, without access to files or the network, and with limits on size and time."""

from __future__ import annotations

import base64
import gzip
import io
import json
import resource
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from pictures import corpus, drawn, encoded, levels, opened, picture, result, run
from PIL import Image

from imgsrv.errors import JobTooDear, ResultTooLarge, TooManyPixels, Undecodable, UnsupportedFormat
from imgsrv.imaging.apart import pool
from imgsrv.imaging.apart.process import Allowance, Job
from imgsrv.imaging.codecs.decode import read_header
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.cost import DRAWING_S, estimate
from imgsrv.imaging.pipelines.facts import facts_of
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process
from imgsrv.jobs.archive import Zip
from imgsrv.jobs.batch import process_batch
from imgsrv.jobs.variants import parse_variants

pytest.importorskip("resvg", reason="the extra svg is not installed", exc_type=ImportError)

NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'

HALVES = '<rect width="1" height="2" fill="#f00"/><rect x="1" width="1" height="2" fill="#00f"/>'
"""Two by two: red on the left, blue on the right."""


def svg(content: str, attributes: str = 'width="2" height="2"', before: str = "") -> bytes:
    return f"{before}<svg {NAMESPACES} {attributes}>{content}</svg>".encode()


def refused(data: bytes) -> str:
    with pytest.raises(Undecodable) as caught:
        result(data)
    return str(caught.value)


# ---- pixels -------------------------------------------------------------------------------------------


def test_a_drawing_comes_out_as_a_png_of_its_own_size() -> None:
    got = opened(run(svg(HALVES)))
    assert got.format == "PNG"
    assert drawn(got) == "RB/RB"


def test_parts_without_a_drawing_are_transparent() -> None:
    assert drawn(result(svg('<rect width="1" height="1" fill="#0f0"/>'))) == "G./.."


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="30" height="20"', (30, 20)),
        ('width="30.4" height="0.2"', (30, 1)),
        ('width="1in" height="25.4mm"', (96, 96)),
        ('width="72pt" height="6pc"', (96, 96)),
        ('width="2em" height="2ex"', (32, 16)),
        ('viewBox="0 0 40 10"', (40, 10)),
        ('width="100%" height="100%" viewBox="0 0 40 10"', (40, 10)),
        ('width="80" viewBox="0 0 40 10"', (80, 20)),
        ('height="5" viewBox="0,0,40,10"', (20, 5)),
        ("", (300, 150)),
        ('viewBox="0 0 nan 3" width="12"', (12, 150)),
        ('width=" .5E1 MM" height="1e1px"', (19, 10)),
        (f'width="{"1" * 9000}" height="7"', (300, 7)),
        (f'width="{" " * 9000}9" height="1e999q"', (300, 150)),
        (f'viewBox="0 0 4 {" " * 9000}4"', (300, 150)),
        ('width="1e-320" viewBox="0 0 1e8 1e8"', (1, 1)),
        ('width="-5" height="0"', (300, 150)),
    ],
)
def test_the_size_is_that_of_the_drawing(attributes: str, size: tuple[int, int]) -> None:
    data = svg(HALVES, attributes)
    facts = describe_picture(data, Limits())
    assert (facts["width"], facts["height"]) == size
    assert result(data).size == size


@pytest.mark.parametrize(
    ("step", "size"),
    [
        ("resize:width=400,enlarge=true", (400, 400)),
        ("resize:width=400,height=200,fit=fill,enlarge=true", (400, 200)),
        ("resize:width=300,height=200,fit=cover,enlarge=true", (300, 200)),
    ],
)
def test_a_drawing_is_drawn_at_the_size_it_is_resized_to(step: str, size: tuple[int, int]) -> None:
    got = result(svg(HALVES), step)
    assert got.size == size
    # Enlarged pixels would fade from red to blue; drawn ones do so in two columns at most.
    row = levels(got, "RGB")[size[1] // 2]
    assert np.count_nonzero((row[:, 0] > 3) & (row[:, 2] > 3)) <= 2


def is_sharp(got: Image.Image) -> bool:
    """The picture of HALVES has no more than one column between red and blue; enlarged pixels would fade."""
    row = levels(got, "RGB")[got.height // 2]
    return bool(row[0, 0] == row[-1, 2] == 255 and np.count_nonzero((row[:, 0] > 3) & (row[:, 2] > 3)) <= 1)


@pytest.mark.parametrize(
    ("steps", "size"),
    [
        ("resize:width=300", (300, 300)),
        ("resize:height=301", (301, 301)),
        ("resize:width=300,height=200", (200, 200)),
        ("resize:width=300,height=200,fit=outside", (300, 300)),
        ("resize:width=300,height=200,fit=cover", (300, 200)),
        ("resize:width=300,height=200,fit=fill", (300, 200)),
        ("resize:width=300,max_height=90", (90, 90)),
        ("resize:min_width=90,max_height=200", (90, 90)),
        ("resize:max_width=90", (2, 2)),
        ("resize:width=150,dpr=2", (300, 300)),
        ("smartcrop:width=300,height=200", (300, 200)),
        ("invert/invert/resize:width=300", (300, 300)),
        ("flip/rotate:degrees=180/flop/resize:width=300", (300, 300)),
        ("rotate:degrees=360/orient:value=1/extend:aspect=1:1/resize:width=300", (300, 300)),
        ("crop:aspect=2:1/resize:width=300", (300, 150)),
        ("crop:width=0.5,left=0.25/resize:width=300", (300, 600)),
        ("resize:width=300/pad:edge=10,colour=f00", (320, 320)),
    ],
)
def test_a_drawing_has_no_size_of_its_own_that_a_resize_could_not_exceed(steps: str, size: tuple[int, int]) -> None:
    got = result(svg(HALVES), steps)
    assert got.size == size
    assert max(size) < 10 or "pad" in steps or is_sharp(got)


def test_bars_lie_beside_a_drawing_that_fills_the_canvas() -> None:
    got = result(svg(HALVES), "resize:width=30,height=20,fit=contain")
    assert got.size == (30, 20)
    assert got.getbbox() == (5, 0, 25, 20)


def test_a_step_that_counts_pixels_works_on_the_size_of_the_drawing() -> None:
    assert result(svg(HALVES), "pad:edge=1/resize:width=300").size == (4, 4)
    assert result(svg(HALVES), "crop:width=1,height=2/resize:width=300").size == (1, 2)


def test_the_shape_of_a_drawing_is_exact_where_its_size_is_no_whole_number_of_pixels() -> None:
    data = svg('<rect width="1.5" height="1" fill="#f00"/>', 'viewBox="0 0 1.5 1"')
    got = result(data, "resize:width=300")
    assert got.size == (300, 200)
    assert got.getextrema() == ((255, 255), (0, 0), (0, 0), (255, 255))
    assert result(data).size == (2, 1)


def test_a_circle_is_drawn_at_the_wanted_size_and_not_enlarged() -> None:
    """Every pixel is that of the circle, computed, but for those on its edge."""
    got = result(svg('<circle cx="12" cy="12" r="10"/>', 'width="24" height="24"'), "resize:width=300")
    row, column = np.mgrid[:300, :300] + 0.5
    distance = np.hypot(row - 150, column - 150) - 125
    alpha = np.asarray(got.getchannel("A"))
    assert (alpha[distance < -1] == 255).all()
    assert (alpha[distance > 1] == 0).all()


def test_a_drawing_of_huge_size_is_drawn_if_it_is_wanted_small() -> None:
    data = svg(HALVES, 'width="1e6" height="1e6" viewBox="0 0 2 2"')
    assert drawn(result(data, "resize:width=2")) == "RB/RB"
    assert describe_picture(data, Limits(), ["average"])["average"] == "800080"


def test_a_result_beyond_the_limit_is_refused() -> None:
    with pytest.raises(ResultTooLarge):
        run(svg(HALVES), "resize:width=101", Limits(max_pixels=10_000))
    assert opened(run(svg(HALVES), "resize:width=100", Limits(max_pixels=10_000))).size == (100, 100)


def test_each_output_of_a_batch_is_drawn_as_its_own_request_would_draw_it() -> None:
    data, steps = svg(HALVES), ["", "resize:width=301", "resize:width=30", "resize:width=301/blur:sigma=2", ""]
    archive = Zip()
    items = [{"name": str(at), "ops": ops} for at, ops in enumerate(steps)]

    process_batch(archive, data, parse_variants(json.dumps(items).encode(), {}), Limits())

    with zipfile.ZipFile(io.BytesIO(archive.finish())) as files:
        assert [files.read(f"{at}.png") for at in range(len(steps))] == [run(data, ops) for ops in steps]


def test_a_mark_is_drawn_at_the_size_at_which_it_is_laid() -> None:
    below = encoded(Image.new("RGB", (400, 400)))
    for mark in (svg(HALVES), svg(HALVES, 'width="9e8" height="9e8" viewBox="0 0 2 2"')):
        made = process(
            below, parse_pipeline("watermark:scale=1,margin=0"), Output(format="png"), Limits(), {"watermark": mark}
        )
        assert opened(made).size == (400, 400)
        assert is_sharp(opened(made))


def test_the_estimate_counts_the_size_at_which_a_drawing_is_drawn() -> None:
    data = svg(HALVES)

    def estimated(*steps: str) -> float:
        facts = facts_of(read_header(data, Limits()), len(data), Limits())
        return estimate(facts, [(Output(format="png"), parse_pipeline(text)) for text in steps], Limits()).seconds

    large = estimated("resize:width=2000")
    assert large > estimated("resize:width=1000") + 0.01
    assert estimated("resize:width=2000", "resize:width=2000,kernel=box") < 2 * large - DRAWING_S
    assert estimated("resize:width=2000", "resize:width=1999") > 2 * large - 2 * DRAWING_S
    with pytest.raises(JobTooDear):
        run(data, "resize:width=9000", Limits(max_job_cost_s=1))


def test_a_large_drawing_is_drawn_small_if_the_pipeline_reduces_it() -> None:
    data = svg(HALVES, 'width="9000" height="9000" viewBox="0 0 2 2"')
    assert drawn(result(data, "resize:width=2")) == "RB/RB"


def test_texts_are_drawn_in_an_installed_font() -> None:
    text = '<text y="20" style="font-family:Nowhere Sans">Hä</text>'
    got = result(svg(text, 'width="40" height="30"'))
    assert np.asarray(got.getchannel("A")).max() > 200


def test_references_inside_of_the_drawing_are_followed() -> None:
    content = '<defs><rect id="a" width="1" height="2" fill="#f00"/></defs><use href="#a"/>'
    assert drawn(result(svg(content))) == "R./R."


def test_an_embedded_picture_is_drawn() -> None:
    inside = base64.b64encode(encoded(picture("GG/GG"))).decode()
    content = f'<image width="2" height="2" xlink:href="data:image/png;base64,{inside}"/>'
    assert drawn(result(svg(content))) == "GG/GG"


def test_a_logo_of_the_corpus_is_drawn() -> None:
    got = result(corpus("odd/Commons-logo.svg"), "resize:width=100")
    assert got.size == (100, 134)
    assert levels(got, "RGB")[85, 50] == pytest.approx([153, 0, 0], abs=3)


@pytest.mark.parametrize(
    "before", ["\N{ZERO WIDTH NO-BREAK SPACE}", '<?xml version="1.0" encoding="UTF-8"?>\n<!-- x -->\n']
)
def test_text_that_xml_allows_before_the_drawing_is_accepted(before: str) -> None:
    assert drawn(result(svg(HALVES, before=before))) == "RB/RB"


def test_an_entity_of_an_editor_is_expanded() -> None:
    before = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://127.0.0.1:9/svg11.dtd" [<!ENTITY red "#f00">]>'
    assert drawn(result(svg('<rect width="2" height="2" fill="&red;"/>', before=before))) == "RR/RR"


GREEN = '<rect width="2" height="2" fill="#0f0"/>'

PLAIN = svg(GREEN).decode()

LATER = [
    pytest.param(svg(GREEN, before=f"<!-- {'licence ' * 1000}-->"), id="behind-a-long-comment"),
    pytest.param(
        svg(GREEN, before=f"""<!DOCTYPE svg [{"".join(f'<!ENTITY a{at} "{"x" * 40}">' for at in range(60))}]>"""),
        id="behind-a-long-document-type",
    ),
    pytest.param(svg(GREEN, before=f"<?xml version='1.0'?>{' ' * 3000}"), id="behind-white-space"),
    pytest.param(
        b'<s:svg xmlns:s="http://www.w3.org/2000/svg" width="2" height="2"><s:rect width="2" height="2" fill="#0f0"/>'
        b"</s:svg>",
        id="with-a-prefix",
    ),
    pytest.param(PLAIN.encode("utf-8-sig"), id="utf-8-with-a-mark"),
    pytest.param(PLAIN.encode("utf-16"), id="utf-16"),
    pytest.param(b"\xfe\xff" + f"<?xml version='1.0' encoding='UTF-16'?>{PLAIN}".encode("utf-16-be"), id="utf-16-be"),
    pytest.param(PLAIN.encode("utf-16-le"), id="utf-16-without-a-mark"),
    pytest.param(f"<?xml version='1.0' encoding='UTF-16'?>{PLAIN}".encode(), id="utf-8-that-declares-utf-16"),
    pytest.param(f"<?xml version='1.0' encoding='ISO-8859-1'?><!-- \xe4 -->{PLAIN}".encode("latin1"), id="latin-1"),
    pytest.param(f"<?xml version='1.0' encoding='Shift_JIS'?><!-- 図 -->{PLAIN}".encode("shift_jis"), id="shift-jis"),
    pytest.param(gzip.compress(PLAIN.encode()), id="packed"),
    pytest.param(gzip.compress(f"<!-- {'licence ' * 1000}-->{PLAIN}".encode()), id="packed-behind-a-comment"),
    pytest.param(gzip.compress(PLAIN.encode("utf-16")), id="packed-utf-16"),
]


@pytest.mark.parametrize("data", LATER)
def test_a_drawing_is_known_and_read_in_every_form_that_browsers_read(data: bytes) -> None:
    assert drawn(result(data)) == "GG/GG"


def test_letters_of_another_encoding_are_the_letters_that_are_meant() -> None:
    text = '<text y="20" font-size="20">ä€</text>'
    size = 'width="40" height="30"'
    declared = b"<?xml version='1.0' encoding='ISO-8859-1'?>" + svg(text, size).decode().encode("cp1252")
    assert result(declared).tobytes() == result(svg(text, size)).tobytes()


NOT_DRAWINGS = [
    pytest.param(b"<?xml version='1.0'?><rss><svg/></rss>", id="another-xml"),
    pytest.param(b"<!DOCTYPE plist PUBLIC '-//x' 'http://x/svg.dtd'><plist><svg/></plist>", id="another-document-type"),
    pytest.param(b"<?xml version='1.0'?><!-- <svg/> --><html><svg/></html>", id="xhtml"),
    pytest.param(b"<svgs/>", id="a-longer-name"),
    pytest.param(b"<!-- nothing", id="a-comment-alone"),
    pytest.param(gzip.compress(b"a tar"), id="another-packed-file"),
    pytest.param(b"\x1f\x8b\x08 broken", id="a-broken-packed-file"),
    pytest.param(b"<", id="one-character"),
    pytest.param("<p>".encode("utf-16"), id="utf-16"),
]


@pytest.mark.parametrize("data", NOT_DRAWINGS)
def test_what_is_no_drawing_is_not_taken_for_one(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        run(data)


def test_a_root_that_comes_late_and_is_no_drawing_is_named() -> None:
    assert "outermost element is not svg" in refused(f"<!-- {'x' * 2000} --><rss><svg/></rss>".encode())


def shown(content: str, attributes: str = 'width="60" height="40"') -> tuple[int, int, int, int] | None:
    """The box of what is not transparent."""
    return result(svg(content, attributes)).getbbox()


SQUARE = '<rect width="10" height="10" fill="#0f0"/>'
INNER = 'x="5" y="5" width="20" height="20" viewBox="0 0 10 10"'

MOVED = [
    (f'<svg {INNER} transform="translate(20 10)">{SQUARE}</svg>', (25, 15, 45, 35)),
    (f'<svg {INNER} transform="scale(1.5)">{SQUARE}</svg>', (7, 7, 38, 38)),
    (f'<svg {INNER} style="transform:translate(20px,10px)">{SQUARE}</svg>', (25, 15, 45, 35)),
    (f'<svg {INNER} style="overflow:visible;opacity:1"><rect width="15" height="10"/></svg>', (5, 5, 35, 25)),
    (f'<defs><svg id="s" width="9" height="9" transform="translate(5 0)">{SQUARE}</svg></defs><use href="#s"/>',
     (5, 0, 14, 9)),
    (f'<defs><svg id="s" fill="#0f0" viewBox="0 0 10 10">{SQUARE}</svg></defs><use href="#s" width="20" height="20"/>',
     (0, 0, 20, 20)),
    (SQUARE.replace("/>", ' style="transform:translate(20px,10px)"/>'), (20, 10, 30, 20)),
    (SQUARE.replace("/>", ' style="transform: translate(30px , 10px) rotate(90deg) scaleX(2)"/>'), (20, 10, 30, 30)),
    (SQUARE.replace("/>", ' style="transform:none" transform="translate(9 9)"/>'), (0, 0, 10, 10)),
    (SQUARE.replace("/>", ' style="transform:skew(1foo)" transform="translate(5 5)"/>'), (5, 5, 15, 15)),
    (SQUARE.replace("/>", ' style="transform-origin:10px 10px;transform:rotate(90deg)"/>'), (10, 0, 20, 10)),
    (f'<g style="transform:translateX(12px)">{SQUARE}</g>', (12, 0, 22, 10)),
]  # fmt: skip
"""Boxes as Chromium 156 draws them."""


@pytest.mark.parametrize(("content", "box"), MOVED)
def test_a_transform_moves_what_it_moves_in_browsers(content: str, box: tuple[int, int, int, int]) -> None:
    assert shown(content) == box


def test_the_opacity_of_an_inner_drawing_counts_once() -> None:
    for attributes in ('opacity="0.5"', 'style="opacity:0.5"', 'class="a"'):
        got = result(svg(f"<style>.a {{opacity:0.5}}</style><svg {attributes}>{SQUARE}</svg>"))
        assert got.getpixel((0, 0)) == (0, 255, 0, 128)


HALF = svg('<rect width="5" height="10" fill="#0f0"/>', 'width="10" height="10"')
BOXED = svg('<rect width="5" height="10" fill="#0f0"/>', 'viewBox="0 0 10 10"')
DOT = encoded(picture("G"))


def url(data: bytes, kind: str = "image/svg+xml;base64") -> str:
    text = base64.b64encode(data).decode() if kind.endswith("base64") else quote(data)
    return f"data:{kind},{text}"


def image_of(reference: str, attributes: str = 'x="5" y="5" width="20" height="10"') -> str:
    return f'<image {attributes} href="{reference}"/>'


EMBEDDED = [
    pytest.param(image_of(url(HALF)), (5, 5, 15, 15), id="a-drawing-without-a-view-box-is-stretched"),
    pytest.param(image_of(url(BOXED)), (10, 5, 15, 15), id="a-drawing-with-a-view-box-is-not"),
    pytest.param(image_of(url(HALF, "image/svg+xml")), (5, 5, 15, 15), id="percent-encoded"),
    pytest.param(image_of(url(HALF, "image/svg+xml;utf8")), (5, 5, 15, 15), id="utf8"),
    pytest.param(image_of(url(gzip.compress(HALF))), (5, 5, 15, 15), id="packed"),
    pytest.param(image_of(url(HALF), 'x="5" y="5"'), (5, 5, 10, 15), id="at-its-own-size"),
    pytest.param(
        image_of(url(svg(image_of(url(DOT, ";base64"), 'width="5" height="10" preserveAspectRatio="none"'),
                         'width="10" height="10"'))),
        (5, 5, 15, 15), id="with-a-picture-in-it",
    ),
    pytest.param(image_of(url(svg(image_of(url(HALF), 'width="5" height="10"'), 'width="10" height="10"'))),
                 (5, 5, 10, 15), id="with-a-drawing-in-it"),
    pytest.param(image_of(url(DOT, ";base64")), (10, 5, 20, 15), id="a-png-without-a-type"),
    pytest.param(image_of(url(DOT, "image/jpeg;base64")), (10, 5, 20, 15), id="a-png-of-another-type"),
    pytest.param(image_of(url(DOT, "image/png;charset=utf-8;base64")), (10, 5, 20, 15), id="a-type-with-a-parameter"),
    pytest.param(image_of(url(DOT, "image/png")), (10, 5, 20, 15), id="a-png-percent-encoded"),
    pytest.param(image_of(url(DOT, "image/png;base64")).replace(" href", ' xlink:href="#no" href'), (10, 5, 20, 15),
                 id="href-before-xlink-href"),
    pytest.param('<filter id="f" x="0" y="0" width="1" height="1"><feImage href="' + url(HALF) + '"/></filter>'
                 '<rect x="5" y="5" width="20" height="20" filter="url(#f)"/>', (5, 5, 15, 25), id="in-a-filter"),
]  # fmt: skip
"""Boxes as Chromium 156 draws them."""


@pytest.mark.parametrize(("content", "box"), EMBEDDED)
def test_an_embedded_picture_lies_where_browsers_put_it(content: str, box: tuple[int, int, int, int]) -> None:
    assert shown(content) == box


def test_an_embedded_drawing_may_have_colours_that_are_not_encoded() -> None:
    inner = HALF.decode().replace('"', "'").replace("<", "&lt;")
    assert shown(image_of(f"data:image/svg+xml,{inner}")) == (5, 5, 15, 15)


def test_an_embedded_picture_that_browsers_draw_and_this_server_does_not_is_named() -> None:
    bitmap = encoded(picture("G"), "BMP")
    assert "embeds a picture that is not drawn here: BMP" in refused(svg(image_of(url(bitmap, "image/bmp;base64"))))


def test_an_embedded_drawing_that_is_broken_is_left_out() -> None:
    assert shown(image_of("data:image/svg+xml,%3Csvg%3E%3Crect") + SQUARE) == (0, 0, 10, 10)


# ---- nothing is asked for -----------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        yield listening


ASKING = [
    '<image width="2" height="2" href="{url}"/>',
    '<image width="2" height="2" xlink:href="{url}"/>',
    '<use href="{url}#a"/>',
    '<filter id="f"><feImage href="{url}"/></filter><rect width="2" height="2" filter="url(#f)"/>',
    '<rect width="2" height="2" style="fill:url({url}#p)"/>',
    '<style>@import url("{url}"); @font-face {{font-family: F; src: url("{url}")}}</style>',
    '<script href="{url}"/><foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="{url}"/></foreignObject>',
    '<text font-family="F">x</text><a href="{url}"><rect width="0" height="0"/></a>',
    '<image width="2" height="2" href="data:image/svg+xml,&lt;svg&gt;&lt;image href=\'{url}\'/&gt;&lt;/svg&gt;"/>',
    '<image width="2" height="2" href="data:image/svg+xml,&lt;svg&gt;&lt;use href=\'{url}%23a\'/&gt;&lt;/svg&gt;"/>',
]


@pytest.mark.parametrize("content", ASKING)
def test_no_address_is_opened(content: str, listener: socket.socket) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.svg"

    result(svg(content.format(url=url), before=f'<?xml-stylesheet href="{url}"?>'))

    with pytest.raises(TimeoutError):
        listener.accept()


@pytest.mark.parametrize("content", ASKING)
def test_no_file_is_read(content: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded(picture("YY/YY")))
    for url in (secret.as_uri(), str(secret)):
        assert "Y" not in drawn(result(svg(content.format(url=url))))


def test_an_entity_for_a_file_is_refused() -> None:
    before = '<!DOCTYPE svg [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
    assert "refers to another document" in refused(svg("<text>&secret;</text>", before=before))


def test_the_process_that_draws_can_open_nothing(tmp_path: Path) -> None:
    """A drawing that was not made safe before cannot do it either."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded(picture("YY/YY")))
    drawing = svg(f'<image width="2" height="2" href="{secret}"/>')
    job = Job("draw", {"size": (2, 2), "scale": (1.0, 1.0)}, [drawing], 1 << 20)

    assert drawn(opened(b"".join(pool.run("svg", job, Allowance(1 << 30))))) == "../.."


# ---- bounds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    ['width="1e9" height="1e9"', 'viewBox="0 0 1e8 1e8"', 'width="1e999" height="7"', 'width="9e4mm" height="9e4mm"'],
)
def test_a_drawing_with_a_huge_size_is_refused_before_it_is_drawn(attributes: str) -> None:
    with pytest.raises(TooManyPixels):
        run(svg(HALVES, attributes))


def test_a_drawing_is_never_drawn_larger_than_the_limit() -> None:
    data = svg(HALVES, 'width="2" height="2000"')
    made = run(data, "resize:width=100,height=100,fit=cover,enlarge=true", Limits(max_pixels=10_000))
    assert opened(made).size == (100, 100)


@pytest.mark.parametrize(
    ("before", "content", "reason"),
    [
        pytest.param(
            '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;">]>', "<text>&c;</text>",
            "entities refer to other entities", id="laughs",
        ),
        pytest.param(
            f'<!DOCTYPE svg [<!ENTITY a "{"a" * 800}">]>', f"<text>{'&a;' * 800}</text>", "expand to too much",
            id="long",
        ),
        pytest.param(
            '<!DOCTYPE svg [<!ENTITY % a "x"> %a;]>', "<text/>", "refers to another document", id="parameter-entity",
        ),
        pytest.param("", "<g/>" * 100_001, "more than 100,000 elements", id="elements"),
        pytest.param("", "<g>", "not well-formed XML", id="open"),
        pytest.param("<?xml version='1.0' encoding='EBCDIC'?>", "", "in the encoding ebcdic", id="encoding"),
        pytest.param("<?xml version='1.0' encoding='euc-kr'?>", "€", "not the euc-kr", id="wrong-encoding"),
    ],
)  # fmt: skip
def test_a_drawing_that_expands_or_is_broken_is_refused(before: str, content: str, reason: str) -> None:
    assert reason in refused(svg(content, before=before))


def test_a_packed_drawing_unpacks_to_no_more_than_its_bytes_can_hold() -> None:
    packed = gzip.compress(svg(" " * 2_000_000))
    assert "unpacks to more than" in refused(packed)
    assert "cut off" in refused(gzip.compress(svg(HALVES))[:-9])
    assert "cannot be unpacked" in refused(gzip.compress(svg(HALVES))[:-8] + bytes(8))


def test_drawings_embedded_in_one_another_have_a_depth_and_share_their_limits() -> None:
    data = svg(HALVES)
    for _ in range(2):
        data = svg(image_of(url(data)))
    result(data)
    assert "more than 3 drawings are embedded" in refused(svg(image_of(url(data))))
    many = svg("<g/>" * 40_000)
    assert "more than 100,000 elements" in refused(svg("".join(image_of(url(many + b" " * at)) for at in range(3))))
    assert shown(image_of(url(many)) * 3) is None


def test_nested_references_that_multiply_are_refused() -> None:
    layers = "".join(f'<g id="a{at}">{f"""<use href="#a{at - 1}"/>""" * 10}</g>' for at in range(1, 10))
    assert "cannot be drawn" in refused(svg(f'<defs><rect id="a0"/>{layers}</defs><use href="#a9"/>'))


def test_a_drawing_that_overflows_the_stack_ends_only_the_process_that_draws() -> None:
    pool.take_losses()

    assert "cannot be d" in refused(svg("<g>" * 90_000 + "</g>" * 90_000))
    # A reason that begins with a signal is a crash: its input is copied and reported.
    assert not any(reason.startswith("SIG") for reason in pool.take_losses())


def endless() -> bytes:
    """Patterns of patterns: more work than anybody can wait for."""
    size = 'width="100" height="100" patternUnits="userSpaceOnUse"'
    fill = '<rect width="100" height="100" fill="url(#p{})"/>'
    patterns = "".join(f'<pattern id="p{at}" {size}>{fill.format(at - 1) * 10}</pattern>' for at in range(1, 9))
    return svg(f"<defs>{patterns}</defs>{fill.format(8)}", 'width="100" height="100"')


def test_a_drawing_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrlimit(resource.RLIMIT_CPU)
    monkeypatch.setattr("imgsrv.imaging.formats.svg.file.CPU_S", 1)

    message = refused(endless())

    assert "takes too much time or memory" in message
    assert resource.getrlimit(resource.RLIMIT_CPU) == before


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_drawing_that_is_cut_off_is_refused(share: float) -> None:
    data = corpus("odd/Commons-logo.svg")
    assert "not well-formed XML" in refused(data[: int(len(data) * share)])


def test_a_drawing_beyond_the_longest_wait_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsrv.imaging.formats.svg.file.WALL_S", 0.001)

    assert "takes too much time or memory" in refused(endless())
