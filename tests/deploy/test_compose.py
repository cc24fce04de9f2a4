"""deploy/compose.yaml against what it starts: the Containerfile, the settings of imgsrv, a real redis-server.

No engine runs it here.  `podman-compose --dry-run` and the parser of Docker Compose read it when it is changed.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from servers.ports import free_port
from servers.redis_server import redis_server
from serving import Server

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
IMGSRV, REDIS = SERVICES["imgsrv"], SERVICES["redis"]


def instructions() -> list[tuple[str, str]]:
    """The instructions of the last stage of the Containerfile and those before its first, as (name, rest)."""
    text = re.sub(r"\\\n", " ", (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def last(name: str) -> str:
    """What an instruction of the last stage says."""
    return [rest for found, rest in instructions() if found == name][-1].strip()


def image_environment() -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(last("ENV")))


def settings() -> dict[str, Any]:
    """Every setting of the service, as the command reads it.  It refuses a variable that is no setting."""
    given = {name: value for name, value in image_environment().items() if name.startswith("IMGSRV_")}
    bare = {name: value for name, value in os.environ.items() if not name.startswith("IMGSRV_")}
    done = subprocess.run(
        [sys.executable, "-m", "imgsrv", "config", "--json"],
        env={**bare, **given, **IMGSRV["environment"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return {name: row["value"] for name, row in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return settings()


def test_the_variables_are_settings_and_have_the_values_that_they_name(values: dict[str, Any]) -> None:
    assert all(isinstance(value, str) for value in IMGSRV["environment"].values()), "YAML must not make numbers of them"
    assert (values["shutdown_delay_s"], values["client_limit"]) == (1.0, "600/minute")
    assert values["cache_url"] == IMGSRV["environment"]["IMGSRV_CACHE_URL"]


def test_the_stores_are_services_that_imgsrv_waits_for_and_databases_of_their_own(values: dict[str, Any]) -> None:
    urls = [urlsplit(values[name]) for name in ("cache_url", "limit_store")]
    for url in urls:
        assert url.hostname in SERVICES
        assert url.port == 6379
        assert IMGSRV["depends_on"][url.hostname] == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[url.hostname]
    assert len({url.path for url in urls}) == 2


def test_the_port_is_the_one_on_which_the_image_listens(values: dict[str, Any]) -> None:
    [port] = IMGSRV["ports"]
    address, outside, inside = port.split(":")
    assert inside == str(values["port"]) == last("EXPOSE")
    assert values["host"] == "0.0.0.0", "a container is not reached on its loopback"  # noqa: S104
    assert (address, outside) == ("127.0.0.1", "8000"), "without TLS and keys it is for this machine alone"


def test_a_read_only_root_leaves_the_places_that_imgsrv_writes_to(values: dict[str, Any]) -> None:
    assert IMGSRV["read_only"] is True
    writable = [PurePosixPath(path) for path in IMGSRV["tmpfs"]]
    for place in (values["runtime_dir"], last("WORKDIR")):
        assert any(PurePosixPath(place).is_relative_to(path) for path in writable), place
    assert last("USER").split(":")[0] not in ("0", "root")


def test_the_image_is_built_from_a_file_that_takes_these_arguments_and_has_the_extras_of_the_settings() -> None:
    build = IMGSRV["build"]
    context = (COMPOSE.parent / build["context"]).resolve()
    assert context == ROOT
    assert (context / build["dockerfile"]).is_file()
    arguments = {rest.partition("=")[0] for name, rest in instructions() if name == "ARG"}
    assert set(build["args"]) <= arguments
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(build["args"]["EXTRAS"].split(",")) <= set(known)
    assert "redis" in build["args"]["EXTRAS"].split(",")


def test_a_stop_has_time_for_the_delay_and_the_open_requests(values: dict[str, Any]) -> None:
    found = re.fullmatch(r"(\d+)s", IMGSRV["stop_grace_period"])
    assert found is not None
    assert int(found[1]) > values["shutdown_delay_s"] + values["drain_s"]
    assert last("STOPSIGNAL") == "SIGTERM"


def test_the_service_has_the_check_of_the_image() -> None:
    options, _, words = last("HEALTHCHECK").partition("CMD ")
    given = dict(word.removeprefix("--").split("=") for word in options.split())
    assert IMGSRV["healthcheck"] == {
        "test": ["CMD", *json.loads(words)],
        **{name.replace("-", "_"): value for name, value in given.items()},
    }


def test_the_check_of_the_image_tells_a_server_that_lives_from_none(server: Server) -> None:
    words = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert words[0] == "python"

    def exit_status(port: int) -> int:
        script = words[-1].replace(":8000/", f":{port}/")
        assert script != words[-1]
        return subprocess.run(
            [sys.executable, *words[1:-1], script], stderr=subprocess.DEVNULL, check=False, timeout=60
        ).returncode

    assert exit_status(server.port) == 0
    assert exit_status(free_port()) != 0


def test_redis_takes_its_command_and_needs_no_place_to_write_to(tmp_path: Path) -> None:
    program, *flags = REDIS["command"]
    assert program == "redis-server"
    assert REDIS["read_only"] is True
    with redis_server(tmp_path, *flags) as redis, socket.create_connection(("127.0.0.1", redis.port), 10) as client:
        stream = client.makefile("rwb")
        for name, value in (("maxmemory", "536870912"), ("maxmemory-policy", "allkeys-lru"), ("save", "")):
            stream.write(f"CONFIG GET {name}\r\n".encode())
            stream.flush()
            answer = [stream.readline() for _ in range(5)]
            assert answer[-1] == f"{value}\r\n".encode(), answer
        stream.write(b"SET key value\r\nCONFIG GET appendonly\r\n")
        stream.flush()
        assert stream.readline() == b"+OK\r\n"
        assert [stream.readline() for _ in range(5)][-1] == b"no\r\n"
    assert list(tmp_path.iterdir()) == []
