"""A command that `soak.py` disturbs, and the files that it begins with."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

EVERY = (
    "kill", "stop", "no room", "read-only", "no memory", "input vanishes", "input shrinks", "two runs", "clock goes backwards",
)  # fmt: skip
ALONE = tuple(fault for fault in EVERY if fault != "two runs")
"""For commands that write one file: a second one finds it there."""
KEPT_BY_LIBRARIES = ("torchinductor_", ".ses")
"""The beginnings of names that PyTorch and onnxruntime keep in the system's folder for all later processes."""
DAMAGED = b"damaged: "
"""The beginning of what stands for the content of a file that its reader refuses."""
REMOVED_SECONDS = 20.0
CROP_PIXELS = 8
CROP_BYTES = CROP_PIXELS**2 * 3
"""Of a crop of `data prepare`, in 8 bits and three colors."""
ACCOUNT = ".unnoise-account"
ATTEMPTS = ".attempts"
"""In the account: marks of pictures that were begun and not ended."""
HIDDEN_OF_OURS = (".unnoise-manifest.json", ACCOUNT, ATTEMPTS)
"""Hidden files that stay in a folder."""


@dataclass(frozen=True)
class Scenario:
    """A command, and the folder that it begins with: `in` holds its input, `out` its results, `tmp` is for the system."""

    name: str
    folder: Path
    arguments: Callable[[Path], list[str]]
    repeated: tuple[str, ...] = ()
    """Added where the command is given again, such as `--resume`."""
    faults: tuple[str, ...] = EVERY
    moment: Callable[[Path, random.Random], None] | None = None
    """Waits for a moment to kill; None: a random one of the whole time."""
    system: Path | None = None
    """The system's folder of other processes that work for it; None: there are none."""
    account: Callable[[Path], bytes] | None = None
    """What the account of a cluster says of a folder."""

    def command(self, place: Path, *, again: bool = False) -> list[str]:
        """Its arguments, for a copy of the folder at `place`."""
        more = list(self.repeated) if again and (self.name != "train" or (place / "out/checkpoint.pt").exists()) else []
        return self.arguments(place) + more

    def results(self, place: Path) -> dict[str, bytes]:
        """The content of each result that has its name."""
        found = {}
        for file in sorted((place / "out").rglob("*")):
            inside = file.relative_to(place / "out")
            if file.is_file() and not any(part.startswith(".") or part == "tensorboard" for part in inside.parts):
                try:
                    found[str(inside)] = _lasting(file)
                except Exception:  # whatever its reader raises: it is damaged
                    found[str(inside)] = DAMAGED + file.read_bytes()
        if self.account and (place / "out" / ACCOUNT).exists():
            try:
                found[ACCOUNT] = self.account(place)
            except ValueError as error:
                found[ACCOUNT] = DAMAGED + str(error).encode()
        return found

    def is_whole(self, name: str, found: dict[str, bytes]) -> bool:
        """Whether a result that is neither the old nor the new one may be so: files of a training, a store or a
        comparison on the way. A store says whether it is whole."""
        if found[name].startswith(DAMAGED):
            return False
        if name == ACCOUNT:
            return all(outcome == "written" for _, outcome, _ in json.loads(found[name]))  # of fewer pictures
        if self.name == "data prepare":
            return _is_store(found)
        if self.name == "benchmark compare":
            return name.endswith(".jsonl")  # the scores of a cell that is not done
        return self.name == "train"

    def leftovers(self, place: Path) -> list[str]:
        """Hidden files beside the results, and whatever the system's folder holds. What a killed server left is removed
        by another process, a little later."""
        until = time.monotonic() + REMOVED_SECONDS
        others = [folder for folder in (self.system,) if folder is not None]
        while any(any(folder.glob("unnoise-*")) for folder in (place / "tmp", *others)) and time.monotonic() < until:
            time.sleep(0.01)
        hidden = [file.name for file in (place / "out").rglob(".*") if file.name not in HIDDEN_OF_OURS]
        hidden += [f"attempt {file.name}" for file in (place / "out" / ACCOUNT / ATTEMPTS).glob("*")]
        hidden += [file.name for folder in others for file in folder.glob("unnoise-*")]
        return hidden + [file.name for file in (place / "tmp").iterdir() if not file.name.startswith(KEPT_BY_LIBRARIES)]


def _is_store(found: dict[str, bytes]) -> bool:
    """Whether a store holds all crops that its journal names; it says itself when there are more to come."""
    header = json.loads(found["store/store.json"])
    lines = found.get("store/pictures.jsonl", b"").splitlines()
    count = sum(json.loads(line)[1] for line in lines if line.endswith(b"]"))
    sizes = [
        len(found[f"store/{name}.crops"]) // CROP_BYTES - count for name in ("noisy", "clean") if f"store/{name}.crops" in found
    ]
    return not any(sizes) if header["is_whole"] else all(more >= 0 for more in sizes)


def _lasting(file: Path) -> bytes:
    """A file's content without what differs between equal runs: the times of a training."""
    data = file.read_bytes()
    if file.suffix == ".crops":  # a picture that was missing comes last when it is there again
        return b"".join(sorted(data[i : i + CROP_BYTES] for i in range(0, len(data), CROP_BYTES)))
    if file.name == "pictures.jsonl":
        return b"".join(sorted(data.splitlines(keepends=True)))
    if file.name == "log.csv":
        return ",".join(row["step"] for row in csv.DictReader(io.StringIO(data.decode()))).encode()
    if file.name == "checkpoint.pt":  # its times differ; a resumed run shows what is in it
        return DAMAGED if zipfile.ZipFile(io.BytesIO(data)).testzip() else b""
    if file.parent.name == "previews":
        return b""
    if file.parent.name == "cells" and file.suffix == ".json":
        images = json.loads(data)["scores"]["images"]
        return json.dumps([[image["name"], image["noisy"], image["restored"]] for image in images]).encode()
    if file.name == "scores.json":
        return json.dumps([image["restored"] for image in json.loads(data)["images"]]).encode()
    if file.stem == "comparison":  # of its numbers, times differ
        return re.sub(rb"\d+(\.\d+)?", b"0", data)
    if file.suffix == ".safetensors":
        from safetensors.numpy import load

        return b"".join(name.encode() + value.tobytes() for name, value in sorted(load(data).items()))
    return data
