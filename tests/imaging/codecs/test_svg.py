"""SVG: drawn at the wanted size, without access to files or the network, and with limits on size and time."""

from __future__ import annotations

import base64
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pictures import corpus, drawn, encoded, levels, opened, picture, result, run

from imgsrv.errors import TooManyPixels, Undecodable
from imgsrv.imaging.apart import pool
from imgsrv.imaging.apart.process import Allowance, Job
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits

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
    ],
)  # fmt: skip
def test_a_drawing_that_expands_or_is_broken_is_refused(before: str, content: str, reason: str) -> None:
    assert reason in refused(svg(content, before=before))


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
    monkeypatch.setattr("imgsrv.imaging.formats.svg.CPU_S", 1)

    message = refused(endless())

    assert "takes too much time or memory" in message
    assert resource.getrlimit(resource.RLIMIT_CPU) == before


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_drawing_that_is_cut_off_is_refused(share: float) -> None:
    data = corpus("odd/Commons-logo.svg")
    assert "not well-formed XML" in refused(data[: int(len(data) * share)])


def test_a_drawing_beyond_the_longest_wait_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsrv.imaging.formats.svg.WALL_S", 0.001)

    assert "takes too much time or memory" in refused(endless())
