"""`imgsrv keys` and `imgsrv sign`: files that are changed as a whole, and texts that a server understands."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgsrv.web.access.keys import Keys, parse_keys
from imgsrv.web.access.signatures import Secrets, parse_secrets


def imgsrv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "imgsrv", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_key_is_made_listed_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    made = imgsrv("keys", "add", "shop", "--file", file, "--limit", "9/minute", "--presets", "a,b", "--operator")
    assert "`imgsrv reload`" in made.stderr
    [key] = parse_keys(file.read_text())
    assert Keys([key]).find(made.stdout.strip()) is key
    assert (str(key.limit), key.presets, key.is_operator) == ("9/minute", ("a", "b"), True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert imgsrv("keys", "list", "--file", file).stdout.split() == [
        *("shop", key.id, "limit=9/minute", "presets=a,b", "operator")
    ]
    removed = imgsrv("keys", "remove", "shop", "--file", file)
    assert (removed.returncode, "`imgsrv reload`" in removed.stderr) == (0, True)
    assert file.read_text() == ""


def test_comments_and_other_keys_stay(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    imgsrv("keys", "add", "a", "--file", file)
    before = "# the shop's\n\n" + file.read_text()
    file.write_text(before)
    file.chmod(0o640)
    imgsrv("keys", "add", "b", "--file", file)
    assert imgsrv("keys", "remove", "b", "--file", file).returncode == 0
    assert (file.read_text(), file.stat().st_mode & 0o777) == (before, 0o640)


def test_keys_that_are_made_at_once_are_all_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: imgsrv("keys", "add", name, "--file", file), "abcd"))
    assert {key.name for key in parse_keys(file.read_text())} == set("abcd")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(("add", "a/b"), "the name 'a/b' must have", id="a-bad-name"),
        pytest.param(("add", "a", "--limit", "9"), "it must be a rate", id="a-bad-limit"),
        pytest.param(("add", "there"), "has a key named there", id="twice"),
        pytest.param(("remove", "nobody"), "has no key named nobody", id="unknown"),
    ],
)
def test_what_cannot_be_done_changes_nothing(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    file = tmp_path / "keys"
    imgsrv("keys", "add", "there", "--file", file)
    before = file.read_text()
    done = imgsrv("keys", *arguments, "--file", file)
    assert done.returncode == 2
    assert reason in done.stderr
    assert file.read_text() == before


def test_a_file_that_is_missing_or_none_of_keys_is_named(tmp_path: Path) -> None:
    assert "there is no file" in imgsrv("keys", "list", "--file", tmp_path / "none").stderr
    (tmp_path / "other").write_text("hello\n")
    assert "line 1: hello needs an id" in imgsrv("keys", "add", "a", "--file", tmp_path / "other").stderr
    assert (tmp_path / "other").read_text() == "hello\n"


def test_a_new_secret_signs_a_url_that_the_server_accepts(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text(imgsrv("sign", "--new-secret", "old").stdout + imgsrv("sign", "--new-secret", "new").stdout)
    secrets = Secrets(parse_secrets(file.read_text()))
    url = "https://img.example/flip?source=a%20b"
    signed = imgsrv("sign", "--file", file, "--for", "1h", url).stdout.strip()
    assert signed.startswith(url)
    path, _, query = signed.removeprefix("https://img.example").partition("?")
    assert secrets.check("HEAD", path.encode(), query.encode(), 0.0).signer == "new"
    signed = imgsrv("sign", "--file", file, "--signer", "old", "--method", "POST", "/flip").stdout.strip()
    assert secrets.check("POST", b"/flip", signed.partition("?")[2].encode(), 0.0).signer == "old"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(("/flip?source=a b",), "encode white space", id="not-encoded"),
        pytest.param(("flip",), "no URL or path", id="no-path"),
        pytest.param(("/flip#x",), "no URL or path", id="a-fragment"),
        pytest.param(("/flip", "--signer", "other"), "has no secret 'other'", id="unknown"),
        pytest.param(("/flip", "--for", "soon"), "a time such as 90s", id="no-time"),
        pytest.param((), "name a URL", id="nothing"),
    ],
)
def test_what_cannot_be_signed_is_refused(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    file = tmp_path / "secrets"
    file.write_text("a 0123456789abcdef\n")
    done = imgsrv("sign", "--file", file, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr


def test_config_check_names_a_wrong_line_and_a_wrong_preset(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("hello\n")
    done = imgsrv("config", "--check", "--keys-file", tmp_path / "keys")
    assert (done.returncode, "line 1: hello needs an id" in done.stderr) == (2, True)
    (tmp_path / "imgsrv.toml").write_text('[presets]\nthumb = "ops=resise"\n')
    done = imgsrv("config", "--check", "--config", tmp_path / "imgsrv.toml")
    assert (done.returncode, "did you mean resize" in done.stderr) == (2, True)


def test_the_files_are_those_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "imgsrv.toml").write_text(
        f'keys_file = "{tmp_path}/keys"\n[instances.a]\n[instances.b]\nsecrets_file = "{tmp_path}/secrets"\n'
    )
    (tmp_path / "secrets").write_text(imgsrv("sign", "--new-secret", "only").stdout)
    named = ("--config", tmp_path / "imgsrv.toml", "--name")
    assert imgsrv("keys", "add", "shop", *named, "a").returncode == 0
    assert imgsrv("keys", "list", *named, "b").stdout.split()[0] == "shop"
    assert imgsrv("keys", "list", "--file", tmp_path / "keys").stdout == imgsrv("keys", "list", *named, "a").stdout
    assert imgsrv("keys", "remove", "shop", *named, "a").returncode == 0
    assert (tmp_path / "keys").read_text() == ""
    assert "&signature=" in imgsrv("sign", *named, "b", "/flip?source=a").stdout
    assert "name one with --file FILE, or the setting secrets_file in" in imgsrv("sign", *named, "a", "/flip").stderr


def test_the_file_is_found_by_a_variable_and_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = imgsrv("keys", "list")
    places = "--file FILE, or the setting keys_file in imgsrv.toml or IMGSRV_KEYS_FILE"
    assert (done.returncode, done.stderr) == (2, f"imgsrv: no file is named; name one with {places}\n")
    (tmp_path / "imgsrv.toml").write_text("keys_file = 7\n")
    assert "keys_file = 7 in imgsrv.toml: it must be the name of a file" in imgsrv("keys", "list").stderr
    (tmp_path / "imgsrv.toml").write_text('keys_file = "none"\n')
    assert "there is no file none" in imgsrv("keys", "list").stderr
    monkeypatch.setenv("IMGSRV_KEYS_FILE", "other")
    assert imgsrv("keys", "add", "shop").returncode == 0
    assert (tmp_path / "other").exists()
