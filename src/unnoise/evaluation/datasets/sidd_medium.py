"""`sidd-medium:DIR`: 320 pairs of whole phone pictures of 160 scene instances, as SIDD Medium unpacks (Abdelhamed et al.,
CVPR 2018).

The files are `Data/0001_001_S6_…/0001_NOISY_SRGB_010.PNG` and `…/0001_GT_SRGB_010.PNG`. DIR may also be `Data` itself.
"""

from __future__ import annotations

from pathlib import Path

from unnoise.evaluation.datasets.about import About, Edition
from unnoise.evaluation.datasets.base import Entry
from unnoise.evaluation.datasets.pairing import by_name, match, require

ABOUT = About(
    layout="holds Data/0001_001_…/0001_NOISY_SRGB_010.PNG and 0001_GT_SRGB_010.PNG",
    where="is to be had at https://abdokamel.github.io/sidd/ (SIDD-Medium, sRGB images only, 12 GB)",
    editions=(Edition("all pairs", pictures=320),),
)


def entries(folder: Path) -> list[Entry]:
    """The pairs by scene instance and shot. Raises `UsageError` if a picture has no partner.

    >>> entries(Path("none"))
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    require(folder)
    inner = folder / "Data" if (folder / "Data").is_dir() else folder
    found = [path for instance in inner.iterdir() if instance.is_dir() for path in instance.iterdir()]

    def of(kind: str) -> dict[str, Path]:
        named = [path for path in found if f"_{kind}_SRGB_" in path.name.upper() and path.suffix.upper() == ".PNG"]
        return by_name((f"{path.parent.name}/{path.stem.upper().replace(f'_{kind}_SRGB_', '_')}", path) for path in named)

    return match(of("NOISY"), of("GT"), str(inner), "folders with files named *_NOISY_SRGB_*.PNG and *_GT_SRGB_*.PNG")
