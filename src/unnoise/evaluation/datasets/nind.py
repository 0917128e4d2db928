"""`nind:DIR`: scenes at rising ISO (Brummer and De Vleeschouwer, "Natural Image Noise Dataset", CVPR workshops 2019).

The files are `NIND_SCENE_ISO200.png`, `NIND_SCENE_ISO6400.png` …, in one folder or one a scene. The shot at the lowest
ISO is the clean picture of all others of its scene. Further shots at the lowest ISO (`ISO200-2`) are left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from unnoise.evaluation.datasets.about import About
from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import MissingDataError, pictures

ABOUT = About(
    layout="holds files named NIND_SCENE_ISO200.png, NIND_SCENE_ISO6400.png …",
    where="is to be had at https://commons.wikimedia.org/wiki/Natural_Image_Noise_Dataset",
)
_SHOT = re.compile(r"(?:NIND_)?(?P<scene>.+)_ISO(?P<high>H?)(?P<iso>\d+)(?:-(?P<number>\d+))?$", re.IGNORECASE)


def entries(folder: Path) -> list[Entry]:
    """Each shot above its scene's lowest ISO, by scene and ISO. Raises `UsageError` if there is none.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    scenes = defaultdict(list)
    for path in pictures(folder).values():
        if found := _SHOT.match(path.stem):
            # ISOH1 and ISOH2 of a camera lie above all its numbers
            order = bool(found["high"]), int(found["iso"]), int(found["number"] or 1)
            scenes[found["scene"]].append((order, path))
    made = []
    for _, shots in sorted(scenes.items()):
        shots.sort()
        (lowest, clean), *others = shots
        made += [Entry(path.stem, path, clean) for order, path in others if order[:2] != lowest[:2]]
    if not made:
        raise MissingDataError(f"No scene with two ISO values was found in {folder}; their files are named NIND_SCENE_ISO….")
    return made
