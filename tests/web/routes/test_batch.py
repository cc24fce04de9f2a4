"""`POST /batch` over HTTP."""

from __future__ import annotations

import base64
import email
import email.policy
import io
import json
import zipfile
from typing import Any

import httpx
import pytest
from pictures import encoded, opened, picture, run, sample

CHELSEA = encoded(sample("chelsea.png"))
SMALL = {"name": "small", "ops": "resize:width=32", "format": "webp"}
HASH = {"name": "hash", "format": "blurhash"}


def asked(client: httpx.Client, *outputs: dict[str, Any], query: str = "", **files: bytes) -> httpx.Response:
    """The answer to a form with the picture and the outputs."""
    parts = {"file": CHELSEA, "outputs": json.dumps(outputs).encode(), **files}
    return client.post(f"/batch?{query}", files=parts)


def unzipped(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.headers["content-type"] == "application/zip", answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


def test_the_outputs_come_as_a_mime_message(client: httpx.Client) -> None:
    answer = asked(client, SMALL, HASH)

    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert (answer.status_code, kind, answer.headers["vary"]) == (200, "multipart/mixed", "Accept")
    _, first, second, end = answer.content.split(f"--{boundary}".encode())
    assert first.partition(b"\r\n\r\n")[2] == run(CHELSEA, "resize:width=32", format="webp") + b"\r\n"
    assert second.partition(b"\r\n\r\n")[2] == run(CHELSEA, format="blurhash") + b"\r\n"
    assert end == b"--\r\n"
    assert "decode;dur=" in answer.headers["server-timing"]


def test_the_outputs_come_as_a_zip_where_the_query_says_so(client: httpx.Client) -> None:
    assert unzipped(asked(client, SMALL, HASH, query="archive=zip")) == {
        "small.webp": run(CHELSEA, "resize:width=32", format="webp"),
        "hash.txt": run(CHELSEA, format="blurhash"),
    }


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        pytest.param("application/zip", "application/zip", id="zip"),
        pytest.param("application/zip, */*;q=0.1", "application/zip", id="zip-or-anything"),
        pytest.param("*/*", "multipart/mixed", id="anything"),
        pytest.param("application/zip;q=0.1, multipart/mixed", "multipart/mixed", id="rather-multipart"),
        pytest.param("application/json, */*", "application/json", id="json-or-anything"),
        pytest.param("application/json;q=0.5, application/zip", "application/zip", id="rather-zip"),
        pytest.param("multipart/form-data", "multipart/form-data", id="form"),
    ],
)
def test_the_accept_header_chooses_the_archive(client: httpx.Client, accept: str, kind: str) -> None:
    answer = client.post("/batch?widths=30", content=CHELSEA, headers={"Accept": accept})

    assert answer.headers["content-type"].startswith(kind)


def test_the_outputs_come_as_json_with_base64_and_a_srcset(client: httpx.Client) -> None:
    answer = client.post("/batch?widths=30,60&format=webp", content=CHELSEA, headers={"Accept": "application/json"})

    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["srcset"] == "30.webp 30w, 60.webp 60w"
    for output, width in zip(found["outputs"], (30, 60), strict=True):
        data = base64.b64decode(output.pop("data"), validate=True)
        assert data == run(CHELSEA, f"resize:width={width}", format="webp")
        size = opened(data).size
        assert output == {
            "name": str(width),
            "file": f"{width}.webp",
            "type": "image/webp",
            "width": size[0],
            "height": size[1],
            "bytes": len(data),
        }


def test_a_text_stands_in_the_json_as_it_is_and_has_no_place_in_a_srcset(client: httpx.Client) -> None:
    found = asked(client, SMALL, HASH, query="archive=json").json()

    text = run(CHELSEA, format="blurhash").decode()
    assert [output.get("text") for output in found["outputs"]] == [None, text]
    assert found["srcset"] is None


def test_a_form_as_the_answer_has_a_file_for_each_output(client: httpx.Client) -> None:
    answer = client.post("/batch?widths=30,60", content=CHELSEA, headers={"Accept": "multipart/form-data"})

    assert answer.headers["content-type"].startswith("multipart/form-data; boundary=")
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    parts = list(email.message_from_bytes(head + answer.content, policy=email.policy.HTTP).iter_parts())
    assert [part["content-disposition"].params["name"] for part in parts] == ["30", "60"]
    assert [part["content-disposition"].content_disposition for part in parts] == ["form-data"] * 2
    assert [opened(part.get_content()).width for part in parts] == [30, 60]


def test_widths_above_that_of_the_picture_give_its_own_width_once(client: httpx.Client) -> None:
    width = opened(CHELSEA).width
    asked_for = f"/batch?widths={width + 1},30,{width},{width + 900}&format=jpeg&archive="

    found = client.post(asked_for + "json", content=CHELSEA).json()
    assert found["srcset"] == f"{width}.jpg {width}w, 30.jpg 30w"
    files = unzipped(client.post(asked_for + "zip", content=CHELSEA))
    assert {name: opened(data).width for name, data in files.items()} == {f"{width}.jpg": width, "30.jpg": 30}


def test_the_query_chooses_before_the_accept_header(client: httpx.Client) -> None:
    answer = client.post("/batch?widths=3&archive=multipart", content=CHELSEA, headers={"Accept": "application/zip"})

    assert answer.headers["content-type"].startswith("multipart/mixed")


def test_widths_make_reductions_of_a_raw_picture(client: httpx.Client) -> None:
    found = unzipped(client.post("/batch?widths=30,60&format=webp&quality=30&archive=zip", content=CHELSEA))

    assert {name: opened(data).width for name, data in found.items()} == {"30.webp": 30, "60.webp": 60}
    assert found["30.webp"] == run(CHELSEA, "resize:width=30", format="webp", quality=30)


def test_output_parameters_of_the_query_hold_for_all_outputs(client: httpx.Client) -> None:
    found = unzipped(asked(client, {"name": "a"}, {"name": "b", "format": "gif"}, query="archive=zip&format=bmp"))

    assert list(found) == ["a.bmp", "b.gif"]


def test_the_format_follows_the_accept_header(client: httpx.Client) -> None:
    accept = {"Accept": "application/zip, image/webp"}
    answer = client.post("/batch?widths=30&format=auto", content=CHELSEA, headers=accept)

    assert list(unzipped(answer)) == ["30.webp"]


def test_an_output_can_use_a_further_part(client: httpx.Client) -> None:
    marked = {"name": "marked", "ops": "watermark:part=logo", "format": "png"}

    found = unzipped(asked(client, marked, {"name": "b"}, query="archive=zip", logo=encoded(picture("RR/RR"))))

    assert found["marked.png"] != found["b.png"]


@pytest.mark.parametrize(
    ("output", "status", "code"),
    [
        pytest.param({"ops": "crop:width=9000,height=9"}, 422, "operation_does_not_fit", id="does-not-fit"),
        pytest.param({"ops": "resize:width=0"}, 400, "invalid_parameter", id="no-width"),
        pytest.param({"ops": "resiz:width=9"}, 404, "unknown_operation", id="no-operation"),
        pytest.param({"ops": "watermark"}, 400, "missing_part", id="no-part"),
        pytest.param({"format": "png", "quality": 3}, 400, "unusable_parameters", id="no-use"),
    ],
)
def test_the_error_of_one_output_is_the_answer_to_the_batch(
    client: httpx.Client, output: dict[str, Any], status: int, code: str
) -> None:
    answer = asked(client, SMALL, {"name": "other", **output})

    found = problem(answer)
    assert (answer.status_code, found["code"], found["output"]) == (status, code, "other")
    assert found["detail"].startswith("output 'other': ")


@pytest.mark.parametrize(
    ("query", "code", "named"),
    [
        pytest.param("", "missing_parameter", "widths", id="nothing"),
        pytest.param("width=3", "unknown_parameter", "did you mean widths", id="misspelt"),
        pytest.param("widths=3&blur=2", "unknown_parameter", "make it a step, as in ops=blur", id="an-operation"),
        pytest.param("widths=320w,640w", "invalid_parameter", "did you mean 320?", id="as-in-srcset"),
        pytest.param("widths=" + "1," * 20 + "1", "bad_outputs", "there are 21 widths and 16", id="too-many"),
        pytest.param("widths=3&widths=4", "repeated_parameter", "widths", id="repeated"),
        pytest.param("widths=3&archive=tar", "invalid_parameter", "multipart, zip, json or form", id="no-archive"),
        pytest.param("widths=3,x", "invalid_parameter", "whole number", id="no-width"),
        pytest.param("widths=3,3", "bad_outputs", "two are named", id="twice"),
        pytest.param("widths=3&quality=0", "invalid_parameter", "from 1 to 100", id="no-quality"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused(client: httpx.Client, query: str, code: str, named: str) -> None:
    answer = client.post(f"/batch?{query}", content=CHELSEA)

    assert (answer.status_code, problem(answer)["code"]) == (400, code)
    assert named in problem(answer)["detail"]


@pytest.mark.parametrize(
    ("query", "files", "code"),
    [
        pytest.param("widths=3", {"outputs": b'[{"name": "a"}]'}, "unusable_parameters", id="widths-and-outputs"),
        pytest.param("", {"outputs": b"{"}, "bad_outputs", id="no-json"),
        pytest.param("", {"outputs": b" " * 70_000}, "bad_outputs", id="too-long"),
        pytest.param("widths=3", {"logo": b"x"}, "unused_part", id="unused-part"),
    ],
)
def test_a_form_that_cannot_be_used_is_refused(
    client: httpx.Client, query: str, files: dict[str, bytes], code: str
) -> None:
    answer = client.post(f"/batch?{query}", files={"file": CHELSEA, **files})

    assert (answer.status_code, problem(answer)["code"]) == (400, code)


def test_an_error_of_the_picture_names_no_output(client: httpx.Client) -> None:
    found = problem(client.post("/batch?widths=3", content=CHELSEA[:-5000]))

    assert found["code"] == "undecodable"
    assert "output" not in found
