"""Every status of an answer, provoked on a running server, with the code that gives the reason."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest
from disturbing import status
from pictures import animation, encoded, picture
from serving import Server, serving, wait_until
from wire import HEALTH, PNG, Answer, Wire, ask, chunked, head, metric, noise, post

from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.routes import ROUTES

MULTIPART = "Content-Type: multipart/form-data; boundary=XX"
JPEG = encoded(picture("RG/BY"), "JPEG")
READY = head("/readyz", method="GET")
LARGE = encoded(picture("R").resize((101, 100)))
HEAVY = "/pipeline?ops=resize:width=2000,enlarge=true" + "/blur:sigma=3.9" * 25
"""More than a second of work for a small picture."""
LONG = "/pipeline?ops=resize:width=2000,enlarge=true" + "/blur:sigma=3.9" * 18
"""Half a second of it: well past a short deadline, and done before its worker would be replaced."""


def checked(answer: Answer, status: int, code: str) -> Answer:
    """The answer, if it is a problem as RFC 9457 and DESIGN have it."""
    problem = answer.problem
    assert (answer.status, problem["code"]) == (status, code), problem
    assert problem["status"] == status
    assert problem["type"] == f"urn:imgsrv:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    return answer


# ---- 400 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "code", "named"),
    [
        pytest.param("/resize?width=10&colour=red", "unknown_parameter", ["colour", "width"], id="unknown"),
        pytest.param("/resize?width=10&heigth=10", "unknown_parameter", ["did you mean height"], id="misspelt"),
        pytest.param("/flip?width=10", "unknown_parameter", ["width", "takes format"], id="of-another-operation"),
        pytest.param("/resize?width=9&qualty=80", "unknown_parameter", ["did you mean quality"], id="of-the-output"),
        pytest.param("/resize?w=9", "unknown_parameter", ["did you mean width? it takes"], id="shortened"),
        pytest.param("/pipeline?ops=flip&widht=1", "unknown_parameter", ["widht", "ops"], id="not-the-pipelines"),
        pytest.param("/pipeline?ops=flip&width=1", "misplaced_parameter", ["ops=resize:width=1"], id="of-a-step"),
        pytest.param("/pipeline?ops=flip:format=webp", "misplaced_parameter", ["&format=webp"], id="in-a-step"),
        pytest.param("/pipeline?ops=flip/quality:80", "misplaced_parameter", ["&quality=80"], id="as-a-step"),
        pytest.param("/info?format=png", "unknown_parameter", ["format"], id="unknown-to-info"),
        pytest.param("/info?include=pallete", "invalid_parameter", ["did you mean palette", "gps"], id="no-measure"),
        pytest.param("/info?include=gps&include=all", "repeated_parameter", ["include"], id="included-twice"),
        pytest.param("/smartcrop?width=10", "missing_parameter", ["height", "whole number"], id="missing"),
        pytest.param("/pipeline", "missing_parameter", ["ops"], id="no-pipeline"),
        pytest.param("/resize", "unusable_parameters", ["width or height"], id="no-side"),
        pytest.param("/resize?width=ten", "invalid_parameter", ["width=ten", "whole number"], id="no-number"),
        pytest.param("/resize?width=1.5", "invalid_parameter", ["1.5", "whole number"], id="no-whole-number"),
        pytest.param("/resize?width=", "invalid_parameter", ["whole number"], id="empty"),
        pytest.param("/resize?width=0", "invalid_parameter", ["width=0", "from 1 to"], id="below"),
        pytest.param("/resize?width=999999999", "invalid_parameter", ["from 1 to"], id="above"),
        pytest.param("/rotate?degrees=nan", "invalid_parameter", ["-360 to 360"], id="not-a-number"),
        pytest.param("/rotate?degrees=1e400", "invalid_parameter", ["-360 to 360"], id="infinite"),
        pytest.param("/resize?width=9&fit=covr", "invalid_parameter", ["did you mean cover"], id="misspelt-choice"),
        pytest.param("/resize?width=9&enlarge=2", "invalid_parameter", ["true or false"], id="no-boolean"),
        pytest.param("/rotate?degrees=9&background=blu", "invalid_parameter", ["background", "colour"], id="no-colour"),
        pytest.param("/flip?quality=101", "invalid_parameter", ["quality", "1 to 100"], id="output-above"),
        pytest.param("/flip?format=docx", "invalid_parameter", ["webp"], id="no-format"),
        pytest.param("/resize?width=9&width=9", "repeated_parameter", ["width"], id="repeated"),
        pytest.param("/flip?quality=9&quality=8", "repeated_parameter", ["quality"], id="output-repeated"),
        pytest.param("/pipeline?ops=flip&ops=flop", "repeated_parameter", ["ops"], id="pipeline-repeated"),
        pytest.param("/pipeline?ops=flip&format=png&lossless=true", "unusable_parameters", ["lossless"], id="no-use"),
        pytest.param("/pipeline?ops=flip//flop", "bad_pipeline", ["empty step"], id="empty-step"),
        pytest.param("/pipeline?ops=resize:width", "bad_pipeline", ["parameter=value"], id="no-value"),
        pytest.param("/pipeline?ops=" + "/".join(["flip"] * 33), "bad_pipeline", ["33", "32"], id="many-steps"),
        pytest.param("/pipeline?ops=resize:width=1,width=2", "repeated_parameter", ["width"], id="repeated-in-step"),
        pytest.param("/pipeline?ops=smartcrop:width=9", "missing_parameter", ["height"], id="missing-in-step"),
        pytest.param("/resize?width=%00", "invalid_parameter", ["whole number"], id="a-zero-byte"),
        pytest.param("/resize?w%C3%AFdth=9", "unknown_parameter", ["wïdth"], id="not-ascii"),
        pytest.param("/resize?%ff=9", "unknown_parameter", ["�"], id="no-text"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(
    server: Server, target: str, code: str, named: list[str]
) -> None:
    detail = checked(ask(server, post(target, PNG)), 400, code).problem["detail"]
    assert [word for word in named if word not in detail] == [], detail


def test_a_query_that_is_not_text_is_answered_400(server: Server) -> None:
    request = post("/resize?width=9", PNG).replace(b"width=9", b"\xff\xfe=9")
    assert ask(server, request).status == 400


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(PNG, id="a-raw-picture"),
        pytest.param(b"--XX\r\n\r\n", id="cut"),
        pytest.param(b'--XX\r\nContent-Disposition: form-data; name="x"\r\n\r\nx\r\n--XX--\r\n', id="no-file"),
    ],
)
def test_a_broken_form_is_answered_400(server: Server, body: bytes) -> None:
    code = "bad_multipart" if body else "empty_body"
    checked(ask(server, post("/flip", body, MULTIPART)), 400, code)


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(head("/flip"), id="no-length"),
        pytest.param(post("/flip", b""), id="length-0"),
        pytest.param(head("/flip", "Transfer-Encoding: chunked") + chunked([]), id="no-chunk"),
        pytest.param(post("/info", b""), id="info"),
    ],
)
def test_an_empty_body_is_answered_400(server: Server, request_bytes: bytes) -> None:
    checked(ask(server, request_bytes), 400, "empty_body")


@pytest.mark.parametrize(
    ("route", "picture"),
    [
        pytest.param("/flip", PNG, id="a-png"),
        pytest.param("/flip", JPEG, id="a-jpeg"),
        pytest.param("/batch?widths=1", JPEG, id="of-a-batch"),
        pytest.param("/info", PNG, id="to-be-described"),
    ],
)
def test_a_file_without_its_line_ends_is_refused_with_the_right_curl_command(
    server: Server, route: str, picture: bytes
) -> None:
    form = "Content-Type: application/x-www-form-urlencoded"
    cut = picture.replace(b"\r", b"").replace(b"\n", b"")
    answer = checked(ask(server, post(route, cut, form)), 400, "line_ends_lost")
    assert "use curl --data-binary" in answer.problem["detail"]
    # Its name for the body alone says nothing: --data-binary has the same, and a broken picture may have line ends.
    assert ask(server, post(route, picture, form)).status == 200
    assert ask(server, post(route, cut + b"\n", form)).status in (415, 422)


@pytest.mark.parametrize("text", [b"<html><p>Not found</p></html>", b'{"status": 404}'])
def test_a_text_in_one_line_is_no_picture_that_has_lost_its_line_ends(server: Server, text: bytes) -> None:
    form = "Content-Type: application/x-www-form-urlencoded"
    checked(ask(server, post("/flip", text, form)), 415, "unsupported_format")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(JPEG[:100].replace(b"\n", b"\0").replace(b"\r", b"\0"), 422, "undecodable", id="a-cut-jpeg"),
        pytest.param(b"\x93\xfe\x01", 415, "unsupported_format", id="three-bytes"),
        pytest.param("grüße ".encode() * 200, 415, "unsupported_format", id="a-long-text"),
        pytest.param(b"\x1f\x8b\x08\0" + b"\xfe" * 2000, 415, "unsupported_format", id="packed"),
    ],
)
def test_a_body_that_has_no_line_ends_by_chance_has_not_lost_them(
    server: Server, body: bytes, status: int, code: str
) -> None:
    form = "Content-Type: application/x-www-form-urlencoded"
    checked(ask(server, post("/flip", body, form)), status, code)


def test_an_empty_file_in_a_form_is_answered_400(server: Server) -> None:
    body = b'--XX\r\nContent-Disposition: form-data; name="file"\r\n\r\n\r\n--XX--\r\n'
    assert checked_any(ask(server, post("/flip", body, MULTIPART))) in ("empty_body", "unsupported_format")


def checked_any(answer: Answer) -> str:
    return checked(answer, answer.status, answer.code).code


def test_bytes_that_are_not_http_are_answered_400(server: Server) -> None:
    checked(ask(server, b"hello\r\n\r\n"), 400, "bad_http")


# ---- 404, 405 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "code", "hint"),
    [
        pytest.param("/resise?width=9", "unknown_operation", "did you mean resize?", id="misspelt"),
        pytest.param("/Resize?width=9", "unknown_operation", "did you mean resize?", id="upper-case"),
        pytest.param("/resize/?width=9", "unknown_route", "did you mean /resize?", id="a-slash-too-many"),
        pytest.param("/zzz", "unknown_operation", "see GET /operations", id="unknown"),
        pytest.param("/pipelin", "unknown_route", "did you mean /pipeline?", id="misspelt-route"),
        pytest.param("/a/b", "unknown_route", "/resize?width=800", id="deep"),
        pytest.param("/%00", "unknown_operation", "", id="a-zero-byte"),
        pytest.param("/../../etc/passwd", "unknown_route", "", id="upwards"),
        pytest.param("/pipeline?ops=resise:width=9", "unknown_operation", "did you mean resize?", id="in-a-pipeline"),
    ],
)
def test_an_unknown_path_is_answered_404_with_a_suggestion(server: Server, target: str, code: str, hint: str) -> None:
    assert hint in checked(ask(server, post(target, PNG)), 404, code).problem["detail"]


@pytest.mark.parametrize("path", [*(f"/{name}" for name in OPERATIONS), "/pipeline", "/info"])
def test_a_picture_route_answers_get_with_405(server: Server, path: str) -> None:
    answer = checked(ask(server, head(path, method="GET")), 405, "wrong_method")
    assert "POST" in answer.headers["allow"].split(", ")
    assert answer.problem["detail"].endswith("POST a picture to it, for example with curl --data-binary @photo.jpg")


OPERATORS_ONLY = "/dashboard/events"
"""Whoever may not read it learns nothing of its methods either."""


@pytest.mark.parametrize(
    "path", [path for path, row in ROUTES.items() if row.method == "GET" and path != OPERATORS_ONLY]
)
def test_a_page_answers_post_with_405(server: Server, path: str) -> None:
    answer = checked(ask(server, post(path, PNG)), 405, "wrong_method")
    assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))
    assert answer.problem["detail"].endswith("POST a picture to a route such as /resize?width=800")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
def test_no_other_method_is_answered(server: Server, method: str) -> None:
    checked(ask(server, head("/flip", method=method)), 405, "wrong_method")


# ---- 408, 413, 431: what arrives late or is too large -------------------------------------------------


@pytest.fixture(scope="module")
def narrow() -> Iterator[Server]:
    """A server with tight limits of every kind."""
    flags = ["--header-timeout-s=0.3", "--body-timeout-s=0.3", "--max-body=1000", "--max-header=1024"]
    with serving("--workers=1", *flags, "--max-pixels=10000", "--max-frames=3") as running:
        yield running


def test_a_head_that_does_not_arrive_is_answered_408(narrow: Server) -> None:
    answer = checked(ask(narrow, b"POST /fl"), 408, "request_timeout")
    assert "--header-timeout-s" in answer.problem["detail"]
    assert answer.closes


def test_a_body_that_does_not_arrive_is_answered_408(narrow: Server) -> None:
    answer = checked(ask(narrow, post("/flip", PNG)[:-1]), 408, "request_timeout")
    assert "--body-timeout-s" in answer.problem["detail"]
    assert answer.closes


@pytest.mark.slow
def test_a_body_slower_than_the_lowest_rate_is_answered_408() -> None:
    with serving("--workers=1", "--body-rate=1000000") as server:
        answer = checked(ask(server, post("/flip", noise(100))[:-1]), 408, "request_timeout")
        assert "--body-rate" in answer.problem["detail"]


def test_a_body_announced_too_large_is_refused_before_continue(narrow: Server) -> None:
    with Wire(narrow) as wire:
        wire.send(head("/flip", "Content-Length: 1001", "Expect: 100-continue"))
        answer = checked(wire.answer(), 413, "body_too_large")
        assert answer.interims == ()
        assert answer.closes
        assert (answer.problem["size"], answer.problem["limit"]) == (1001, 1000)


@pytest.mark.parametrize("sizes", [[1001], [600, 401], [1] * 1001], ids=lambda sizes: f"{len(sizes)}-chunks")
def test_a_stream_that_passes_the_limit_is_refused(narrow: Server, sizes: list[int]) -> None:
    with Wire(narrow) as wire:
        # No last chunk: the refusal does not wait for it.
        wire.send(head("/flip", "Transfer-Encoding: chunked") + chunked([b"x" * size for size in sizes])[:-5])
        answer = checked(wire.answer(), 413, "body_too_large")
        assert "--max-body" in answer.problem["detail"]
        assert answer.closes


def test_a_large_head_is_answered_431(narrow: Server) -> None:
    answer = checked(ask(narrow, head("/healthz", "X: " + "y" * 1024, method="GET")), 431, "headers_too_large")
    assert "--max-header" in answer.problem["detail"]
    assert answer.closes


def test_a_head_without_an_end_is_answered_431(narrow: Server) -> None:
    checked(ask(narrow, b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 2000), 431, "headers_too_large")


# ---- 415, 422 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "found"),
    [
        pytest.param(b"x", "no picture format", id="a-letter"),
        pytest.param(b"<!DOCTYPE html><html></html>", "HTML", id="html"),
        pytest.param(b"v/1\x01" + bytes(20), "OpenEXR", id="openexr"),
        pytest.param(b'--XX\r\nContent-Disposition: form-data; name="file"\r\n\r\n', "multipart", id="an-untyped-form"),
        pytest.param(b'{"url": "http://169.254.169.254/"}', "no picture format", id="json"),
    ],
)
def test_a_body_that_is_not_a_picture_is_answered_415_with_the_readable_formats(
    server: Server, body: bytes, found: str
) -> None:
    problem = checked(ask(server, post("/flip", body)), 415, "unsupported_format").problem
    assert found in problem["detail"]
    assert problem["supported"] == [form.label for form in FORMATS.values()]


@pytest.mark.parametrize(
    ("body", "target", "code", "named"),
    [
        pytest.param(PNG[:50], "/flip", "undecodable", "PNG", id="cut"),
        pytest.param(PNG[:20], "/info", "undecodable", "PNG", id="cut-in-the-header"),
        pytest.param(JPEG[:4], "/flip", "undecodable", "JPEG", id="only-a-signature"),
        pytest.param(LARGE, "/flip", "too_many_pixels", "--max-pixels", id="many-pixels"),
        pytest.param(LARGE, "/info", "too_many_pixels", "--max-pixels", id="info-of-many-pixels"),
        pytest.param(
            animation([picture(row) for row in "RGBY"], "GIF"), "/flip", "too_many_frames", "--max-frames", id="frames"
        ),
        pytest.param(PNG, "/resize?width=200&enlarge=true", "result_too_large", "200×200", id="large-result"),
        pytest.param(PNG, "/crop?width=1&height=3", "operation_does_not_fit", "crop", id="crop-larger"),
        pytest.param(PNG, "/crop?width=1&height=1&left=2", "operation_does_not_fit", "crop", id="crop-outside"),
    ],
)  # fmt: skip
def test_a_picture_that_cannot_be_processed_is_answered_422(
    narrow: Server, body: bytes, target: str, code: str, named: str
) -> None:
    assert named in checked(ask(narrow, post(target, body)), 422, code).problem["detail"]


# ---- 500, 503, 504 ------------------------------------------------------------------------------------


def test_a_job_whose_engine_dies_is_answered_500_by_its_living_front() -> None:
    # Of three engines one takes no dear job.
    with serving("--workers=3") as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server))]
        survivor = server.front_of(wires[0].socket)
        while len(wires) < 2:
            another = stack.enter_context(Wire(server))
            if server.front_of(another.socket) == survivor:
                wires.append(another)
        # Two jobs from one front: two engines have one each, whichever took which.
        for wire in wires:
            wire.send(post(HEAVY, PNG))
        wait_until(lambda: metric(server, "imgsrv_jobs_begun_total") == 2, "both engines work")
        others = [worker for worker in status(server)["workers"] if worker["pid"] != survivor]
        os.kill(next(worker["pid"] for worker in others if worker.get("job")), 9)
        answers = [wire.answer() for wire in wires]
        assert sorted(answer.status for answer in answers) == [200, 500]
        checked(next(answer for answer in answers if answer.status == 500), 500, "worker_lost")
        assert survivor in server.workers()


def test_a_server_that_drains_says_so_on_readyz_and_still_serves() -> None:
    # The delay outlasts the test, however slow the machine; a second signal ends it.
    with serving("--workers=1", "--shutdown-delay-s=60") as server, Wire(server) as wire:
        wire.send(READY)
        assert wire.answer().status == 200
        server.process.terminate()
        wait_until(lambda: ask(server, READY).status == 503, "it says that it drains")
        answer = ask(server, post("/flip", PNG))
        assert (answer.status, answer.closes) == (200, True)
        assert ask(server, HEALTH).status == 200


def test_a_job_past_its_deadline_is_answered_504_and_the_same_workers_continue() -> None:
    with serving("--workers=2", "--job-timeout-s=0.2") as server:
        pids = server.workers()
        answer = checked(ask(server, post(LONG, PNG)), 504, "job_timeout")
        assert "--job-timeout-s" in answer.problem["detail"]
        wait_until(lambda: ask(server, post("/flip", PNG)).status == 200, "it serves again")
        assert server.workers() == pids
