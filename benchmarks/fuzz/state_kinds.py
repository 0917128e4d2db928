"""Files that `fuzz.py` damages: what runs leave for later ones, and models that run without PyTorch."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

KINDS = ("selection", "picture-journal", "finished", "lock", "cluster-account", "graph-weights", "graph")
LARGE = ("graph-weights",)
"""Of these, one input is read for each request."""


def make(folder: Path, model: Any) -> None:
    """Write one file of each kind into a folder. Those of a library that is missing are left out.

    Args:
        model: any, whose facts the graph tells.
    """
    from unnoise.evaluation.comparison.picture_journal import PictureJournal
    from unnoise.evaluation.protocols import Score
    from unnoise.evaluation.scoring import ImageScore
    from unnoise.models.shipped_files import WEIGHTS
    from unnoise.training import selection

    names = selection.NAMES
    (folder / "selection.csv").write_text(",".join(("step", *names)) + "\n" + ",".join(["20", *["0.5"] * len(names)]) + "\n")
    score = ImageScore(name="a", noisy=Score(30.0, 0.7), restored=Score(34.0, 0.9), seconds=0.5)
    PictureJournal(folder / "picture-journal.jsonl", "x").add(score)
    (folder / "finished.json").write_text(json.dumps({"steps": 3, "pictures": ["a"]}))
    (folder / "lock.json").write_text(json.dumps({"process": 3, "machine": "a"}))
    shutil.copyfile(WEIGHTS / "fast.safetensors", folder / "graph-weights.safetensors")
    with suppress(ModuleNotFoundError):
        _make_account(folder)
    with suppress(ModuleNotFoundError):
        _make_graph(folder / "graph.onnx", model)


def _make_account(folder: Path) -> None:
    from unnoise.batch.cluster.account import Account
    from unnoise.batch.cluster.storage import Storage

    account = Account(Storage(str(folder / "sink")))
    account.add("", [{"picture": "a.png", "outcome": "written", "source_bytes": 3, "seconds": 0.5, "ended": 1}])
    (part,) = (folder / "sink").rglob("*.parquet")
    part.replace(folder / "cluster-account.parquet")
    shutil.rmtree(folder / "sink")


def _make_graph(path: Path, model: Any) -> None:
    """A graph of one convolution."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from unnoise.export.onnx_file import metadata

    kernel = numpy_helper.from_array(np.full((3, 3, 3, 3), 1 / 27, np.float32), "kernel")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "H", "W"]) for name in ("noisy", "restored")]
    node = helper.make_node("Conv", ["noisy", "kernel"], ["restored"], pads=[1, 1, 1, 1])
    made = helper.make_model(
        helper.make_graph([node], "a", ends[:1], ends[1:], [kernel]), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    helper.set_model_props(made, metadata(model, network_only=False))
    onnx.save(made, path)


def read(kind: str, path: Path) -> None:
    """Read a file of a kind as unnoise does."""
    from unnoise.errors import UnnoiseError

    if kind == "selection":
        from unnoise.training import selection

        selection._read(path, 100)
    elif kind == "picture-journal":
        from unnoise.evaluation.comparison.picture_journal import PictureJournal

        PictureJournal(path, "x")
    elif kind == "finished":
        from unnoise.evaluation.comparison import trained_recipes

        path.replace(path.with_name(trained_recipes.FINISHED))
        trained_recipes._is_finished(path.parent, {"steps": 3, "pictures": ["a"]})
    elif kind == "lock":
        from unnoise.files import locking

        locking._holder(path)
    elif kind == "cluster-account":
        _read_account(path)
    elif kind == "graph-weights":
        from unnoise.models import onnx_model
        from unnoise.models.description import describe

        with suppress(UnnoiseError):
            describe(path)
        onnx_model.load(path)
    else:
        from unnoise.models import onnx_model
        from unnoise.models.stored_networks import is_installed

        for engine in ("onnx", "openvino") if is_installed("openvino") else ("onnx",):
            with suppress(UnnoiseError):
                onnx_model.load(path, engine=engine).denoise(np.full((12, 14, 3), 90, np.uint8))


def _read_account(path: Path) -> None:
    from unnoise.batch.cluster.account import FOLDER, Account
    from unnoise.batch.cluster.storage import Storage

    sink = path.parent / "sink"
    (sink / FOLDER).mkdir(parents=True, exist_ok=True)
    path.replace(sink / FOLDER / "part.parquet")
    account = Account(Storage(str(sink)))
    account.rows("")
    account.merge("")
