"""docs/scaling.md: its scripts have the right form, and its cost model is what a queue of pictures takes."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def cost_model(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("cost_model")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_slurm_script_is_valid_and_goes_on_after_its_time() -> None:
    (script,) = _blocks("bash")
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=True, capture_output=True).stderr == ""
    assert "#SBATCH --signal=TERM@" in script
    assert "--resume" in script


def test_the_kubernetes_job_gives_each_pod_its_rank() -> None:
    (text,) = _blocks("yaml")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    command = container["args"][0]
    assert f"--nnodes {spec['completions']} " in command
    assert "--node-rank $JOB_COMPLETION_INDEX" in command
    assert f"--master-addr {job['metadata']['name']}-0.{pod['subdomain']} " in command
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
