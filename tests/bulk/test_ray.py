"""`imgsrv convert --ray`: real clusters of nodes with one core each, some of which are killed or are of other kinds."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pictures import encoded, opened, picture
from servers.ports import free_port
from servers.ray_cluster import Node, RayCluster, ray_cluster
from servers.s3_server import s3_server
from serving import wait_until

from imgsrv.bulk.cluster import joining, on_node
from imgsrv.bulk.work import Conversion, Recipe, convert
from imgsrv.errors import BadArgument
from imgsrv.imaging import formats
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.installed import install_command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SQUARE = encoded(picture("RG/BY"))

LARGE = encoded(picture("RG/BY").resize((900, 900)))
"""Takes a moment with `SLOW`, so that a node can be killed meanwhile."""

SLOW = ("blur:sigma=30/blur:sigma=29/blur:sigma=28", "--format", "webp")


MANY = 24


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """The environment of clients of an S3 server with the bucket `cache`."""
    with s3_server() as environment:
        yield environment


@pytest.fixture(scope="module")
def cluster(bucket: dict[str, str]) -> Iterator[RayCluster]:
    """A cluster whose head has one core; tests add nodes and remove them."""
    with ray_cluster(bucket) as found:
        yield found


@pytest.fixture
def node(cluster: RayCluster) -> Node:
    """A second node.  It is that of the test before, if that has left it alive; tests that freeze it let it go on."""
    alive = [node for node in cluster.nodes[1:] if node.is_alive()]
    return alive[0] if alive else cluster.add()


IMPATIENT = """
from imgsrv.bulk.cluster import nodes
from imgsrv.cli.main import main
nodes.DOUBT_S, nodes.PICTURES, nodes.SILENT_S = 3.0, 2, 12.0
raise SystemExit(main())
"""
"""The command with less patience for nodes."""


def command(address: str, *arguments: str, start: Sequence[str] = ("-m", "imgsrv")) -> list[str]:
    return [sys.executable, *start, "convert", "--ray", address, *arguments]


def ran(address: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(address, *arguments),
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


def take_interrupts() -> None:
    """A shell that runs the tests in its background has them ignore SIGINT, and their children too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def rows(manifest: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in manifest.read_text().splitlines()]
    return [row for row in found if row["status"] != "run"]


def pictures(folder: Path, count: int, data: bytes) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03}.png").write_bytes(data)
    return folder


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """What is in a folder, and whether it was put there again."""
    return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns, file.read_bytes()) for file in folder.iterdir()}


def killed_in_the_middle(
    cluster: RayCluster, tmp_path: Path, kill: Callable[[], None], start: Sequence[str] = ("-m", "imgsrv")
) -> str:
    """Run a conversion of many pictures and kill something after the first ones; gives what it said.

    Every output is there once, none is torn, and the manifest is right.
    """
    source, out, manifest = pictures(tmp_path / "in", MANY, LARGE), tmp_path / "out", tmp_path / "run.jsonl"
    running = subprocess.Popen(
        command(cluster.address, str(source), f"{out}/", *SLOW, "--manifest", str(manifest), start=start),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: manifest.exists() and len(rows(manifest)) >= 4, "some are done", 100)
    assert len(rows(manifest)) < MANY - 4
    kill()
    _, said = running.communicate(timeout=200)

    assert running.returncode == 0, said
    assert sorted(Path(row["source"]).name for row in rows(manifest)) == [f"{number:03}.png" for number in range(MANY)]
    assert {row["status"] for row in rows(manifest)} == {"done"}
    assert sorted(file.name for file in out.iterdir()) == [f"{number:03}.webp" for number in range(MANY)]
    assert {(opened(file.read_bytes()).size, file.stat().st_size) for file in out.iterdir()} == {
        ((900, 900), rows(manifest)[0]["bytes"])
    }
    return said


# ---- on the head, then on two nodes, of which the last test kills one --------------------------------


def test_nodes_read_and_write_buckets_by_themselves(
    cluster: RayCluster, bucket: dict[str, str], tmp_path: Path
) -> None:
    source, out = pictures(tmp_path / "in", 5, SQUARE), f"{tmp_path / 'out'}/"

    up = ran(cluster.address, str(source), "s3://cache/up/", "flip", environment=bucket)
    down = ran(cluster.address, "s3://cache/up/*.png", out, "flip", "--format", "bmp", environment=bucket)
    missing = ran(cluster.address, str(source), "s3://no-such-bucket/", environment=bucket)

    assert "5 converted, 0 failed" in up.stderr
    assert "5 converted, 0 failed" in down.stderr
    assert {file.read_bytes() for file in Path(out).iterdir()} == {encoded(picture("RG/BY"), "BMP")}
    assert missing.returncode == 1
    assert "stopped, as no further picture could be written: there is no bucket" in missing.stderr


def test_after_a_process_of_a_node_is_killed_its_picture_is_begun_again(cluster: RayCluster, tmp_path: Path) -> None:
    def kill() -> None:
        wait_until(lambda: bool(cluster.head.workers()), "a picture is being converted")
        for process in cluster.head.workers():
            process.kill()

    assert f"{MANY} converted, 0 failed" in killed_in_the_middle(cluster, tmp_path, kill)


def test_an_interrupt_sums_up_and_leaves_no_half_file(cluster: RayCluster, tmp_path: Path) -> None:
    source, out = pictures(tmp_path / "in", 100, LARGE), tmp_path / "out"
    running = subprocess.Popen(
        command(cluster.address, str(source), f"{out}/", *SLOW),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=take_interrupts,  # noqa: PLW1509  no thread is running yet
    )
    wait_until(lambda: any(out.glob("*.webp")), "a picture is converted", 100)

    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)

    assert running.returncode == 130, said
    assert re.fullmatch(
        r"\d+ converted, 0 failed in [\d.]+ s, [\d,]+ bytes written; interrupted, \d+ not converted: "
        r"--skip-existing goes on from here\n",
        said,
    )
    wait_until(lambda: not any(each.workers() for each in cluster.nodes), "no picture is being converted any more", 60)
    assert [file.name for file in out.iterdir() if file.name.startswith(".")] == []


def test_two_nodes_convert_pictures_and_errors_stop_nothing(cluster: RayCluster, node: Node, tmp_path: Path) -> None:
    assert node.is_alive()
    source, manifest = pictures(tmp_path / "in", MANY, LARGE), tmp_path / "run.jsonl"
    (source / "broken.png").write_bytes(LARGE[:400])
    arguments = (str(source), f"{tmp_path / 'out'}/", "blur:sigma=5", "--manifest", str(manifest))

    done = ran(cluster.address, *arguments)
    again = ran(cluster.address, *arguments)

    assert done.returncode == 1, done.stderr
    assert "broken.png: the PNG picture cannot be decoded" in done.stderr
    assert f"{MANY} converted, 1 failed in " in done.stderr
    assert len({row["node"] for row in rows(manifest)}) == 2
    assert f"0 converted, 1 failed, {MANY} done before in " in again.stderr
    assert [file.name for file in (tmp_path / "out").iterdir() if file.name.startswith(".")] == []
    local = convert(
        Conversion(source / "001.png", tmp_path / "local.png"),
        Recipe(Pipeline.parse("blur:sigma=5"), Output(), Limits()),
    )
    assert local.error is None
    assert (tmp_path / "local.png").read_bytes() == (tmp_path / "out/001.png").read_bytes()


@pytest.mark.parametrize("program", ["", "/raylet"], ids=["all of it", "what hands out its cores"])
def test_what_a_frozen_node_has_is_begun_elsewhere_and_nothing_of_it_comes_after(
    cluster: RayCluster, node: Node, program: str, tmp_path: Path
) -> None:
    try:
        said = killed_in_the_middle(cluster, tmp_path, lambda: node.suspend(program), start=("-c", IMPATIENT))
        found = re.search(
            r"the node (\S+) is left out: nothing came from it for \d+ s; begun elsewhere of what it had: \d+\n", said
        )
        lost = {row["lost"] for row in rows(tmp_path / "run.jsonl") if "lost" in row}
        before = (tmp_path / "run.jsonl").read_text(), snapshot(tmp_path / "out")

        node.resume()
        wait_until(lambda: not node.workers(), "its processes have seen that the run has ended", 60)
    finally:
        node.resume()

    # Without its raylet a node may go on with the core that it has handed out, until that is taken back.
    assert found is not None or program, said
    assert lost == ({found[1]} if found else set())
    assert f"{MANY} converted, 0 failed" in said
    assert before == ((tmp_path / "run.jsonl").read_text(), snapshot(tmp_path / "out"))


def test_a_frozen_node_that_comes_back_takes_part_again_and_no_picture_is_there_twice(
    cluster: RayCluster, node: Node, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    source, out, manifest = pictures(tmp_path / "in", 400, LARGE), tmp_path / "out", tmp_path / "run.jsonl"
    line = command(cluster.address, str(source), f"{out}/", *SLOW, "--manifest", str(manifest), start=("-c", IMPATIENT))
    with log.open("w") as file, subprocess.Popen(line, stderr=file, preexec_fn=take_interrupts) as running:  # noqa: PLW1509
        try:
            wait_until(lambda: manifest.exists() and len(rows(manifest)) >= 4, "some are done", 100)
            node.suspend()
            wait_until(lambda: "is left out" in log.read_text(), "the node is left out", 100)
            node.resume()
            before = len(rows(manifest))
            found = re.search(r"the node (\S+) is left out", log.read_text())
            assert found is not None
            wait_until(lambda: found[1] in {row["node"] for row in rows(manifest)[before:]}, "it works again", 100)
        finally:
            node.resume()
            running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 130, log.read_text()
    wait_until(lambda: not any(each.workers() for each in cluster.nodes), "no picture is being converted", 60)

    done = [Path(row["source"]).stem for row in rows(manifest) if row["status"] == "done"]
    assert len(done) == len(set(done)) == len(rows(manifest))
    # A picture that was being converted at the interrupt may be there, and not in the manifest.
    assert set(done) <= {file.stem for file in out.iterdir()}
    assert {(file.suffix, file.read_bytes()) for file in out.iterdir()} == {(".webp", (out / "000.webp").read_bytes())}


def test_after_a_node_is_killed_every_output_is_there_once(cluster: RayCluster, node: Node, tmp_path: Path) -> None:
    said = killed_in_the_middle(cluster, tmp_path, node.kill)

    assert f"{MANY} converted, 0 failed" in said


# ---- refused -----------------------------------------------------------------------------------------


def test_a_node_with_another_imgsrv_is_refused_with_both_versions(cluster: RayCluster, tmp_path: Path) -> None:
    (tmp_path / "imgsrv.py").write_text('__version__ = "0.0.7"\n')
    source, out = pictures(tmp_path / "in", 3, SQUARE), tmp_path / "out"
    node = cluster.add({"PYTHONPATH": str(tmp_path)})
    try:
        # Ray gives workers the current folder of the command to import from: it must not be that of the sources.
        done = subprocess.run(
            command(cluster.address, str(source), f"{out}/"),
            cwd=out.parent / "in",
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
    finally:
        cluster.remove(node)

    assert done.returncode == 2, done.stderr
    assert re.search(
        r"the node \S+ has imgsrv 0\.0\.7 and Python 3\.\S+, and this command imgsrv (?!0\.0\.7)\S+ and Python 3\.",
        done.stderr,
    )
    assert list(out.iterdir()) == []


def test_a_node_that_does_not_share_the_folder_is_refused(cluster: RayCluster, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can mount")
    source, out = pictures(tmp_path / "in", 3, SQUARE), tmp_path / "out"
    out.mkdir()
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(out))
    if subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount")
    node = cluster.add(before=hidden)
    try:
        done = ran(cluster.address, str(source), f"{out}/")
    finally:
        cluster.remove(node)

    assert done.returncode == 2, done.stderr
    assert re.search(
        rf"the node \S+ cannot take part: it does not see {out}; OUT must be a folder that all", done.stderr
    )
    assert list(out.iterdir()) == []


OTHER_PYTHON = """
import ray._private.utils as utils
ours = utils.compute_version_info
utils.compute_version_info = lambda: (ours()[0], "3.10.1")
from ray.scripts.scripts import main
main()
"""


def test_a_cluster_of_another_python_is_refused_with_both_versions(tmp_path: Path) -> None:
    source = pictures(tmp_path / "in", 1, SQUARE)
    with ray_cluster(code=OTHER_PYTHON) as other:
        done = ran(other.address, str(source), f"{tmp_path / 'out'}/")

    assert done.returncode == 2
    assert re.search(
        rf"the cluster has Ray \S+ and Python 3\.10\.1, and this command Ray \S+ and Python {sys.version.split()[0]}; "
        "install the same versions",
        done.stderr,
    )
    assert len(done.stderr.splitlines()) <= 2


def test_an_address_without_a_cluster_is_refused(tmp_path: Path) -> None:
    if find_spec("ray") is None:
        pytest.skip("the extra ray is not installed")
    (tmp_path / "a.png").write_bytes(SQUARE)

    done = ran(f"127.0.0.1:{free_port()}", str(tmp_path / "a.png"), f"{tmp_path / 'out'}/")

    assert done.returncode == 2
    assert "no Ray cluster can be joined there" in done.stderr
    assert "ray start --head" in done.stderr


def test_an_address_of_ipv6_stands_in_brackets(imgsrv: Callable[..., int]) -> None:
    if find_spec("ray") is None:
        pytest.skip("the extra ray is not installed")
    Path("a.png").write_bytes(SQUARE)

    # The second of a machine without IPv6.
    reason = "(Connection refused|Cannot assign requested address)"
    with pytest.raises(BadArgument, match=rf"no Ray cluster can be joined there: \[Errno \d+\] {reason}"):
        imgsrv("--ray", f"[::1]:{free_port()}", "a.png", "out/")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ray://127.0.0.1:10001", "a.png", "out/"), "is the address of a Ray client; run this command on a node"),
        (("10.0.0.1", "a.png", "out/"), "--ray 10.0.0.1 is no address; give auto, or the address of the head, such as"),
        (("::1:6379", "a.png", "out/"), "is no address; give auto, or .*, such as .* or \\[fd00::1\\]:6379"),
        (("10.0.0.1:99999", "a.png", "out/"), "--ray 10.0.0.1:99999 is no address"),
        (("10.0.0.1:port", "a.png", "out/"), "--ray 10.0.0.1:port is no address"),
        (("auto", "-", "out.png"), "--ray converts files and objects"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused(
    imgsrv: Callable[..., int], arguments: tuple[str, ...], message: str
) -> None:
    Path("a.png").write_bytes(SQUARE)

    with pytest.raises(BadArgument, match=message):
        imgsrv("--ray", *arguments)


def test_without_ray_the_extra_is_named(imgsrv: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "find_spec", lambda _name: None)
    Path("a.png").write_bytes(SQUARE)

    with pytest.raises(BadArgument, match=re.escape(install_command("ray"))):
        imgsrv("--ray", "auto", "a.png", "out/")


# ---- on a node ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_again", "is_theirs", "error"), [(True, False, False), (True, True, True), (False, False, True)]
)
def test_a_result_that_a_lost_node_has_written_is_no_result_of_somebody_else(
    tmp_path: Path,
    is_again: bool,  # noqa: FBT001  a value
    is_theirs: bool,  # noqa: FBT001
    error: bool,  # noqa: FBT001
) -> None:
    recipe = Recipe(Pipeline.parse("flip"), Output(), Limits(), overwrites=False)
    (tmp_path / "a.png").write_bytes(SQUARE)
    conversion = Conversion(tmp_path / "a.png", tmp_path / "b.png")
    assert convert(conversion, recipe).error is None
    if is_theirs:
        (tmp_path / "b.png").write_bytes(SQUARE)

    packed, tasks = on_node.pack(recipe, None, None), on_node.packed_tasks([(conversion, "m", is_again)])
    (outcome,) = on_node.outcomes_of(on_node.perform(packed, tasks, "here"))

    assert (outcome.error is not None) is error
    assert outcome.node == "here"


def test_a_node_of_other_extras_or_without_the_fonts_is_unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(Pipeline(), Output(), Limits())
    lacks_fonts = on_node.unfit(on_node.pack(recipe, tmp_path / "none", None))
    packed = on_node.pack(recipe, None, None)
    monkeypatch.setattr(formats, "FORMATS", {name: form for name, form in formats.FORMATS.items() if name != "gif"})

    assert "it cannot use the fonts" in lacks_fonts
    assert "does not read the same formats as this command: gif; install the same extras" in on_node.unfit(packed)
