"""Fields of a form beside the picture: each means what the parameter of its name means in the query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pictures import encoded, opened, run, sample
from serving import Server, serving

from imgsrv.web.access.signatures import sign

COFFEE = encoded(sample("coffee.jpg"), "JPEG", quality=90)
SECRET = b"the-secret-of-the-test-of-form-fields"


def sent(client: httpx.Client, target: str, **fields: str) -> httpx.Response:
    """The answer to a form as a browser sends it: each field is a part without a file name."""
    return client.post(target, files={"file": ("a.jpg", COFFEE, "image/jpeg")}, data=fields)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_the_fields_are_parameters_of_the_operation_and_of_the_output(client: httpx.Client) -> None:
    answer = sent(client, "/resize", width="80", format="webp")
    assert answer.content == run(COFFEE, "resize:width=80", format="webp")


def test_fields_and_query_add_up(client: httpx.Client) -> None:
    answer = sent(client, "/resize?width=80", format="png", height="")
    assert answer.content == run(COFFEE, "resize:width=80", format="png")


def test_a_pipeline_and_a_batch_and_a_description_take_them_too(client: httpx.Client) -> None:
    steps = "resize:width=80/text:text=50 %25 off%2C today"
    assert sent(client, "/pipeline", ops=steps, format="png").content == run(COFFEE, steps, format="png")
    found = sent(client, "/batch", widths="30,60", archive="json").json()
    assert [output["width"] for output in found["outputs"]] == [30, 60]
    assert "average" in sent(client, "/info", include="average").json()


def test_a_second_picture_may_come_beside_fields(client: httpx.Client) -> None:
    files = {"file": ("a.jpg", COFFEE), "watermark": ("b.png", encoded(sample("chelsea.png")))}
    answer = client.post("/watermark", files=files, data={"scale": "0.2", "format": "png"})
    assert (answer.status_code, opened(answer.content).format) == (200, "PNG")


@pytest.mark.parametrize(
    ("target", "fields", "refused"),
    [
        pytest.param("/resize", {"width": "x"}, (400, "invalid_parameter"), id="a-wrong-value"),
        pytest.param("/resize?width=9", {"width": "9"}, (400, "repeated_parameter"), id="in-both"),
        pytest.param("/resize", {"format": "png"}, (400, "unusable_parameters"), id="none-that-is-needed"),
        pytest.param("/pipeline", {"ops": ""}, (400, "missing_parameter"), id="an-empty-field"),
        pytest.param("/flip", {"send": "Send"}, (400, "unused_part"), id="no-parameter"),
        pytest.param("/pipeline", {"ops": "x" * 40_000}, (400, "unusable_parameters"), id="very-long"),
    ],
)
def test_what_is_wrong_with_a_field_is_told_as_of_the_query(
    client: httpx.Client, target: str, fields: dict[str, str], refused: tuple[int, str]
) -> None:
    assert refusal(sent(client, target, **fields)) == refused


def test_bytes_that_are_no_text_are_refused(client: httpx.Client) -> None:
    body = b'--X\r\nContent-Disposition: form-data; name="width"\r\n\r\n\xff\r\n'
    body += b'--X\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--X--\r\n'
    answer = client.post("/resize", content=body, headers={"Content-Type": "multipart/form-data; boundary=X"})
    assert refusal(answer) == (400, "bad_multipart")


# ---- where nothing may be added -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    secrets: Path = tmp_path_factory.mktemp("secrets") / "secrets"
    secrets.write_bytes(b"s1 " + SECRET + b"\n")
    with serving("--workers", "1", f"--secrets-file={secrets}") as server:
        yield server


def test_a_form_adds_nothing_to_a_signed_url(signed: Server) -> None:
    with signed.client() as client:
        target = sign(SECRET, "POST", "/resize?width=80", "s1", 4_000_000_000)
        assert sent(client, target).status_code == 200
        assert refusal(sent(client, target, height="20")) == (400, "unused_part")


def test_a_form_adds_nothing_to_a_preset_where_only_presets_are_allowed() -> None:
    preset = "--presets=grey=ops=grayscale"
    with serving("--workers", "1", preset, "--presets-only") as server, server.client() as client:
        assert sent(client, "/pipeline?preset=grey").status_code == 200
        assert refusal(sent(client, "/pipeline?preset=grey", format="png")) == (400, "unused_part")
    with serving("--workers", "1", preset) as server, server.client() as client:
        assert sent(client, "/pipeline?preset=grey", format="png").headers["content-type"] == "image/png"
