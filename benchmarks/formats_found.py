"""Files as cameras and instruments wrote them, read and written again: what fails, and which of their tags change.

    pip download --no-deps --no-binary :all: piexif pillow-heif      # sources with pictures of many cameras; unpack them
    python benchmarks/formats_found.py piexif-1.1.3 .venv/lib/python3.11/site-packages/{pydicom,nibabel,astropy}

Each file goes through unchanged. A row of the table says what came of each suffix: pixels that are the same when they
are read again, pixels that an encoder with loss changed a little, refusals in a sentence, failures, and files in which
exiftool, where it is installed, finds other tags than before. All refusals and all other tags are listed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from rows import Row, keep, tell
from unnoise import images
from unnoise.errors import UnnoiseError
from unnoise.images.formats import result_name

LOSSY_MEAN = 0.06
"""Mean difference, as a share of the range, by which a lossy file may differ when it is encoded again."""
MOVED = (
    "Offset",
    "Offsets",
    "Start",
    "Size",
    "ByteCounts",
    "RowsPerStrip",
    "MediaData",
    "Directory",
    "FileName",
    "GroupLength",
)
"""Ends of names of tags that tell where something lies in the file, and how long it is."""
DERIVED = (
    *("DerivationDescription", "ReferencedSOPInstanceUID", "ReferencedSOPClassUID", "SOPInstanceUID", "ImageType"),
    *("PixelData", "_Length", "StartOfItem", "EndOfItems", "EndOfSequence", "SourceImageSequence", "TransferSyntaxUID"),
    *("SmallestImagePixelValue", "LargestImagePixelValue", "PhotometricInterpretation", "PlanarConfiguration"),
)
"""Ends of names of tags of DICOM that say how a picture was derived, how it is packed, and how bright it is."""
GROUPS = ("System", "ExifTool", "SourceFile")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--most-megabytes", type=float, default=1.0, help="leave larger files out")
    parser.add_argument("--out", type=Path, help="CSV file")
    options = parser.parse_args()
    found = sorted(
        path
        for folder in options.folders
        for path in folder.rglob("*")
        if path.is_file() and images.is_picture(path) and 0 < path.stat().st_size < 1e6 * options.most_megabytes
    )
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for path in found:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            came, why = outcome(path, Path(folder) / result_name(path.name))
        suffix = images.formats.suffix_of(path).lower()
        counts[suffix][came] += 1
        if why:
            print(f"{path.name}: {came}: {why}", flush=True)
    columns = ["files", "exact", "within bound", "refused", "tags differ", "lost", "failed"]
    rows: list[Row] = [
        {"suffix": suffix, **{name: said[name] if name != "files" else said.total() for name in columns}}
        for suffix, said in sorted(counts.items())
    ]
    for index, row in enumerate(rows):
        tell(row, head=index == 0)
    keep(rows, options.out)


def outcome(path: Path, target: Path) -> tuple[str, str]:
    try:
        with images.open(path) as source, images.create(target, source) as made:
            for frame in source:
                made.add(frame)[...] = frame[...]
        difference = differs(path, target)
    except UnnoiseError as error:
        return "refused", str(error).replace(str(path), path.name)[:200]
    except Exception as error:
        return "failed", repr(error)[:200]
    if difference > LOSSY_MEAN:
        return "lost", f"pixels differ by {difference:.3f} of their range"
    tags = other_tags(path, target) if path.suffix.lower() == target.suffix.lower() != ".gz" else []
    if tags:
        return "tags differ", ", ".join(tags[:6])
    return ("within bound" if difference else "exact"), ""


def differs(path: Path, target: Path) -> float:
    """The mean difference of two files, as a share of the range; 1 if they hold other frames."""
    worst = 0.0
    with images.open(path) as first, images.open(target) as second:
        if len(first) != len(second):
            return 1.0
        for index in range(len(first)):
            one, two = (np.asarray(source[index].original(...), np.float64) for source in (first, second))
            if one.shape != two.shape:
                return 1.0
            same = (one == two) | (np.isnan(one) & np.isnan(two))
            if not same.all():
                spread = float(np.ptp(one[np.isfinite(one)])) or 1.0
                worst = max(worst, float(np.abs(one - two)[~same].sum()) / one.size / spread)
    return worst


def other_tags(path: Path, target: Path) -> list[str]:
    """Names of tags that differ, but for those that tell where something lies."""
    if not shutil.which("exiftool"):
        return []
    one, two = told(path), told(target)
    return [
        f"{name} {str(one.get(name))[:30]} → {str(two.get(name))[:30]}"
        for name in sorted({*one, *two})
        if name.split(":")[0] not in GROUPS and not name.endswith((*MOVED, *DERIVED)) and one.get(name) != two.get(name)
    ]


def told(path: Path) -> dict[str, Any]:
    said = subprocess.run(["exiftool", "-j", "-G1", "-a", "-u", str(path)], capture_output=True, check=False).stdout
    return dict(json.loads(said)[0]) if said.strip() else {}


if __name__ == "__main__":
    main()
