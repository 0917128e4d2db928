"""docs/scaling.md: its scripts have the right form, and its cost model is what a queue of pictures takes."""

from __future__ import annotations

import argparse
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import kubernetes_validate
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.distributed import run as torchrun

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def cost_model(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("cost_model")


def _torchrun(command: str) -> argparse.Namespace:
    """What torchrun makes of a command of the page."""
    words = re.sub(r"\$\(.*?\)|\"\$\{.*?\}\"", "", command.replace("\\\n", " ")).replace('"$head:29500"', "host:29500")
    words = re.sub(r'"?\$\w+"?', "3", words[words.index("torchrun ") :]).split()[1:]
    return torchrun.get_args_parser().parse_args(words)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_slurm_script_is_valid_and_goes_on_after_its_time(tmp_path: Path) -> None:
    (script,) = _blocks("bash")
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=True, capture_output=True).stderr == ""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    found = subprocess.run([shellcheck, "-"], input=script, text=True, capture_output=True)
    assert (found.returncode, found.stdout) == (0, "")
    assert "#SBATCH --signal=TERM@" in script
    read = _torchrun(script)
    assert (read.rdzv_backend, read.nproc_per_node, read.module, read.training_script) == ("c10d", "8", True, "unnoise.cli")
    assert "--resume" in script
    assert read.training_script_args[:2] == ["train", "photos/"]


def test_the_kubernetes_job_is_valid_and_gives_each_pod_its_rank() -> None:
    (text,) = _blocks("yaml")
    service, job = yaml.safe_load_all(text)
    for each in (service, job):
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"]
    pod = spec["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"]
    (container,) = pod["containers"]
    command = container["args"][0]
    read = _torchrun(command)
    assert read.nnodes == str(spec["completions"])
    assert "--node-rank $JOB_COMPLETION_INDEX" in command
    assert read.master_addr == f"{job['metadata']['name']}-0.{pod['subdomain']}"
    assert read.nproc_per_node == str(container["resources"]["limits"]["nvidia.com/gpu"])
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted.keys() == {volume["name"] for volume in pod["volumes"]}
    assert "--out " + mounted["data"] in command


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.floats(0, 100),
    each=st.floats(0.01, 10),
    pictures=st.integers(1, 300),
    workers=st.integers(1, 20),
    cores=st.integers(1, 10),
)
def test_the_formula_is_what_the_queue_takes(
    cost_model: ModuleType, start: float, each: float, pictures: int, workers: int, cores: int
) -> None:
    formula = cost_model.CostModel(start, each).seconds(pictures, workers, cores)
    simulated = cost_model.simulate(start, [each], pictures, workers, cores)
    last = each * max(1, workers / cores)  # what the last pictures may take, while other workers have nothing to do
    assert formula <= simulated * (1 + 1e-9)
    assert simulated <= formula + last * (1 + 1e-9)


def test_the_slower_of_computing_and_moving_is_the_bottleneck(cost_model: ModuleType) -> None:
    computing = cost_model.CostModel(0, 2.0, 1e6, 1e6, 1e9, 1e9)
    moving = cost_model.CostModel(0, 2.0, 1e6, 3e6, 1e6, 1e6)
    assert computing.seconds(10, 4, 4) == pytest.approx(5.0)
    assert moving.seconds(10, 4, 4) == pytest.approx(40.0)
    assert moving.seconds(10, 1, 4) == pytest.approx(40.0)
