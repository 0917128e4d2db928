"""A large picture under limits of memory: it must come out right, or the command must end with one sentence.

    python benchmarks/faults/memory_limits.py --kind RLIMIT_AS --gigabytes 1.0 1.5 2.0

A row is printed for each limit. Exit status 1: a command was ended by a signal, showed a traceback, gave a wrong picture,
or failed without a sentence.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PROGRAM = """
import resource, sys
resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]),) * 2)
sys.argv[1:3] = []
from unnoise.cli import main
main()
"""
BLOCK_PIXELS = 100
"""Side of the flat areas of the scene."""
NOISE_SIGMA = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", default="RLIMIT_AS", help="a limit of the module resource: RLIMIT_AS, RLIMIT_DATA")
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.0, 1.5, 2.0], help="limits, in 10⁹ bytes")
    parser.add_argument("--megapixels", type=int, default=12)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--suffix", default=".png", help="the format of the picture")
    options = parser.parse_args()
    from unnoise import images

    height = round((options.megapixels * 0.75e6) ** 0.5 / BLOCK_PIXELS)  # 4:3
    width = round(options.megapixels * 1e6 / height / BLOCK_PIXELS**2)
    colors = np.random.default_rng(0).integers(40, 200, (height, width, 3))
    scene = np.kron(colors, np.ones((BLOCK_PIXELS, BLOCK_PIXELS, 1)))
    noisy = (scene + np.random.default_rng(1).normal(0, NOISE_SIGMA, scene.shape)).clip(0, 255).astype(np.uint8)
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / f"a{options.suffix}", Path(name) / f"b{options.suffix}"
        images.write(source, images.Picture(noisy))
        for limit in options.gigabytes:
            target.unlink(missing_ok=True)
            arguments = ["denoise", str(source), "-o", str(target), "--model", options.model]
            program = [sys.executable, "-c", PROGRAM, options.kind, str(int(limit * 1e9)), *arguments]
            answer = subprocess.run(program, capture_output=True, text=True, check=False)
            sentences = [line for line in answer.stderr.splitlines() if line.startswith("unnoise: ")]
            if answer.returncode == 0:
                left = np.abs(images.read(target).pixels - scene).mean() / np.abs(noisy - scene).mean()
                outcome, good = f"right, {left:.2f} of the error left", left < 0.5
            else:
                outcome = f"status {answer.returncode}: {' '.join(sentences).replace(name, '…')}"
                good = answer.returncode == 1 and len(sentences) == 1 and not target.exists()
            good &= "Traceback" not in answer.stderr
            bad += not good
            print(f"{options.kind} {limit:.1f} GB: {outcome}{'' if good else f' BAD {answer.stderr[-500:]}'}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
