"""Choosing the shipped model that suits a picture's noise. Only the headers of the models' files are read, without
PyTorch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from unnoise.errors import UnnoiseError
from unnoise.models.shipped_files import WEIGHTS
from unnoise.models.stored_networks import is_installed
from unnoise.noise.advice import Advice

_SAMPLE_FILES = 12
"""Most files of a list that are measured."""
_TRIED_FILES = 3
"""Most files of a list on which models are tried."""


@dataclass(frozen=True)
class Choice:
    """The choice of a shipped model for a picture.

    >>> Choice("default", fits=True, reason="It takes any picture.").name
    'default'
    """

    name: str | None
    fits: bool
    """Whether the model is expected to improve the picture."""
    reason: str


def choose(image: Any) -> str:
    """The name of the shipped model that suits a picture's noise best.

    If no model fits, this is the nearest one; without measurable noise, 'default'.

    Args:
        image: as `unnoise.inspect` takes it.

    >>> import numpy as np
    >>> choose(np.zeros((64, 64), np.uint8)) in ("default", "fast")
    True
    """
    from unnoise.noise.inspection import measure

    advice = measure(image).advice
    return (nearest(advice).name if advice else None) or "default"


def choose_for(files: Sequence[Path], *, axes: str | None = None) -> str:
    """The name that `choose` returns for most of a sample of picture files. Files that cannot be read are skipped.

    Where that is 'default', and PyTorch is installed, it is tried on three of the pictures. If it leaves noise or does
    harm, 'tm-bsn' is tried too, and taken if its estimated gain is clearly larger.

    >>> choose_for([Path("none.png")])
    'default'
    """
    from unnoise.images.frames import sample_pictures, spread

    votes = Counter[str]()
    sampled = []
    for picture in sample_pictures(files, _SAMPLE_FILES, axes=axes):
        with suppress(UnnoiseError):  # denoising reports it
            votes[choose(picture.pixels)] += 1
            sampled.append(picture.pixels)
    name = votes.most_common(1)[0][0] if votes else "default"
    if name != "default" or not is_installed("torch"):
        return name
    from unnoise.models.trial import best_trial

    tried = Counter[str]()
    for number in spread(len(sampled), _TRIED_FILES):
        with suppress(UnnoiseError):
            tried[best_trial(name, sampled[number]).name] += 1
    return tried.most_common(1)[0][0] if tried else name


def nearest(advice: Advice, folder: Path = WEIGHTS) -> Choice:
    """The shipped model whose inference stride is nearest to the advised one.

    A model fits if its stride is at most the advised one. A larger stride would lose detail between the pixels. A model
    that chooses pixels by itself fits any picture. Among equal models 'default' comes first, then the order of the
    alphabet.

    Args:
        advice: from `unnoise.noise.inspection.measure`.
        folder: of the models' files.

    >>> from unnoise.noise.advice import Advice
    >>> strides = {"train_stride": 5, "infer_stride": 2, "train_hole": 9, "infer_hole": 3}
    >>> advice = Advice(**strides, train_diamond=4, infer_diamond=2, recipe="tm-bsn-quick", settings={})
    >>> nearest(advice).fits
    True
    """
    wanted = advice.infer_stride
    distances = {path.stem: _distance(path, wanted) for path in sorted(folder.glob("*.safetensors"))}
    if not distances:
        return Choice(None, False, "No model ships with this installation: train one on pictures like this.")
    name = min(distances, key=lambda name: (distances[name] > wanted, abs(distances[name] - wanted), name != "default", name))
    if distances[name] <= wanted:
        return Choice(name, True, f"Of the shipped models '{name}' has the reach that this noise needs.")
    return Choice(
        name,
        False,
        f"The shipped model '{name}' would take away as much detail as noise here: train one on pictures like this.",
    )


def _distance(path: Path, wanted: int) -> int:
    """The distance in pixels to the nearest pixel that a model uses at inference, besides the centre pixel.

    Some schemes name neither a stride nor a blind spot: those of students, and averages of blind spots by risk. Their
    models choose distances at each place. So they have the distance `wanted`.
    """
    with safe_open(path, framework="np") as file:
        header = file.metadata()
    scheme = json.loads(header["recipe"])["scheme"]
    if "infer_stride" in scheme:
        return int(scheme["infer_stride"])
    if "infer_hole" in scheme:
        hole = int(scheme["infer_hole"])
        return hole if header["denoiser"].startswith("tmbsn") else (hole + 1) // 2
    return wanted
