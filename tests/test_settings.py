"""Settings: the source of each value, and the message for a wrong value."""

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from pydantic import ByteSize, TypeAdapter

from imgsrv.environment import default_file, environment_name, flag_name
from imgsrv.errors import BadSetting
from imgsrv.settings import SETTINGS, Settings, load_configuration, read_configuration, shown


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(environment_name(name), raising=False)


def written(folder: Path, text: str) -> Path:
    file = folder / "imgsrv.toml"
    file.write_text(text, encoding="utf-8")
    return file


# ---- where a value comes from -----------------------------------------------------------------------------


def test_every_setting_has_its_default_if_nothing_is_given() -> None:
    configuration = load_configuration({})
    assert configuration.settings == Settings()
    assert configuration.sources == dict.fromkeys(SETTINGS, "default")


@pytest.mark.parametrize(
    ("in_file", "in_environment", "as_flag", "value", "source"),
    [
        pytest.param(True, True, True, 3, "flag --port", id="a-flag-beats-all"),
        pytest.param(True, True, False, 2, "environment IMGSRV_PORT", id="the-environment-beats-the-file"),
        pytest.param(True, False, False, 1, "file {file}", id="the-file-beats-the-default"),
        pytest.param(True, False, True, 3, "flag --port", id="a-flag-beats-the-file"),
        pytest.param(False, False, False, 8000, "default", id="the-default-is-last"),
    ],
)
def test_the_source_with_the_highest_precedence_gives_the_value(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    in_file: bool,
    in_environment: bool,
    as_flag: bool,
    value: int,
    source: str,
) -> None:
    file = written(tmp_path, "port = 1" if in_file else "")
    if in_environment:
        monkeypatch.setenv("IMGSRV_PORT", "2")
    configuration = load_configuration({"port": "3"} if as_flag else {}, file)
    assert configuration.settings.port == value
    assert configuration.sources["port"] == source.format(file=file)


def test_each_setting_has_a_source_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGSRV_WORKERS", "max")
    file = written(tmp_path, 'log_format = "json"\nworkers = 3')
    configuration = load_configuration({"drain_s": "5"}, file)
    found = {name: source for name, source in configuration.sources.items() if source != "default"}
    assert found == {
        "drain_s": "flag --drain-s",
        "workers": "environment IMGSRV_WORKERS",
        "log_format": f"file {file}",
    }


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        pytest.param("workers", "max", "max", id="max-workers"),
        pytest.param("workers", "4", 4, id="four-workers"),
        pytest.param("max_body", "64MB", 64_000_000, id="decimal-megabytes"),
        pytest.param("max_body", "1MiB", 1_048_576, id="binary-megabytes"),
        pytest.param("max_body", "1000", 1000, id="plain-bytes"),
        pytest.param("drain_s", "0.5", 0.5, id="half-a-second"),
        pytest.param("access_log", "false", False, id="a-switch"),
        pytest.param("presets", "a=ops=flip b=format=webp", {"a": "ops=flip", "b": "format=webp"}, id="two-presets"),
        pytest.param("auto_formats", "avif,webp,jpeg", "avif,webp,jpeg", id="several-formats"),
    ],
)
def test_text_from_the_environment_becomes_a_value(
    monkeypatch: pytest.MonkeyPatch, setting: str, text: str, value: Any
) -> None:
    monkeypatch.setenv(environment_name(setting), text)
    assert getattr(load_configuration({}).settings, setting) == value


def test_settings_cannot_be_changed_once_they_are_read() -> None:
    with pytest.raises(FrozenInstanceError, match="port"):
        load_configuration({}).settings.port = 1  # type: ignore[misc]  # that it is refused is the point


SIZES = (
    *(
        "0",
        "1000",
        " 7 kb ",
        "64MB",
        "1.5GB",
        ".5MB",
        "0.5KB",
        "3k",
        "2M",
        "1MiB",
        "1.5 gib",
        "12 B",
        "1tb",
        "1PB",
        "1EiB",
    ),
    *("", "MB", "-1", "1e3", "1ki", "1 000"),
)


@pytest.mark.parametrize("text", SIZES)
def test_a_size_is_what_pydantic_takes_it_for(text: str) -> None:
    try:
        size = int(TypeAdapter(ByteSize).validate_python(text))
    except ValueError:
        size = None

    try:
        ours = load_configuration({"max_worker_memory": text}).settings.max_worker_memory
    except BadSetting:
        assert size is None
    else:
        assert ours == size


# ---- wrong values -----------------------------------------------------------------------------------------

WRONG = [
    ("name", "../web", "1 to 64 letters, digits and ._-, the first a letter or a digit"),
    ("runtime_dir", "/" + 100 * "x", "a path of at most 100 characters"),
    ("agent_listen", "8001", "HOST:PORT, such as 0.0.0.0:8001 or [::]:8001"),
    ("metrics_listen", "a:65536", "HOST:PORT, such as 0.0.0.0:8001 or [::]:8001"),
    ("host", "", "an address such as 0.0.0.0, ::1 or unix:/run/imgsrv.sock"),
    ("port", "-1", "a whole number from 0 to 65535"),
    ("port", "65536", "a whole number from 0 to 65535"),
    ("port", "http", "a whole number from 0 to 65535"),
    ("workers", "0", "max or auto or a whole number from 1 to 1024"),
    ("workers", "many", "max or auto or a whole number from 1 to 1024"),
    ("workers", "1025", "max or auto or a whole number from 1 to 1024"),
    ("socket_mode", "888", "three digits from 0 to 7, such as 660"),
    ("user", "nobody-at-all", "this machine has no user nobody-at-all"),
    ("group", "no-group-at-all", "this machine has no group no-group-at-all"),
    ("trusted_proxies", "10.0.0.0/8,here", "allowed are addresses, networks such as 10.0.0.0/8, and `unix`"),
    ("proxy_protocol", "perhaps", "true or false"),
    ("backlog", "0", "a whole number from 1 to 65535"),
    ("keys_file", "/", "/ is a folder; name a file in it"),
    ("secrets_file", "/", "/ is a folder; name a file in it"),
    ("presets", "thumb", "NAME=QUERY, each name once, with spaces between them"),
    ("presets_only", "perhaps", "true or false"),
    ("cors_origins", "https://a.example/", "allowed are such as https://example.org, without a path, and *"),
    ("pages", "perhaps", "true or false"),
    ("cors_max_age_s", "-1", "a whole number from 0 to 86400"),
    ("client_limit", "100", "a rate such as 100/minute or 10/second,burst=50, or empty"),
    ("client_work", "1/week", "a rate such as 100/minute or 10/second,burst=50, or empty"),
    ("key_limit", "1 / minute", "a rate such as 100/minute or 10/second,burst=50, or empty"),
    ("key_work", "-1/minute", "a rate such as 100/minute or 10/second,burst=50, or empty"),
    ("client_prefix_4", "33", "a whole number from 8 to 32"),
    ("client_prefix_6", "0", "a whole number from 16 to 128"),
    ("limit_store", "localhost", "a URL such as redis://127.0.0.1:6379/0, rediss://… or unix:///run/redis.sock"),
    ("limit_store_timeout_s", "6", "a number above 0 and at most 5"),
    ("limit_store_down", "wait", "serve or refuse"),
    ("limit_clients", "1", "a whole number from 64 to 16777216"),
    ("max_body", "lots", "a size such as 64MB, of at least 1 byte"),
    ("max_body", "0", "a size such as 64MB, of at least 1 byte"),
    ("max_header", "10", "a size such as 32KiB, from 1KiB to 1MiB"),
    ("max_pixels", "0", "a whole number of at least 1"),
    ("max_frames", "1.5", "a whole number from 1 to 100000"),
    ("max_job_cost_s", "0", "a number above 0 and at most 86400"),
    ("weights_file", "/", "/ is a folder; name a file in it"),
    ("max_job_memory", "0", "a size such as 4GiB, of at least 1 byte"),
    ("header_timeout_s", "0", "a number above 0 and at most 86400"),
    ("body_timeout_s", "nan", "a number above 0 and at most 86400"),
    ("body_rate", "-1", "a whole number of at least 0"),
    ("send_timeout_s", "0", "a number above 0 and at most 86400"),
    ("send_rate", "-1", "a whole number of at least 0"),
    ("keepalive_s", "inf", "a number above 0 and at most 86400"),
    ("job_timeout_s", "86401", "a number above 0 and at most 86400"),
    ("max_queue", "0", "a whole number from 1 to 100000"),
    ("max_wait_s", "0", "a number above 0 and at most 86400"),
    ("source_dir", "/no/such/folder", "the folder /no/such/folder does not exist; create it, or name another"),
    ("source_http", "example.com", "https://*.example.com/, or https:// for every host"),
    ("source_buckets", "photos", "write it like s3://bucket or s3://bucket/folder/, with s3, gs or az"),
    ("source_private_addresses", "unix", "allowed are addresses and networks such as 10.0.0.0/8"),
    ("source_ca_file", "/no/such/file", "/no/such/file cannot be loaded as certificates: No such file or directory"),
    ("source_redirects", "21", "a whole number from 0 to 20"),
    ("uploads_dir", "/no/such/folder", "the folder /no/such/folder does not exist; create it, or name another"),
    ("uploads", "memcached://here", "it must be a URL such as redis://127.0.0.1:6379/0 or s3://bucket/prefix"),
    ("uploads_timeout_s", "0", "a number above 0 and at most 600"),
    ("uploads_ttl_s", "0", "a number above 0 and at most 864000"),
    ("uploads_max_size", "0", "a size such as 1GB, of at least 1 byte"),
    ("uploads_max_count", "0", "a whole number from 1 to 100000"),
    ("source_timeout_s", "0", "a number above 0 and at most 86400"),
    ("cache_dir", "/no/such/folder", "the folder /no/such/folder does not exist; create it, or name another"),
    ("cache_url", "memcached://here", "it must be a URL such as redis://127.0.0.1:6379/0 or s3://bucket/prefix"),
    ("cache_timeout_s", "0", "a number above 0 and at most 10"),
    ("cache_size", "1KB", "a size such as 1GB, of at least 1MB"),
    ("cache_max_entry", "0", "a size such as 8MB, of at least 1 byte"),
    ("cache_ttl_s", "-1", "a number from 0 to 31622400"),
    ("cache_max_ttl_s", "inf", "a number from 0 to 31622400"),
    ("cache_posts", "perhaps", "true or false"),
    ("font_fallback", "Mine.ttf", "Mine.ttf is a file; write the name of the font, as `imgsrv fonts` lists it"),
    ("font_dir", "/no/such/folder", "the folder /no/such/folder does not exist; create it, or name another"),
    ("max_memory", "much", "auto, or a size such as 2GB"),
    ("max_worker_memory", "much", "a size such as 64MB, 1GiB or 0"),
    ("max_jobs_per_worker", "-1", "a whole number of at least 0"),
    ("silence_s", "-1", "a number from 0 to 86400"),
    ("drain_s", "3601", "a number from 0 to 3600"),
    ("shutdown_delay_s", "-1", "a number from 0 to 86400"),
    ("auto_formats", "webp,bmp", "one or more of jpeg, png, webp, avif and gif, separated by commas"),
    ("on_worker_start", "start", "a function such as myhooks:start, or empty"),
    ("on_worker_stop", "app.stop()", "a function such as myhooks:start, or empty"),
    ("hook_timeout_s", "31", "a number above 0 and at most 30"),
    ("log_format", "xml", "auto, text or json"),
    ("log_level", "loud", "debug, info, warning or error"),
    ("access_log", "perhaps", "true or false"),
    ("slow_job_s", "-1", "a number from 0 to 86400"),
    ("crash_dir", "/no/such/folder", "the folder /no/such/folder does not exist; create it, or name another"),
    ("quarantine", "/no/such/folder", "the folder /no/such/folder does not exist; create it, or name another"),
    ("quarantine_max_size", "much", "a size such as 64MB, 1GiB or 0"),
    ("log_file", "/", "/ is a folder; name a file in it"),
    ("log_max_size", "large", "a size such as 64MB, 1GiB or 0"),
    ("log_max_age_s", "-1", "a number from 0 to 31622400"),
    ("log_keep", "-1", "a whole number of at least 0"),
    ("otel_endpoint", "localhost:4318", "the address of a collector, such as http://127.0.0.1:4318"),
    ("otel_ratio", "1.5", "a number from 0 to 1"),
]


def test_every_setting_has_a_wrong_value_here() -> None:
    assert {setting for setting, _value, _allowed in WRONG} == set(SETTINGS)


@pytest.mark.parametrize(
    ("setting", "value", "allowed"),
    [pytest.param(*row, id=f"{row[0]}={row[1] or 'nothing'}") for row in WRONG],
)
class TestAWrongValue:
    """A wrong value from any source: the message repeats the text of the user and says what is allowed."""

    def test_of_a_flag(self, setting: str, value: str, allowed: str) -> None:
        with pytest.raises(BadSetting) as raised:
            load_configuration({setting: value})
        assert str(raised.value).startswith(f"{flag_name(setting)}={value}: ")
        assert str(raised.value).endswith(allowed)

    def test_of_the_environment(self, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, allowed: str) -> None:
        monkeypatch.setenv(environment_name(setting), value)
        with pytest.raises(BadSetting) as raised:
            load_configuration({})
        assert str(raised.value).startswith(f"{environment_name(setting)}={value}: ")
        assert str(raised.value).endswith(allowed)

    def test_of_a_file(self, tmp_path: Path, setting: str, value: str, allowed: str) -> None:
        file = written(tmp_path, f'{setting} = "{value}"')
        with pytest.raises(BadSetting) as raised:
            load_configuration({}, file)
        assert str(raised.value).startswith(f'{setting} = "{value}" in {file}: ')
        assert str(raised.value).endswith(allowed)


def test_a_password_of_a_url_is_neither_shown_nor_repeated() -> None:
    settings = load_configuration({"limit_store": "redis://me:secret@cache:6379/0"}).settings
    assert settings.limit_store == "redis://me:secret@cache:6379/0"
    assert shown(settings)["limit_store"] == "redis://me:***@cache:6379/0"
    with pytest.raises(BadSetting, match="redis://me:") as raised:
        load_configuration({"limit_store": "redis://me:secret@cache:port/0"})
    assert "secret" not in str(raised.value)


# ---- what does not exist ----------------------------------------------------------------------------------


def test_an_unknown_variable_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGSRV_WORKRES", "2")
    with pytest.raises(BadSetting, match=r"^IMGSRV_WORKRES: .* did you mean IMGSRV_WORKERS\?"):
        load_configuration({})


def test_an_unknown_variable_without_a_similar_name_gets_a_hint_to_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGSRV_XYZZY", "2")
    with pytest.raises(BadSetting, match="see `imgsrv config` for all of them"):
        load_configuration({})


def test_variables_of_other_programs_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "many")
    monkeypatch.setenv("NOT_IMGSRV_PORT", "x")
    assert load_configuration({}).settings == Settings()


def test_an_unknown_key_of_a_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"^max_bdy in .*imgsrv\.toml: .* did you mean max_body\?"):
        load_configuration({}, written(tmp_path, "max_bdy = 1"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"port 8000", "it is not valid TOML", id="no-toml"),
        pytest.param(b"host = '\xff'", "it is not valid TOML", id="no-utf-8"),
    ],
)
def test_a_file_that_cannot_be_read_as_toml_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "imgsrv.toml"
    file.write_bytes(content)
    with pytest.raises(BadSetting, match=reason):
        load_configuration({}, file)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("missing.toml", "No such file or directory", id="missing"),
        pytest.param(".", "Is a directory", id="a-folder"),
    ],
)
def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(BadSetting, match=f"^--config=.*: {reason}"):
        load_configuration({}, tmp_path / name)


def test_every_setting_has_a_description() -> None:
    assert [name for name, row in SETTINGS.items() if not row.description] == []


def test_all_faults_are_found_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGSRV_WORKRES", "2")
    monkeypatch.setenv("IMGSRV_PORT", "http")
    file = written(tmp_path, 'max_bdy = 1\nworkers = 0\nhost = "::"')
    configuration, faults = read_configuration({"drain_s": "-1"}, file)
    assert configuration is None
    assert {fault.given for fault in faults} == {
        f"max_bdy in {file}",
        "IMGSRV_WORKRES",
        "IMGSRV_PORT=http",
        f"workers = 0 in {file}",
        "--drain-s=-1",
    }


# ---- the file that is read by default ----------------------------------------------------------------------


def test_a_file_in_the_current_folder_is_found(tmp_path: Path) -> None:
    assert default_file(tmp_path) is None
    file = written(tmp_path, "port = 1")
    file.chmod(0o644)
    assert default_file(tmp_path) == file


@pytest.mark.parametrize("mode", [0o664, 0o646], ids=["by-the-group", "by-all"])
def test_a_file_that_others_can_write_is_not_read_by_default(tmp_path: Path, mode: int) -> None:
    written(tmp_path, "port = 1").chmod(mode)
    with pytest.raises(BadSetting, match=r"others may write to it .*; chmod go-w, or name it with --config"):
        default_file(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_a_file_of_another_user_is_not_read_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(written(tmp_path, "port = 1"), 65_534, 65_534)
    with pytest.raises(BadSetting, match="it belongs to another user"):
        default_file(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 65_534)
    assert default_file(tmp_path) == tmp_path / "imgsrv.toml"
