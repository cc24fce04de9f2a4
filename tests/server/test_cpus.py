"""The number of workers for a machine, from copies of the files in which the kernel describes its cgroups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgsrv.server.cpus import LEAST_AUTO, cgroup_quota, usable_cpus, worker_count

V2 = "proc/self/cgroup", "0::/system.slice/imgsrv.service\n"
V1 = "proc/self/cgroup", "5:memory:/a\n4:cpu,cpuacct:/docker/c0ffee\n1:name=systemd:/a\n"
V2_OWN = "sys/fs/cgroup/system.slice/imgsrv.service/cpu.max"
V1_OWN = "sys/fs/cgroup/cpu,cpuacct/docker/c0ffee/cpu.cfs_"


def tree(root: Path, *files: tuple[str, str]) -> Path:
    """A root directory that contains these files."""
    for name, text in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        pytest.param((), None, id="no-proc-and-no-sys"),
        pytest.param((V2,), None, id="v2-without-a-cpu-controller"),
        pytest.param((V2, (V2_OWN, "max 100000\n")), None, id="v2-max"),
        pytest.param((V2, (V2_OWN, "400000 100000\n")), 4.0, id="v2-four-cpus"),
        pytest.param((V2, (V2_OWN, "50000 100000\n")), 0.5, id="v2-half-a-cpu"),
        pytest.param((V2, (V2_OWN, "30000 20000\n")), 1.5, id="v2-one-and-a-half-with-another-period"),
        pytest.param(
            (V2, (V2_OWN, "800000 100000\n"), ("sys/fs/cgroup/system.slice/cpu.max", "200000 100000\n")),
            2.0,
            id="v2-tighter-parent",
        ),
        pytest.param(
            (V2, (V2_OWN, "100000 100000\n"), ("sys/fs/cgroup/system.slice/cpu.max", "max 100000\n")),
            1.0,
            id="v2-parent-without-a-limit",
        ),
        pytest.param((V2, ("sys/fs/cgroup/cpu.max", "300000 100000\n")), 3.0, id="v2-limit-at-the-root"),
        pytest.param(
            (("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/cpu.max", "150000 100000\n")),
            1.5,
            id="v2-namespace-that-shows-only-its-root",
        ),
        pytest.param((V1, (f"{V1_OWN}quota_us", "-1\n"), (f"{V1_OWN}period_us", "100000\n")), None, id="v1-no-limit"),
        pytest.param((V1, (f"{V1_OWN}quota_us", "250000\n"), (f"{V1_OWN}period_us", "100000\n")), 2.5, id="v1"),
        pytest.param((V1, (f"{V1_OWN}quota_us", "250000\n")), None, id="v1-without-a-period"),
        pytest.param(
            (
                V1,
                ("sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us", "100000\n"),
                ("sys/fs/cgroup/cpu/docker/cpu.cfs_period_us", "100000\n"),
                ("sys/fs/cgroup/cpu/docker/c0ffee/cpu.cfs_quota_us", "900000\n"),
                ("sys/fs/cgroup/cpu/docker/c0ffee/cpu.cfs_period_us", "100000\n"),
            ),
            1.0,
            id="v1-tighter-parent-below-the-short-mount",
        ),
        pytest.param(
            (
                V1,
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ),
            0.5,
            id="v1-container-whose-mount-is-its-own-group",
        ),
        pytest.param(
            (
                ("proc/self/cgroup", "4:cpu,cpuacct:/job\n0::/job\n"),
                ("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "300000\n"),
                ("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n"),
                ("sys/fs/cgroup/job/cpu.max", "200000 100000\n"),
            ),
            2.0,
            id="hybrid-takes-the-tighter",
        ),
    ],
)
def test_the_quota_is_that_of_the_tightest_group(
    tmp_path: Path, files: tuple[tuple[str, str], ...], quota: float | None
) -> None:
    assert cgroup_quota(tree(tmp_path, *files)) == quota


@pytest.mark.parametrize(
    ("cpu_max", "usable"),
    [
        pytest.param("max 100000", 8, id="no-quota-leaves-the-affinity"),
        pytest.param("1600000 100000", 8, id="a-larger-quota-leaves-the-affinity"),
        pytest.param("300000 100000", 3, id="a-smaller-quota-wins"),
        pytest.param("250000 100000", 3, id="part-of-a-cpu-counts-as-one"),
        pytest.param("10000 100000", 1, id="a-tenth-of-a-cpu-is-one-worker"),
    ],
)
def test_the_smaller_of_affinity_and_quota_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu_max: str, usable: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    assert usable_cpus(tree(tmp_path, V2, (V2_OWN, cpu_max))) == usable


def test_one_core_less_in_the_affinity_is_one_worker_less(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert worker_count("max", tmp_path) == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("wish", "cpu_max", "count"),
    [
        pytest.param("max", "50000 100000", 1, id="max-of-half-a-cpu"),
        pytest.param("auto", "50000 100000", LEAST_AUTO, id="auto-is-never-alone"),
        pytest.param("auto", "500000 100000", 5, id="auto-of-five"),
        pytest.param(3, "50000 100000", 3, id="a-number-is-a-number"),
    ],
)
def test_the_setting_becomes_a_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: object, cpu_max: str, count: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    assert worker_count(wish, tree(tmp_path, V2, (V2_OWN, cpu_max))) == count  # type: ignore[arg-type]  # rows of both kinds
