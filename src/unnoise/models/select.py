"""Which of the shipped models suits a picture's noise; read from the headers of their files, without torch."""

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
from unnoise.noise.advice import Advice

WEIGHTS = Path(__file__).parent / "weights"
"""The folder of the shipped models."""
_SAMPLE = 12


@dataclass(frozen=True)
class Choice:
    """A shipped model for a picture."""

    name: str | None
    fits: bool
    """Whether it may be expected to bring the picture nearer to the truth."""
    reason: str


def choose(image: Any) -> str:
    """The name of the shipped model that suits a picture's noise best.

    Args:
        image: as `unnoise.inspect` takes it.

    Where there is no noise to go by, or no model fits, it is still the nearest, or 'default'.
    """
    from unnoise.noise.inspection import measure

    advice = measure(image).advice
    return (nearest(advice).name if advice else None) or "default"


def choose_for(files: Sequence[Path]) -> str:
    """The name that `choose` gives for most of a sample of picture files; those that cannot be read have no say."""
    from unnoise import images

    count = min(_SAMPLE, len(files))
    votes = Counter[str]()
    for place in range(count):
        with suppress(UnnoiseError):  # denoising reports it
            votes[choose(images.read(files[place * len(files) // count]).pixels)] += 1
    return votes.most_common(1)[0][0] if votes else "default"


def nearest(advice: Advice, folder: Path = WEIGHTS) -> Choice:
    """The shipped model whose inference looks at pixels just as far away as the advice says, or as near to that as there is.

    A model fits if it looks no further away than advised, since what lies between would be lost; one that chooses for itself fits
    any picture. Among those equally near, 'default' comes first, then the order of the alphabet.
    """
    wanted = advice.infer_stride
    distances = {path.stem: _distance(path, wanted) for path in sorted(folder.glob("*.safetensors"))}
    if not distances:
        return Choice(None, False, "No model ships with this installation: train one on pictures like this.")
    name = min(distances, key=lambda name: (distances[name] > wanted, abs(distances[name] - wanted), name != "default", name))
    if distances[name] <= wanted:
        return Choice(name, True, f"The shipped model '{name}' fits this noise.")
    return Choice(
        name,
        False,
        f"The shipped model '{name}' would take away as much detail as noise here: train one on pictures like this.",
    )


def _distance(path: Path, wanted: int) -> int:
    """How far the nearest pixel is that the model sees at inference, leaving aside the centre of networks that are not blind.

    Those whose scheme names neither a stride nor a hole, students and averages of blind spots by their risk, weigh near and far in
    each place: they look as far as is wanted.
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
