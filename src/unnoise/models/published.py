"""Reading checkpoints that authors of papers published. The network is recognized by its weights, however they are
wrapped."""

from __future__ import annotations

import argparse
import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor

from unnoise import denoisers, recipes
from unnoise.denoisers.base import Denoiser
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.archive_checksums import damaged_record
from unnoise.models.card import Card
from unnoise.models.file_format import check_finite, is_model
from unnoise.models.model import Model
from unnoise.models.stored_tensors import find_unstored

# Network → the recipe with which it was published. `DEFAULT_RECIPE` applies to all other networks.
_RECIPES = {
    "dbsn": "ap-bsn",
    "ssbsn": "ss-bsn",
    "atbsn": "at-bsn",
    "atbsn-student-a": "at-bsn-d",
    "atbsn-student-b": "at-bsn-d",
    "atbsn-student-c": "at-bsn-d",
    "tbsn": "tbsn",
    "puca": "puca",
    "lgbpn": "lg-bpn",
    "bnn": "bnn",
    "lan": "lan",
    "unet-nearest": "spatially-adaptive",
    "tbsn-student": "tbsn-d",
    "cvf-sid": "cvf-sid",
    "cvf-sid-twice": "cvf-sid-s2",
    "cbdnet": "supervised",
    "ridnet": "supervised",
    "vdn": "supervised",
    "danet": "supervised",
    "dbsn-first": "d-bsn",
    "scpgabn": "scpgabn",
    "i2v": "i2v",
    "mash-unet": "mash",
    "ffdnet": "ffdnet",
    "drunet": "drunet",
    "scunet": "scunet",
    "tmbsn": "tm-bsn",
    "tmbsn-student": "tm-bsn-d",
    "tmbsn-student-rounded": "tm-bsn-d",
    # AMSNet's files do not tell whether a network was fine-tuned. Both kinds restore in the same way.
    "restormer": "amsnet-b",
    "deamnet": "amsnet-b",
    "nafnet": "amsnet-b",
    "nafnet-baseline": "amsnet-b",
    "unet": "amsnet-b",
    "unet-blindspot": "amsnet-b",
    "dncnn": "amsnet-b",
}
DEFAULT_RECIPE = "amsnet-b"

# Classes that Lightning's files may hold beside the weights. Each is replaced by a plain class that runs no code when it is
# created.
_LIGHTNING = ("lightning.fabric.utilities.data", "lightning_fabric.utilities.data", "pytorch_lightning.utilities.parsing")
_HARMLESS: list[Any] = [
    argparse.Namespace,
    *((dict, f"{module}.AttributeDict") for module in _LIGHTNING),
    *((PurePath, f"{module}.{kind}Path") for module in ("pathlib", "pathlib._local") for kind in ("Posix", "Windows")),
]

Weights = Mapping[str, Tensor]

BRANCHES = {"D", "G", "P"}
"""What SCPGabN's files call the state dicts of the denoiser, the generator and the critic. DANet's have the same names."""


def read(path: Path) -> Model:
    """Read a published checkpoint; see `unnoise.models.shipped.import_checkpoint`.

    >>> read(Path("none.pth"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: There is no checkpoint none.pth.
    """
    if is_model(path):  # judged by its header; such a file keeps its recipe and card
        return Model.load(path)
    for weights in _state_dicts(_load(path)):
        for prefix in _prefixes(weights):
            inner = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
            network = _recognise(inner)
            if network is not None:
                check_finite(network.state_dict(), path)
                return _as_model(network, path)
    known = ", ".join(denoisers.names())
    raise UnnoiseError(f"{path} holds weights of no network known here ({known}); check that it is the right file.")


def _as_model(network: Denoiser, path: Path) -> Model:
    name = denoisers.name_of(network)
    fields = recipes.load(_RECIPES.get(name, DEFAULT_RECIPE)).model_dump(mode="json")
    fields["denoiser"] = {"name": name, "sizes": network.sizes}
    return Model(network.eval(), recipes.validate(fields, str(path)), Card(description=f"Imported from {path.name}."))


def _load(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"There is no checkpoint {path}.")
    try:
        if damaged_record(path):
            raise ValueError("a record has another checksum")
        # Old pickle protocols raise warnings. Their content is either weights, or refused below.
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(_HARMLESS):
            held = torch.load(path, map_location="cpu", weights_only=True)
        if wrong := find_unstored(held, path.stat().st_size):
            raise ValueError(wrong)
        return held
    except pickle.UnpicklingError as error:
        if "unsupported" in str(error).lower() and _is_pickle(path):
            raise UnnoiseError(
                f"{path} holds Python code or objects beside weights; it was not opened, as that could harm you."
            ) from error
        raise UnnoiseError(f"{path} is damaged or no PyTorch checkpoint; get it again.") from error
    except Exception as error:  # on foreign bytes the unpickler can fail in any way
        raise UnnoiseError(f"{path} is damaged or no PyTorch checkpoint; get it again.") from error


def _is_pickle(path: Path) -> bool:
    """Whether the file begins like a PyTorch file: as a zip archive, or with pickle's protocol byte."""
    with path.open("rb") as file:
        return file.read(4)[:2] in (b"PK", *(b"\x80" + bytes([protocol]) for protocol in range(2, 6)))


def _state_dicts(held: Any) -> Iterator[Weights]:
    """Every dictionary of tensors in the file's content, outermost first. States of optimisers are skipped."""
    waiting, seen = [held], set[int]()
    while waiting:
        inner = waiting.pop()
        if not isinstance(inner, Mapping) or id(inner) in seen:  # a dictionary can contain itself
            continue
        seen.add(id(inner))
        if inner.keys() >= BRANCHES:  # before each of them, as the first may be the earlier denoiser
            yield _joined({name: inner[name] for name in (*sorted(BRANCHES), "E") if name in inner})
        tensors = {str(key): value for key, value in inner.items() if isinstance(value, Tensor)}
        if tensors:
            yield tensors
        waiting += [value for key, value in inner.items() if "optimizer" not in str(key)][::-1]
    yield _of_several_networks(held)


def _of_several_networks(held: Any) -> Weights:
    """The state dicts of a file that holds one for each of its networks, as one: their names come before the keys'."""
    several = held if isinstance(held, Mapping) else {}
    return _joined({str(name): inner for name, inner in several.items() if str(name).startswith("state_dict_")})


def _joined(several: Mapping[str, Any]) -> Weights:
    """Several state dicts as one, with the names of the networks before their keys."""
    return {
        f"{name}.{key}": value
        for name, inner in several.items()
        if isinstance(inner, Mapping)
        for key, value in inner.items()
        if isinstance(value, Tensor)
    }


def _prefixes(weights: Weights) -> list[str]:
    """All dotted prefixes of the keys, in the order of the keys: '', 'module.', 'module.bsn.' …

    Prefixes with `nbsn` come first. They belong to the student of AT-BSN (D), whose teacher `bsn` is in the same file.
    """
    found = {"": None}
    for key in weights:
        parts = key.split(".")
        found.update({".".join(parts[:depth]) + ".": None for depth in range(1, len(parts))})
    return sorted(found, key=lambda prefix: "nbsn." not in prefix)


def _recognise(weights: Weights) -> Denoiser | None:
    for name in denoisers.names():
        try:
            network = denoisers.lookup(name).from_weights(weights)
        except (RuntimeError, ValueError, KeyError):  # the keys resemble this network, but the weights do not fit
            continue
        if network is not None:
            return network
    return None
