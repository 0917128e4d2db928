"""Loading models: shipped ones by name, saved ones by file, and published checkpoints."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.errors import UsageError
from unnoise.models.shipped_files import WEIGHTS

if TYPE_CHECKING:
    from unnoise.inference.graph_network import GraphNetwork
    from unnoise.models.model import Model
    from unnoise.models.select import choose, choose_for

__all__ = ["choose", "choose_for", "import_checkpoint", "load", "names"]

_PUBLISHED_SUFFIXES = {".pth", ".pt", ".ckpt"}


def __getattr__(name: str) -> Any:
    if name not in ("choose", "choose_for"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from unnoise.models import select  # measuring noise is not needed to load a model

    return getattr(select, name)


def names() -> list[str]:
    """The names of the shipped models.

    >>> "default" in names()
    True
    """
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def load(name_or_path: str | Path, engine: str = "auto", network: GraphNetwork | None = None) -> Model:
    """Load a shipped model by name, or a file: one that unnoise saved, or a published checkpoint.

    Args:
        name_or_path: a name, also of a classical denoiser such as 'bm3d'; a file; the folder that `unnoise train`
            wrote; or `hf://OWNER/NAME`, a model on the Hugging Face Hub.
        engine: what runs the network: 'torch', 'onnx' (onnxruntime), 'openvino', or 'auto': torch if it is installed, else
            OpenVINO if that is, else onnxruntime. A file that ends in .onnx never runs by torch.
        network: of this shipped model, as `stored_networks.begin` gave it; None: it is read here.

    Raises:
        UsageError: neither a model nor a file has this name, or the engine cannot run it.
        UnnoiseError: the file is damaged or holds no known network.

    >>> load("fast").network.training
    False
    """
    from unnoise import denoisers
    from unnoise.models import hub, onnx_model, stored_networks
    from unnoise.models.model import Model

    chosen = stored_networks.choose_engine(engine)
    read = Model.load if chosen == "torch" else partial(onnx_model.load, engine=chosen)
    if hub.is_address(name_or_path):
        return read(hub.fetch(str(name_or_path)))
    shipped = WEIGHTS / f"{name_or_path}.safetensors"
    if shipped.is_file():
        return onnx_model.load(shipped, engine=chosen, network=network) if network else read(shipped)
    path = Path(name_or_path)
    if str(name_or_path) in denoisers.classical_names() and not path.exists():
        if chosen != "torch":
            raise UsageError(f"'{name_or_path}' needs PyTorch; install it and give --engine torch, or take another model.")
        from unnoise.models import classical

        return classical.model(str(name_or_path))
    if path.is_dir() and (path / "model.safetensors").is_file():  # a folder that `unnoise train` wrote
        path = path / "model.safetensors"
    if not path.is_file():
        raise UsageError(
            f"There is no model '{name_or_path}'; choose one of {', '.join([*names(), *denoisers.classical_names()])}, or give a file."
        )
    if path.suffix == ".onnx":
        return onnx_model.load(path, engine="openvino" if chosen == "openvino" else "onnx")
    if path.suffix in _PUBLISHED_SUFFIXES:
        if chosen != "torch":
            raise UsageError(f"{path} is a published checkpoint, which PyTorch reads; install it and give --engine torch.")
        return import_checkpoint(path)
    return read(path)


def import_checkpoint(path: str | Path) -> Model:
    """Read a published `.pth`, `.pt` or `.ckpt`. The network and its sizes are inferred from the weights.

    A file that unnoise wrote is read too, whatever its suffix.

    Raises:
        UsageError: the file does not exist.
        UnnoiseError: the file is damaged, holds code, or fits no known network.

    >>> import_checkpoint("none.pth")
    Traceback (most recent call last):
    unnoise.errors.UsageError: There is no checkpoint none.pth.
    """
    from unnoise.models.published import read

    return read(Path(path))
