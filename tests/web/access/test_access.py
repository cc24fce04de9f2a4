"""Who may ask, on a running server: keys, signed URLs, presets, CORS and limits, before a body is read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from far.origins import ok, origin
from serving import Server, serving, wait_until
from wire import PNG, Answer, Wire, ask, head, post

from imgsrv.web.access.keys import make_key
from imgsrv.web.access.rates import parse_limit
from imgsrv.web.access.signatures import sign

pytestmark = pytest.mark.slow

SECRET = b"a secret that the test knows"
SHOP, SHOPS = make_key("shop", None, None, None, operator=False)
FEW, FEWS = make_key("few", parse_limit("3/day"), None, None, operator=False)
GREY, GREYS = make_key("grey", None, None, ("grey",), operator=False)
OPS, OPSES = make_key("ops", None, None, None, operator=True)
PRESETS = "grey=ops=grayscale&format=png small=ops=resize:width=1&format=png"
ORIGIN = "https://shop.example"


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


def get(target: str, *headers: str) -> bytes:
    return head(target, *headers, method="GET")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("access")
    (folder / "keys").write_text("".join(f"{key}\n" for key in (SHOP, FEW, GREY, OPS)))
    (folder / "secrets").write_text(f"s1 {SECRET.decode().replace(' ', '-')}\n")
    return folder


KNOWN = SECRET.decode().replace(" ", "-").encode()


@pytest.fixture(scope="module")
def guarded(files: Path) -> Iterator[Server]:
    """A server with keys, secrets, presets and CORS."""
    flags = (f"--keys-file={files / 'keys'}", f"--secrets-file={files / 'secrets'}", f"--cors-origins={ORIGIN}")
    with serving("--workers", "2", f"--presets={PRESETS}", *flags) as running:
        yield running


def refused(answer: Answer, status: int, code: str) -> Answer:
    assert (answer.status, answer.code) == (status, code), answer.body
    return answer


# ---- keys -----------------------------------------------------------------------------------------------


def test_probes_need_no_key(guarded: Server) -> None:
    for path in ("/healthz", "/readyz"):
        assert ask(guarded, get(path)).status == 200


@pytest.mark.parametrize("target", ["/operations", "/", "/openapi.json", "/metrics", "/nowhere"])
def test_everything_else_needs_one(guarded: Server, target: str) -> None:
    answer = refused(ask(guarded, get(target)), 401, "missing_key")
    assert answer.headers["www-authenticate"] == 'Bearer realm="imgsrv"'


def test_an_unknown_key_is_called_so(guarded: Server) -> None:
    answer = refused(ask(guarded, post("/flip", PNG, bearer(SHOPS[:-1] + "~"))), 401, "unknown_key")
    assert answer.headers["www-authenticate"] == 'Bearer realm="imgsrv", error="invalid_token"'


@pytest.mark.parametrize(
    "shown", [bearer(SHOPS), f"authorization: bEARER   {SHOPS}", f"X-API-Key: {SHOPS}"], ids=["bearer", "case", "x"]
)
def test_a_key_opens_every_picture(guarded: Server, shown: str) -> None:
    assert ask(guarded, post("/flip", PNG, shown)).status == 200


def test_the_log_has_the_name_of_the_key_and_never_the_key(guarded: Server) -> None:
    ask(guarded, post("/flip?quality=77", PNG, bearer(SHOPS)))
    wait_until(lambda: any(event.get("key") == "shop" for event in guarded.named("request")), "the name is logged")
    assert SHOPS.rpartition("_")[2] not in json.dumps([*guarded.events, *guarded.other_lines])


def test_metrics_belong_to_the_operator(guarded: Server) -> None:
    assert ask(guarded, get("/metrics", bearer(OPSES))).status == 200
    refused(ask(guarded, get("/metrics", bearer(SHOPS))), 403, "operators_only")


@pytest.mark.parametrize(
    "target",
    ["//metrics", "///metrics", "/%6detrics", "/%2Fmetrics", "/metrics?", "/metrics?a=1", "/./metrics", "/metrics/"],
)
def test_no_other_spelling_opens_the_metrics(guarded: Server, target: str) -> None:
    answer = ask(guarded, get(target, bearer(SHOPS)))
    assert answer.status in (403, 404)
    assert b"imgsrv_requests_total" not in answer.body


def test_a_refused_request_does_not_send_its_body(guarded: Server) -> None:
    with Wire(guarded) as wire:
        wire.send(head("/flip", "Content-Length: 30000000", "Expect: 100-continue"))
        answer = refused(wire.answer(), 401, "missing_key")
    assert answer.interims == ()


def test_a_limit_of_a_key_is_its_own(guarded: Server) -> None:
    statuses = [ask(guarded, get("/operations", bearer(FEWS))).status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert ask(guarded, get("/operations", bearer(SHOPS))).status == 200


def test_a_reload_takes_keys_over_and_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{SHOP}\n")
    with serving("--workers", "1", f"--keys-file={keys}") as server:
        assert ask(server, get("/operations", bearer(OPSES))).status == 401
        keys.write_text("this is no key\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.named("reload_failed") != [], "the reload is refused")
        assert "line 1: the id of this must have 16 digits" in server.named("reload_failed")[0]["reason"]
        keys.write_text(f"{OPS}\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: ask(server, get("/operations", bearer(OPSES))).status == 200, "the new key is known")
        wait_until(lambda: ask(server, get("/operations", bearer(SHOPS))).status == 401, "the old key is not")


# ---- signed URLs ----------------------------------------------------------------------------------------


def test_a_signed_url_needs_no_key(guarded: Server) -> None:
    url = sign(KNOWN, "POST", "/flip?format=png", "s1", int(time.time()) + 600)
    assert ask(guarded, post(url, PNG)).status == 200
    wait_until(lambda: any(event.get("signer") == "s1" for event in guarded.named("request")), "the signer is logged")
    assert url.rpartition("=")[2] not in json.dumps(guarded.events)


def test_a_forged_and_an_expired_url_have_codes_of_their_own(guarded: Server) -> None:
    url = sign(KNOWN, "POST", "/flip?format=png", "s1", int(time.time()) + 600)
    refused(ask(guarded, post(url.replace("/flip", "/flop"), PNG)), 403, "bad_signature")
    late = sign(KNOWN, "POST", "/flip", "s1", int(time.time()) - 1)
    assert refused(ask(guarded, post(late, PNG)), 403, "url_expired").problem["expires"] < time.time()


def test_a_url_signed_for_get_does_not_open_a_post(guarded: Server) -> None:
    refused(ask(guarded, post(sign(KNOWN, "GET", "/flip", "s1"), PNG)), 403, "bad_signature")


def test_a_signature_does_not_open_the_metrics(guarded: Server) -> None:
    refused(ask(guarded, get(sign(KNOWN, "GET", "/metrics", "s1"))), 403, "operators_only")


def test_with_secrets_alone_an_unsigned_url_is_403(files: Path) -> None:
    with serving("--workers", "1", f"--secrets-file={files / 'secrets'}") as server:
        refused(ask(server, post("/flip", PNG)), 403, "missing_signature")
        refused(ask(server, post("/flip", PNG, bearer(SHOPS))), 403, "missing_signature")
        assert ask(server, post(sign(KNOWN, "POST", "/flip", "s1"), PNG)).status == 200


# ---- caches in front ------------------------------------------------------------------------------------


def test_an_answer_for_a_key_is_private_and_one_for_a_url_lives_no_longer_than_it(files: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "keys").write_text(f"{SHOP}\n")
    keys = (f"--keys-file={tmp_path / 'keys'}", f"--secrets-file={files / 'secrets'}", f"--source-dir={tmp_path}")
    target = "/flip?source=file:a.png"
    with serving("--workers", "1", *keys, "--cache-ttl-s=3600", "--cache-max-ttl-s=3600") as server:
        answer = ask(server, get(target, bearer(SHOPS)))
        assert (answer.status, answer.headers["cache-control"]) == (200, "private, max-age=3600")
        answer = ask(server, get("/info?source=file:a.png", f"X-API-Key: {SHOPS}"))
        assert (answer.status, answer.headers["cache-control"]) == (200, "private")
        answer = ask(server, get(sign(KNOWN, "GET", target, "s1", int(time.time()) + 60)))
        said, _, seconds = answer.headers["cache-control"].partition("=")
        assert (said, 50 < int(seconds) <= 60) == ("public, max-age", True)
        assert ask(server, get(sign(KNOWN, "GET", target, "s1"))).headers["cache-control"] == "public, max-age=3600"


# ---- presets --------------------------------------------------------------------------------------------


def test_a_preset_is_its_pipeline(guarded: Server) -> None:
    answer = ask(guarded, post("/pipeline?preset=small", PNG, bearer(SHOPS)))
    assert (answer.status, answer.headers["image-width"]) == (200, "1")
    refused(ask(guarded, post("/pipeline?preset=smal", PNG, bearer(SHOPS))), 400, "unknown_preset")


def test_a_key_with_presets_may_ask_for_nothing_else(guarded: Server) -> None:
    assert ask(guarded, post("/pipeline?preset=grey", PNG, bearer(GREYS))).status == 200
    refused(ask(guarded, post("/pipeline?preset=small", PNG, bearer(GREYS))), 403, "preset_not_allowed")
    for target in (
        "/flip",
        "//flip",
        "//pipeline?ops=flip",
        "/pipeline?ops=flip",
        "/batch?widths=9",
        "/info",
        "/pipeline?preset=grey&quality=9",
    ):
        refused(ask(guarded, post(target, PNG, bearer(GREYS))), 403, "presets_only")


def test_presets_only_refuses_all_but_presets_and_documents() -> None:
    with serving("--workers", "1", "--presets-only", f"--presets={PRESETS}") as server:
        assert ask(server, post("/pipeline?preset=grey", PNG)).status == 200
        refused(ask(server, post("/flip", PNG)), 403, "presets_only")
        refused(ask(server, post("/pipeline?ops=flip", PNG)), 403, "presets_only")
        assert ask(server, get("/operations")).status == 200
        assert ask(server, get("/metrics")).status == 200


def test_with_presets_only_a_source_may_be_named_and_a_signed_url_may_too(files: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    flags = (f"--source-dir={tmp_path}", "--presets-only", f"--presets={PRESETS}")
    target = "/pipeline?source=file:a.png&preset=small"
    with serving("--workers", "1", *flags) as server:
        answer = ask(server, get(target))
        assert (answer.status, answer.headers["image-width"]) == (200, "1")
        for more in ("&ops=flip", "&format=webp", "&source.x=file:a.png&width=9"):
            refused(ask(server, get(target + more)), 403, "presets_only")
        refused(ask(server, get("/flip?source=file:a.png")), 403, "presets_only")
        refused(ask(server, get("/info?source=file:a.png")), 403, "presets_only")
    with serving("--workers", "1", *flags, f"--secrets-file={files / 'secrets'}") as server:
        refused(ask(server, get(target)), 403, "missing_signature")
        assert ask(server, get(sign(KNOWN, "GET", target, "s1"))).headers["image-width"] == "1"
        with Wire(server) as wire:
            wire.send(head(sign(KNOWN, "GET", target, "s1"), method="HEAD"))
            assert wire.answer(has_body=False).headers["image-width"] == "1"


def test_an_upload_belongs_to_its_key_and_a_signed_url_may_make_one(files: Path, tmp_path: Path) -> None:
    flags = (f"--keys-file={tmp_path / 'keys'}", f"--secrets-file={files / 'secrets'}", f"--uploads-dir={tmp_path}")
    (tmp_path / "keys").write_text(f"{SHOP}\n{OPS}\n")
    with serving("--workers", "2", *flags) as server:
        refused(ask(server, post("/uploads", PNG)), 401, "missing_key")
        made = ask(server, post("/uploads", PNG, bearer(SHOPS)))
        assert made.status == 201
        target = f"/flip?source={json.loads(made.body)['source']}"
        assert ask(server, get(target, bearer(SHOPS))).status == 200
        refused(ask(server, get(target, bearer(OPSES))), 404, "source_not_found")
        assert ask(server, post(sign(KNOWN, "POST", "/uploads", "s1"), PNG)).status == 201


# ---- CORS -----------------------------------------------------------------------------------------------


def test_a_preflight_is_answered_without_a_key(guarded: Server) -> None:
    asked = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")
    answer = ask(guarded, head("/flip", f"Origin: {ORIGIN}", *asked, method="OPTIONS"))
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, ORIGIN)
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-max-age"] == "7200"
    assert answer.headers["vary"] == "Origin"


def test_an_error_may_be_read_by_the_page_too(guarded: Server) -> None:
    answer = refused(ask(guarded, post("/flip", PNG, f"Origin: {ORIGIN}")), 401, "missing_key")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "RateLimit" in answer.headers["access-control-expose-headers"]


def test_another_origin_gets_nothing_but_vary(guarded: Server) -> None:
    asked = "Access-Control-Request-Method: POST"
    for request in (
        post("/flip", PNG, "Origin: https://other.example", bearer(SHOPS)),
        head("/flip", "Origin: https://other.example", asked, method="OPTIONS"),
    ):
        answer = ask(guarded, request)
        assert [name for name in answer.headers if name.startswith("access-control")] == []
        assert answer.headers["vary"] == "Origin"


def test_a_page_that_isolates_itself_may_show_an_answer_and_so_may_pages_of_other_origins(guarded: Server) -> None:
    # An <img> sends no Origin, so the answer cannot depend on it.
    for lines in ([], [f"Origin: {ORIGIN}"], ["Origin: https://other.example"]):
        answer = ask(guarded, post("/flip", PNG, bearer(SHOPS), *lines))
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


def test_any_origin_may_read_with_a_star() -> None:
    with serving("--workers", "1", "--cors-origins=*") as server:
        answer = ask(server, post("/flip", PNG, "Origin: https://other.example"))
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "vary" not in answer.headers


# ---- limits ---------------------------------------------------------------------------------------------


def test_the_limit_of_a_network_is_exact_over_all_workers_kills_and_reloads() -> None:
    with serving("--workers", "2", "--client-limit=100/day") as server:
        statuses = list[int]()
        for round_ in range(6):
            for _ in range(20):
                statuses.append(ask(server, get("/operations")).status)  # a connection each: any worker
            if round_ == 1:
                for pid in server.workers():
                    os.kill(pid, signal.SIGKILL)
                wait_until(lambda: ask(server, get("/healthz")).status == 200, "new workers serve")
            if round_ == 3:
                server.signal(signal.SIGHUP)
                wait_until(lambda: server.named("reloaded") != [], "the reload is done")
        assert statuses == [200] * 100 + [429] * 20


def test_probes_and_the_metrics_are_not_charged_but_guesses_at_a_key_are(tmp_path: Path) -> None:
    with serving("--workers", "1", "--client-limit=2/day") as server:
        statuses = [ask(server, get(path)).status for path in ("/healthz", "/readyz", "/metrics") for _ in range(4)]
        assert statuses == [200] * 12
        assert [ask(server, get("/operations")).status for _ in range(3)] == [200, 200, 429]
    (tmp_path / "keys").write_text(f"{SHOP}\n{OPS}\n")
    flags = ("--workers", "1", "--client-limit=2/day", f"--keys-file={tmp_path / 'keys'}")
    with serving(*flags) as server:
        assert [ask(server, get("/metrics", bearer(OPSES))).status for _ in range(4)] == [200] * 4
        assert [ask(server, get("/metrics", bearer("no-key"))).status for _ in range(3)] == [401, 401, 429]
        assert ask(server, get("/metrics", bearer(SHOPS))).status == 429
        assert ask(server, get("/metrics", bearer(OPSES))).status == 200


def test_a_refusal_says_when_to_come_back_and_every_answer_what_is_left() -> None:
    with serving("--workers", "1", "--client-limit=2/hour") as server:
        first = ask(server, get("/operations"))
        assert first.headers["ratelimit-policy"] == '"client";q=2;w=3600'
        assert first.headers["ratelimit"].startswith('"client";r=1;t=1')
        ask(server, get("/operations"))
        answer = refused(ask(server, get("/operations")), 429, "rate_limited")
        assert 1790 < int(answer.headers["retry-after"]) <= 1800
        assert answer.headers["ratelimit"].startswith('"client";r=0;t=')
        assert answer.problem["policy"] == "client"


def test_work_is_charged_before_it_is_done_and_corrected_after() -> None:
    with serving("--workers", "1", "--client-work=0.5/day") as server:
        light = "/resize?width=9"
        first = ask(server, post(light, PNG))
        assert first.status == 200
        assert first.headers["ratelimit-policy"] == '"client-work";q=1;w=86400;qu="engine-seconds"'
        heavy = "/pipeline?ops=resize:width=3000,enlarge=true" + "/blur:sigma=3.9" * 25
        answer = refused(ask(server, post(heavy, PNG)), 429, "work_limited")
        assert answer.problem["needed_s"] > 0.5
        assert int(answer.headers["retry-after"]) > 1
        # The small picture was charged with what it really took, which is far below half a second.
        assert [ask(server, post(light, PNG)).status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize(
    ("size", "asked"), [pytest.param(10, 4, id="each-question"), pytest.param(2_500_000, 1, id="each-byte")]
)
def test_fetching_is_charged_to_the_work_of_a_client_also_where_it_is_no_picture(size: int, asked: int) -> None:
    with origin({"/x": ok(b"x" * size)}) as place:
        flags = (f"--source-http={place.url}/", "--source-private-addresses=127.0.0.0/8")
        with serving("--workers", "1", "--client-work=0.005/day", *flags) as server:
            request = get(f"/resize?width=9&source={place.url}/x")
            assert [ask(server, request).status for _ in range(asked)] == [415] * asked
            refused(ask(server, request), 429, "work_limited")
            assert len(place.requests) == asked


def test_a_proxy_s_clients_have_limits_of_their_own_and_ipv6_counts_by_64_bits() -> None:
    with serving("--workers", "1", "--client-limit=1/day", "--trusted-proxies=127.0.0.1") as server:
        for address, status in (
            ("198.51.100.1", 200),
            ("198.51.100.2", 200),
            ("198.51.100.1", 429),
            ("::ffff:198.51.100.2", 429),
            ("2001:db8:0:1::1", 200),
            ("2001:db8:0:1:ffff::2", 429),
            ("2001:db8:0:2::1", 200),
        ):
            assert ask(server, get("/operations", f"X-Forwarded-For: {address}")).status == status, address


def test_a_reload_may_take_limits_away_and_bring_them_back(tmp_path: Path) -> None:
    file = tmp_path / "imgsrv.toml"
    limited = 'workers = 1\nclient_limit = "1/day"\n'
    file.write_text(limited)
    with serving("--config", str(file)) as server:

        def reload(text: str) -> None:
            done = len(server.named("reloaded"))
            file.write_text(text)
            server.signal(signal.SIGHUP)
            wait_until(lambda: len(server.named("reloaded")) > done, "the reload is done", deadline_s=50)

        def statuses() -> list[int]:
            return [ask(server, get("/operations")).status for _ in range(2)]

        assert statuses() == [200, 429]
        reload("workers = 1\n")
        assert statuses() == [200, 200]
        reload(f"{limited}limit_clients = 64\n")
        assert statuses() == [200, 429]
        opened = [str(each.readlink()) for each in Path(f"/proc/{server.pid}/fd").iterdir()]
        assert sum("memfd:limits" in name for name in opened) == 1


def test_probes_are_not_limited() -> None:
    with serving("--workers", "1", "--client-limit=1/day") as server:
        assert [ask(server, get("/healthz")).status for _ in range(5)] == [200] * 5


# ---- the start ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "warns"),
    [
        pytest.param(("--host=0.0.0.0",), True, id="everywhere"),
        pytest.param(("--host=127.0.0.1",), False, id="loopback"),
        pytest.param(("--host=0.0.0.0", "--presets=a=ops=flip", "--presets-only"), False, id="presets-only"),
    ],
)
def test_a_server_that_anybody_can_reach_and_ask_says_so_once(flags: tuple[str, ...], *, warns: bool) -> None:
    with serving("--workers", "2", *flags) as server:
        assert len(server.named("anybody_may_ask")) == int(warns)


def test_a_wrong_preset_ends_the_start_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "imgsrv.toml"
    file.write_text('[presets]\nthumb = "ops=resize:widht=9"\n')
    server = Server("--config", str(file))
    try:
        assert server.wait_exit() == 2
        assert "thumb" in "".join(server.other_lines)
        assert "did you mean width" in "".join(server.other_lines)
    finally:
        server.stop()


# ---- before the app -------------------------------------------------------------------------------------


def test_a_request_that_the_app_never_sees_is_refused_with_the_headers_of_cors_too(guarded: Server) -> None:
    request = get("/operations", f"Origin: {ORIGIN}", "X: " + "x" * 40_000)
    answer = refused(ask(guarded, request), 431, "headers_too_large")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--key-limit=9/minute",), "it holds for API keys, and there are none: name their file (--keys-file)"),
        (("--key-work=9/minute",), "it holds for API keys, and there are none: name their file (--keys-file)"),
        (("--cache-posts",), "there is no cache to keep results in: name one with --cache-dir"),
        (("--keys-file=none",), "there is no such file; `imgsrv keys add NAME --file none` makes one"),
        (("--secrets-file=none",), "there is no such file; `imgsrv sign --new-secret NAME >> none` makes one"),
    ],
    ids=["key-limit", "key-work", "cache-posts", "no-keys", "no-secrets"],
)
@pytest.mark.parametrize("command", [("serve", "--port=0"), ("config", "--check")], ids=["serve", "check"])
def test_a_setting_that_does_nothing_alone_is_refused(
    tmp_path: Path, flags: tuple[str, ...], reason: str, command: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imgsrv", *command, *flags],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == 2
    assert reason in done.stderr
