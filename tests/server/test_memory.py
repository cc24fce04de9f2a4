"""The budget of memory for a machine, from copies of the files in which the kernel describes it; and idle workers."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from serving import serving

from imgsrv.server.memory import SHARE, cgroup_memory, memory_budget

MOST_OWN_BYTES = 20_000_000
"""An idle worker has 14 MB; with the documents of the API made in each, it had 26."""

V2 = "proc/self/cgroup", "0::/system.slice/imgsrv.service\n"
V2_OWN = "sys/fs/cgroup/system.slice/imgsrv.service/"
V1 = "proc/self/cgroup", "5:memory:/docker/c0ffee\n4:cpu,cpuacct:/docker/c0ffee\n"
V1_OWN = "sys/fs/cgroup/memory/docker/c0ffee/memory.limit_in_bytes"


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        pytest.param((), None, id="no-proc-and-no-sys"),
        pytest.param((V2, (f"{V2_OWN}memory.max", "max\n")), None, id="v2-max"),
        pytest.param((V2, (f"{V2_OWN}memory.max", "500000000\n")), 500_000_000, id="v2"),
        pytest.param(
            (V2, (f"{V2_OWN}memory.max", "500000000\n"), (f"{V2_OWN}memory.high", "400000000\n")),
            400_000_000,
            id="v2-high-is-lower",
        ),
        pytest.param(
            (V2, (f"{V2_OWN}memory.max", "max\n"), ("sys/fs/cgroup/system.slice/memory.max", "300000000\n")),
            300_000_000,
            id="v2-parent",
        ),
        pytest.param((V1, (V1_OWN, "200000000\n")), 200_000_000, id="v1"),
    ],
)
def test_the_limit_is_that_of_the_tightest_group(
    tmp_path: Path, files: tuple[tuple[str, str], ...], limit: int | None
) -> None:
    for name, text in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cgroup_memory(tmp_path) == limit
    least = min(limit or psutil.virtual_memory().total, psutil.virtual_memory().total)
    assert memory_budget("auto", tmp_path) == int(SHARE * least)


def test_a_number_is_taken_as_it_is(tmp_path: Path) -> None:
    assert memory_budget(123, tmp_path) == 123


def test_what_a_worker_has_of_its_own_is_small_because_all_that_is_made_before_the_fork_is_shared() -> None:
    with serving("--workers", "2") as server:
        for pid in server.workers():
            assert psutil.Process(pid).memory_full_info().uss < MOST_OWN_BYTES
