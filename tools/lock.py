"""Write the locked requirements: every package that an environment gets, with the hashes of its files.

    make lock                              # after a change of pyproject.toml; versions stay
    make lock MORE="--upgrade-package rich"

Versions come from `constraints.txt`, which is written anew. PyTorch and the CUDA libraries that PyPI's build of it brings
are left out of the locked files: which build is right depends on the machine (docs/decisions.md, 98).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
ENVIRONMENTS = {"demo": ("demo", "build"), "dev": ("dev",)}
"""The locked files, and the extras that each holds."""
CHOSEN_BY_MACHINE = re.compile(r"(torch|cuda-.*|nvidia-.*)==")
"""Packages that are in no locked file."""
CONSTRAINTS_HEADER = """\
# The versions that the tests passed with, written by `make lock`. On Linux install torch first, or PyPI's build brings
# 2.7 GB of CUDA:
#   pip install -c constraints.txt torch --index-url https://download.pytorch.org/whl/cpu
"""
LOCKED_HEADER = """\
# What `pip install '.[{extras}]'` needs but PyTorch, with hashes; written by `make lock`.
#   pip install --require-hashes -r requirements/{name}.txt
"""


def main() -> None:
    """Write `requirements/*.txt` and `constraints.txt`. Arguments are handed to `uv pip compile`."""
    pins: dict[str, str] = {}
    for name, extras in ENVIRONMENTS.items():
        blocks = list(_blocks(_compiled(extras, sys.argv[1:])))
        for block in blocks:
            pin, _, marker = block.splitlines()[0].removesuffix("\\").strip().partition(" ; ")
            pins[pin] = marker
        kept = [each for each in blocks if not CHOSEN_BY_MACHINE.match(each)]
        header = LOCKED_HEADER.format(extras=",".join(extras), name=name)
        (ROOT / "requirements" / f"{name}.txt").write_text(header + "".join(kept))
    several = Counter(pin.split("==")[0] for pin in pins)  # versions of one package, each for some systems
    lines = [f"{pin} ; {pins[pin]}" if several[pin.split("==")[0]] > 1 else pin for pin in sorted(pins)]
    CONSTRAINTS.write_text(
        CONSTRAINTS_HEADER + "".join(f"{line}\n" for line in lines if not line.startswith(("cuda-", "nvidia-")))
    )


def _compiled(extras: tuple[str, ...], more: list[str]) -> str:
    """The packages of these extras on every system, with hashes, as `uv` resolves them."""
    upgraded = {word.lower() for before, word in pairwise(more) if before == "--upgrade-package"}
    known = [line for line in CONSTRAINTS.read_text().splitlines() if line.split("==")[0].lower() not in upgraded]
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        str(ROOT / "pyproject.toml"),
        "--universal",
        "--python-version",
        "3.11",
    ]
    command += [word for extra in extras for word in ("--extra", extra)]
    command += ["--generate-hashes", "--no-annotate", "--no-header", "--no-emit-package", "unnoise", *more]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(known))
        return subprocess.run([*command, "-c", str(constraints)], check=True, stdout=subprocess.PIPE, text=True).stdout


def _blocks(text: str) -> Iterator[str]:
    """Each package's lines: its pin, and the hashes of its files."""
    block = ""
    for line in text.splitlines(keepends=True):
        if not line.startswith((" ", "\t")) and block:
            yield block
            block = ""
        block += line
    if block:
        yield block


if __name__ == "__main__":
    main()
