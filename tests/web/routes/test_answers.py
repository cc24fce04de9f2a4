"""Every route on a running server: the right picture or document, with the headers that describe it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import httpx
import pytest
from pictures import animation, drawn, encoded, levels, opened, picture, psnr, run, sample
from PIL import Image, ImageOps
from prometheus_client.parser import text_string_to_metric_families
from serving import Server, wait_until
from wire import PNG, ask, head, noise, post

from imgsrv import __version__
from imgsrv.imaging.analysis.measures import MEASURES
from imgsrv.imaging.codecs import turbojpeg
from imgsrv.imaging.codecs.native import jpeg as native_jpeg
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.operations.registry import Operation
from imgsrv.reference.catalogue import catalogue
from imgsrv.reference.examples import example_of
from imgsrv.reference.openapi import HEADERS, INFO, openapi
from imgsrv.routes import ROUTES
from imgsrv.web.routes.pages import index

PHOTO = encoded(sample("coffee.jpg"), "JPEG", quality=90)
WIDTH, HEIGHT = opened(PHOTO).size
IDENTITY_CUBE = b"LUT_3D_SIZE 2\n" + b"".join(
    b"%d %d %d\n" % (red, green, blue) for blue in (0, 1) for green in (0, 1) for red in (0, 1)
)
PAGES = [path for path, row in ROUTES.items() if row.methods == ("GET", "HEAD")]
STEPS = "resize:width=200/sharpen:amount=0.5/grayscale/rotate:degrees=90"


# ---- pictures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_the_example_of_every_operation_works(client: httpx.Client, operation: Operation) -> None:
    example, red = example_of(operation), encoded(picture("R").resize((900, 900)))
    if example.part:
        part = {"lut": IDENTITY_CUBE}.get(operation.name, encoded(picture("G")))
        answer = client.post(example.url, files={"file": red, example.part: part})
    else:
        answer = client.post(example.url, content=red)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    result = opened(answer.content)
    assert (answer.headers["image-width"], answer.headers["image-height"]) == tuple(map(str, result.size))


CUT = PHOTO[: len(PHOTO) // 2]


@pytest.mark.parametrize("target", ["/resize?width=200", "/pipeline?ops=flip", "/batch?widths=20,40"])
def test_the_part_that_is_there_is_answered_with_a_header_that_says_so(client: httpx.Client, target: str) -> None:
    more = f"{'&' if '?' in target else '?'}broken=accept"
    assert client.post(target, content=CUT).json()["code"] == "undecodable"

    answer = client.post(target + more, content=CUT)
    assert (answer.status_code, answer.headers["image-broken"]) == (200, "true")

    answer = client.post(target + more, content=PHOTO)
    assert answer.status_code == 200
    assert "image-broken" not in answer.headers


def test_a_description_says_whether_a_picture_is_broken(client: httpx.Client) -> None:
    assert client.post("/info", content=CUT).status_code == 200
    for data, is_broken in ((CUT, True), (PHOTO, False)):
        assert client.post("/info?include=broken,average", content=data).json()["broken"] is is_broken
        assert "broken" not in client.post("/info", content=data).json()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/flip", "BY/RG", id="flip"),
        pytest.param("/flop", "GR/YB", id="flop"),
        pytest.param("/rotate?degrees=90", "BR/YG", id="rotate"),
        pytest.param("/crop?width=1&height=2&left=1", "G/Y", id="crop"),
        pytest.param("/brightness?factor=0", "KK/KK", id="brightness"),
        pytest.param("/pipeline?ops=flip/flop", "YB/GR", id="pipeline"),
        pytest.param("/pipeline?ops=flip%2Fcrop%3Awidth%3D1%2Cheight%3D1%2Ctop%3D0%2Cleft%3D0", "B", id="escaped"),
        pytest.param("/pipeline?format=png", "RG/BY", id="no-step"),
        pytest.param("/pipeline?ops=&format=png", "RG/BY", id="empty-steps"),
    ],
)
def test_an_operation_is_done(client: httpx.Client, target: str, expected: str) -> None:
    assert drawn(opened(client.post(target, content=PNG).content)) == expected


def test_four_operations_to_webp_give_the_result_of_pillow(client: httpx.Client) -> None:
    ops = "crop:width=300,height=200,left=10,top=20/flip/grayscale/rotate:degrees=180"
    answer = client.post("/pipeline", params={"ops": ops, "format": "webp", "lossless": "true"}, content=PHOTO)
    assert answer.headers["content-type"] == "image/webp"
    own = opened(PHOTO).crop((10, 20, 310, 220)).transpose(Image.Transpose.FLIP_TOP_BOTTOM).convert("L")
    assert psnr(levels(opened(answer.content), "L"), levels(own.transpose(Image.Transpose.ROTATE_180))) > 45


def test_a_resized_photo_is_close_to_the_one_that_pillow_makes(client: httpx.Client) -> None:
    answer = client.post("/resize?width=200&format=png", content=PHOTO)
    size = (200, round(200 * HEIGHT / WIDTH))
    own = opened(PHOTO).resize(size, Image.Resampling.LANCZOS)
    assert psnr(levels(opened(answer.content)), levels(own)) > 38


@pytest.mark.parametrize("name", WRITTEN)
def test_every_format_is_written_and_read_again(client: httpx.Client, name: str) -> None:
    answer = client.post(f"/resize?width=100&format={name}", content=PHOTO)
    assert answer.headers["content-type"] == WRITTEN[name].media_type
    assert opened(answer.content).format == WRITTEN[name].pillow
    again = client.post("/flip?format=png", content=answer.content)
    assert opened(again.content).width == 100


# ---- output parameters --------------------------------------------------------------------------------


def size_of(client: httpx.Client, target: str) -> int:
    answer = client.post(target, content=PHOTO)
    assert answer.status_code == 200, answer.text
    return len(answer.content)


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        pytest.param("/flip?quality=30", "/flip?quality=90", id="quality"),
        pytest.param("/flip?format=webp", "/flip?format=webp&lossless=true", id="lossless"),
        pytest.param("/flip?format=png&effort=9", "/flip?format=png&effort=1", id="effort"),
        pytest.param("/pipeline?ops=flip&quality=30", "/pipeline?ops=flip&quality=90", id="in-a-pipeline"),
    ],
)
def test_an_output_parameter_changes_the_file(client: httpx.Client, smaller: str, larger: str) -> None:
    assert size_of(client, smaller) < size_of(client, larger)


def test_progressive_makes_a_progressive_jpeg(client: httpx.Client) -> None:
    answer = client.post("/flip?progressive=true", content=PHOTO)
    assert opened(answer.content).info.get("progressive") == 1


@pytest.mark.parametrize(
    ("metadata", "kept"), [("strip", {}), ("copyright", {33432: "me"}), ("keep", {33432: "me", 271: "Cam"})]
)
def test_metadata_is_kept_as_asked(client: httpx.Client, metadata: str, kept: dict[int, str]) -> None:
    exif = Image.Exif()
    exif[33432], exif[271], exif[274] = "me", "Cam", 1
    answer = client.post(f"/flip?metadata={metadata}", content=encoded(picture("RG/BY"), "JPEG", exif=exif))
    found = {tag: value for tag, value in opened(answer.content).getexif().items() if tag in (33432, 271)}
    assert found == kept


@pytest.mark.parametrize(
    ("target", "colour"),
    [
        pytest.param("/rotate?degrees=45&background=blue&format=png", (0, 0, 255, 255), id="corners-of-rotate"),
        pytest.param("/rotate?degrees=45&format=png", (0, 0, 0, 0), id="transparent-corners"),
        pytest.param("/rotate?degrees=45&format=bmp", (255, 255, 255, 255), id="white-where-there-is-no-alpha"),
        pytest.param("/rotate?degrees=45&format=bmp&background=blue", (0, 0, 255, 255), id="both-at-once"),
        pytest.param(
            "/resize?width=9&height=40&fit=contain&background=lime&format=png", (0, 255, 0, 255), id="bars-of-resize"
        ),
        pytest.param("/flip?format=bmp&background=blue", (255, 0, 0, 255), id="nothing-to-fill"),
    ],
)  # fmt: skip
def test_a_background_fills_what_is_empty(client: httpx.Client, target: str, colour: tuple[int, ...]) -> None:
    answer = client.post(target, content=encoded(picture("R").resize((20, 20))))
    assert opened(answer.content).convert("RGBA").getpixel((0, 0)) == colour


def test_a_background_shines_through_a_transparent_picture(client: httpx.Client) -> None:
    answer = client.post("/flip?format=bmp&background=blue", content=encoded(picture("./R", "RGBA")))
    assert drawn(opened(answer.content)) == "R/B"


@pytest.mark.parametrize(
    ("accept", "own", "media_type"),
    [
        pytest.param("image/avif,image/webp,*/*;q=0.8", "JPEG", "image/webp", id="browser"),
        pytest.param("image/avif", "JPEG", "image/avif", id="avif"),
        pytest.param("*/*", "PNG", "image/png", id="anything"),
        pytest.param(None, "GIF", "image/png", id="nothing-said"),
    ],
)
def test_an_automatic_format_follows_accept_and_says_so(
    server: Server, accept: str | None, own: str, media_type: str
) -> None:
    headers = [] if accept is None else [f"Accept: {accept}"]
    answer = ask(server, post("/flip?format=auto", encoded(picture("RG/BY"), own), *headers))
    assert (answer.headers["content-type"], answer.headers["vary"]) == (media_type, "Accept")


CHOSEN = "drawing of 4 pixels; webp 1, png 0.72, gif 0.32, jpeg 0.24; avif not worth the time"


@pytest.mark.parametrize(
    ("query", "own", "reason"),
    [
        pytest.param("ops=flip&format=auto", "PNG", CHOSEN, id="auto"),
        pytest.param("ops=flip", "PNG", None, id="its-own"),
        pytest.param("ops=flip", "TIFF", "drawing of 4 pixels; png 0.9, gif 0.4, jpeg 0.3", id="not-for-browsers"),
        pytest.param("ops=flip&format=same", "TIFF", None, id="named"),
    ],
)
def test_a_chosen_format_is_explained(client: httpx.Client, query: str, own: str, reason: str | None) -> None:
    accept = {"Accept": "image/avif,image/webp,*/*;q=0.8"}
    answer = client.post(f"/pipeline?{query}", content=encoded(picture("RG/BY"), own), headers=accept)
    assert answer.headers.get("image-format-reason") == reason


def test_a_named_format_does_not_vary(client: httpx.Client) -> None:
    assert "vary" not in client.post("/flip?format=webp", content=PNG, headers={"Accept": "image/avif"}).headers


def test_an_animation_stays_an_animation(client: httpx.Client) -> None:
    body = animation([picture(row).resize((4, 4)) for row in "RGB"], "GIF", duration=50)
    answer = client.post("/resize?width=2&format=webp", content=body)
    assert getattr(opened(answer.content), "n_frames", 1) == 3


def test_a_photo_with_an_orientation_is_turned_upright(client: httpx.Client) -> None:
    exif = Image.Exif()
    exif[274] = 6
    body = encoded(sample("rocket.jpg"), "JPEG", exif=exif, quality=95)
    answer = client.post("/pipeline?format=png", content=body)
    assert psnr(levels(opened(answer.content)), levels(ImageOps.exif_transpose(opened(body)))) > 40


# ---- headers ------------------------------------------------------------------------------------------


def test_the_time_of_every_stage_is_in_the_answer(client: httpx.Client) -> None:
    timing = client.post("/flip", content=PNG).headers["server-timing"]
    stages = re.findall(r"(\w+);dur=\d+\.\d", timing)
    assert stages == ["receive", "queue", "decode", "operations", "encode", "predicted"]
    assert timing.count(",") == len(stages) - 1


def test_the_decoder_of_a_jpeg_is_in_the_answer_and_counted(client: httpx.Client) -> None:
    body = encoded(sample("rocket.jpg"), "JPEG")

    def counted() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        return {
            line.split('"')[1]: float(line.split()[-1])
            for line in lines
            if line.startswith("imgsrv_jpeg_decodes_total{")
        }

    before = counted()
    timing = client.post("/resize?width=50", content=body).headers["server-timing"]
    (way,) = re.findall(r"decode;dur=\d+\.\d;desc=(\w+)", timing)
    assert way == ("native" if native_jpeg.IS_HERE else "turbojpeg" if turbojpeg.IS_HERE else "rgb")
    assert "desc=rgb" in client.post("/flip", content=body).headers["server-timing"]
    after = counted()
    assert {name: after[name] - before[name] for name in after if after[name] > before[name]} == (
        {"rgb": 2.0} if way == "rgb" else {way: 1.0, "rgb": 1.0}
    )


def test_every_header_of_the_description_is_there(client: httpx.Client) -> None:
    missing = [name for name in HEADERS if name not in client.post("/flip?format=auto", content=PNG).headers]
    assert missing == ["Image-Broken"]


@pytest.mark.parametrize("given", ["abc-123", "a" * 128, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
def test_the_request_id_of_the_client_is_used(client: httpx.Client, given: str) -> None:
    assert client.post("/flip", content=PNG, headers={"X-Request-Id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 129, id="long"),
        pytest.param("a b", id="with-a-space"),
        pytest.param('"}', id="with-a-quote"),
        pytest.param("ä", id="not-ascii"),
    ],
)
def test_an_id_that_would_spoil_a_log_is_replaced(server: Server, given: str) -> None:
    found = ask(server, post("/flip", PNG, f"X-Request-Id: {given}")).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{16}", found)


def test_every_request_has_an_id_of_its_own(client: httpx.Client) -> None:
    ids = [client.get("/healthz").headers["x-request-id"] for _ in range(20)]
    assert len(set(ids)) == 20


def test_a_request_has_one_line_in_the_log(server: Server, client: httpx.Client) -> None:
    client.post("/resize?width=1", content=PNG, headers={"X-Request-Id": "in-the-log"})
    wait_until(
        lambda: [event for event in server.named("request") if event["request_id"] == "in-the-log"] != [], "its line"
    )
    (line,) = [event for event in server.named("request") if event["request_id"] == "in-the-log"]
    assert (line["method"], line["path"], line["query"]) == ("POST", "/resize", "width=1")
    assert (line["status"], line["bytes_in"]) == (200, len(PNG))
    assert line["ms"] >= line["decode_ms"] >= 0


# ---- forms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, 30, 200, 600], ids=lambda side: f"{side}x{side}")
def test_a_form_gives_the_same_bytes_as_a_raw_body(client: httpx.Client, side: int) -> None:
    body = noise(side)
    raw = client.post("/flip", content=body)
    form = client.post("/flip", files={"file": ("a.png", body, "image/png")})
    assert (raw.status_code, form.status_code) == (200, 200)
    assert raw.content == form.content


def with_comment(text: bytes) -> bytes:
    """A JPEG that holds the text."""
    jpeg = encoded(picture("RG/BY"), "JPEG")
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"--XX", id="the-boundary-in-a-line"),
        pytest.param(b"\r\n--X", id="half-a-boundary"),
        pytest.param(b"\r\n\r\n--", id="line-ends"),
    ],
)
def test_a_picture_may_hold_what_looks_like_a_boundary(server: Server, text: bytes) -> None:
    body = with_comment(text)
    form = b'--XX\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + body + b"\r\n--XX--\r\n"
    answer = ask(server, post("/flip?format=png", form, 'Content-Type: multipart/form-data; boundary="XX"'))
    assert answer.body == ask(server, post("/flip?format=png", body)).body


def test_the_content_type_of_a_raw_body_is_ignored(client: httpx.Client) -> None:
    answer = client.post("/flip", content=PNG, headers={"Content-Type": "image/jpeg"})
    assert answer.headers["content-type"] == "image/png"


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_a_placeholder_is_answered_as_text(client: httpx.Client, name: str) -> None:
    answer = client.post(f"/pipeline?format={name}", content=PNG)
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["image-width"] == "2"
    assert answer.text == run(PNG, format=name).decode()


# ---- /info --------------------------------------------------------------------------------------------


def test_info_describes_a_photo(client: httpx.Client) -> None:
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Cam"
    found = client.post("/info", content=encoded(sample("rocket.jpg"), "JPEG", exif=exif)).json()
    width, height = sample("rocket.jpg").size
    assert found == {
        "format": "jpeg",
        "media_type": "image/jpeg",
        "width": height,
        "height": width,
        "mode": "RGB",
        "bit_depth": 8,
        "has_alpha": False,
        "frames": 1,
        "durations": [],
        "plays": None,
        "orientation": 6,
        "profile": None,
        "exif": {"make": "Cam"},
        "iptc": {},
        "xmp": {},
        "gain_map": False,
    }
    assert list(found) == list(INFO)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param(
            encoded(picture("./R", "RGBA")), {"format": "png", "has_alpha": True, "mode": "RGBA"}, id="alpha"
        ),
        pytest.param(encoded(picture("R", "L")), {"mode": "L", "has_alpha": False}, id="grey"),
        pytest.param(animation([picture("R"), picture("G")], "WEBP"), {"frames": 2, "format": "webp"}, id="animation"),
    ],
)  # fmt: skip
def test_info_describes_a_picture(client: httpx.Client, body: bytes, fields: dict[str, object]) -> None:
    found = client.post("/info", files={"file": body}).json()
    assert {name: found[name] for name in fields} == fields


def test_info_measures_what_is_asked_for_and_nothing_else(client: httpx.Client) -> None:
    found = client.post("/info?include=phash,average", content=encoded(picture("RR/RR"))).json()
    assert list(found) == [*INFO, "average", "phash"]
    assert found["average"] == "ff0000"


def test_info_measures_all_but_the_place(client: httpx.Client) -> None:
    found = client.post("/info?include=all", files={"file": encoded(sample("chelsea.png"))}).json()
    assert list(found) == [*INFO, *MEASURES]


# ---- pages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "made"),
    [
        pytest.param("/", index, id="index"),
        pytest.param("/operations", catalogue, id="operations"),
        pytest.param("/openapi.json", lambda: openapi(__version__), id="openapi"),
        pytest.param("/healthz", lambda: {"status": "ok"}, id="healthz"),
        pytest.param("/readyz", lambda: {"status": "ready"}, id="readyz"),
    ],
)
def test_a_page_answers_with_its_document(client: httpx.Client, path: str, made: Callable[[], object]) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == made()


DOCUMENTS = ("/", "/operations", "/openapi.json")


@pytest.mark.parametrize("path", DOCUMENTS)
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_document_is_sent_once_to_a_client_that_keeps_its_etag(
    client: httpx.Client, path: str, encoding: str
) -> None:
    asking = {"Accept-Encoding": encoding}
    first = client.get(path, headers=asking)
    assert first.headers["vary"] == ("Accept, Accept-Encoding" if path == "/" else "Accept-Encoding")
    again = client.get(path, headers={**asking, "If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get(path, headers={**asking, "If-None-Match": '"other"'}).status_code == 200


def test_a_large_document_is_compressed_for_clients_that_take_it(client: httpx.Client) -> None:
    packed = client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    plain = client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 10
    assert packed.headers["etag"] != plain.headers["etag"]


def test_no_answer_may_be_taken_for_another_type(client: httpx.Client, server: Server) -> None:
    answers = [
        client.get("/healthz"),
        client.get("/nothing"),
        client.post("/flip", content=encoded(sample("chelsea.png"))),
    ]
    assert [answer.headers.get("x-content-type-options") for answer in answers] == ["nosniff"] * 3
    assert ask(server, b"garbage\r\n\r\n").headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
def test_head_gives_the_headers_of_get(client: httpx.Client, path: str) -> None:
    with_body, without = client.get(path), client.head(path)
    assert (without.status_code, without.content) == (200, b"")
    assert without.headers["content-type"] == with_body.headers["content-type"]
    assert int(without.headers["content-length"]) > 0


def metrics(server: Server) -> dict[str, float]:
    """Every sample without labels, from a worker by chance: each call is a new connection."""
    text = ask(server, head("/metrics", method="GET")).body.decode()
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def test_metrics_are_read_by_prometheus_and_described(server: Server) -> None:
    answer = ask(server, head("/metrics", method="GET"))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert [family.name for family in families if not family.documentation] == []
    assert metrics(server)["imgsrv_workers_ready"] == 2


def test_every_worker_gives_the_metrics_of_the_whole_pool(server: Server) -> None:
    before = metrics(server)
    for _ in range(20):
        # Each on a connection of its own, so that both workers get some.
        assert ask(server, post("/flip", PNG)).status == 200
    for _ in range(10):
        wait_until(
            lambda: metrics(server)["imgsrv_jobs_done_total"] == before["imgsrv_jobs_done_total"] + 20, "20 more jobs"
        )
    after = metrics(server)
    assert after["imgsrv_request_body_bytes_total"] == before["imgsrv_request_body_bytes_total"] + 20 * len(PNG)
    assert after["imgsrv_requests_total"] >= before["imgsrv_requests_total"] + 20
    assert after["imgsrv_request_seconds_count"] >= before["imgsrv_request_seconds_count"] + 20
    assert after["imgsrv_engine_busy_seconds_total"] > before["imgsrv_engine_busy_seconds_total"]


def test_metrics_count_errors_by_their_code(server: Server) -> None:
    def refused() -> float:
        text = ask(server, head("/metrics", method="GET")).body.decode()
        line = 'imgsrv_errors_total{code="unsupported_format"} '
        return float(next(found for found in io.StringIO(text) if found.startswith(line)).removeprefix(line))

    before = refused()
    ask(server, post("/flip", b"no picture"))
    wait_until(lambda: refused() == before + 1, "one more")


def test_the_document_at_the_root_lists_every_method_that_a_path_takes(client: httpx.Client) -> None:
    rows = client.get("/").json()["routes"]
    assert {row["path"]: row["methods"] for row in rows if row["path"] == "/pipeline"} == {
        "/pipeline": ["POST", "GET", "HEAD"]
    }
    for row in rows:
        path = row["path"].format(operation="flip", upload="x")
        allowed = client.patch(path).headers["allow"].split(", ")
        assert {*allowed} - {"OPTIONS"} == {*row["methods"]}, path
