"""unnoise beside what others use, on the same noisy photographs and one core: PSNR, processor time, memory.

    pip install bm3d opencv-python-headless    # the licence of bm3d is non-commercial; what is absent is left out
    python benchmarks/peers.py --data polyu:DIR --pictures 6

Methods take turns, each in a process of its own for each picture, so that memory is theirs alone; the time is that of a
second call. Methods that want a noise level get the one that a wavelet transform tells (`skimage.restoration.estimate_sigma`).
DRUNet and SCUNet have their published size and random weights: only their time and memory mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Restore = Callable[[Any], Any]
"""(H, W, 3) uint8 → the same."""
METHODS = (
    "default",
    "fast",
    "default, onnxruntime",
    "fast, onnxruntime",
    "default, OpenVINO",
    "fast, OpenVINO",
    "BM3D, the package",
    "BM3D, ours",
    "non-local means, scikit-image",
)
METHODS += "non-local means, OpenCV", "DRUNet, random weights", "SCUNet, random weights"

ENGINES = {"onnxruntime": "onnx", "OpenVINO": "openvino"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="as polyu:DIR")
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--side", type=int, default=256, help="of the middle of each picture, in pixels")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(_measure(*options.only)))
        return
    from skimage.metrics import peak_signal_noise_ratio

    found: dict[str, list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for noisy, clean in _pictures(options.data, options.pictures, options.side):
            np.save(f"{name}/noisy.npy", noisy)
            for method in METHODS:
                told = _run(method, Path(name))
                if told is not None:
                    psnr = peak_signal_noise_ratio(clean, np.load(f"{name}/restored.npy"), data_range=255)
                    found.setdefault(method, []).append((psnr, told["seconds"], told["megabytes"]))
                    print(
                        f"{method}: {psnr:.2f} dB, {told['seconds']:.2f} s, {told['megabytes']:.0f} MB",
                        file=sys.stderr,
                        flush=True,
                    )
    print("| method | PSNR, dB | s a megapixel | memory, MB |\n|---|---|---|---|")
    megapixels = options.side**2 / 1e6
    for method, rows in found.items():
        psnr, seconds, memory = np.median(rows, axis=0) if "random" in method else np.mean(rows, axis=0)
        shown = "" if "random" in method else f"{psnr:.2f}"
        print(f"| {method} | {shown} | {seconds / megapixels:.2f} | {memory:.0f} |")


def _pictures(data: str, count: int, side: int) -> Any:
    """Pairs (side, side, 3) uint8, noisy and clean."""
    from unnoise.evaluation.datasets import open_set

    for pair in open_set(data).spread(count):
        top, left = ((length - side) // 2 for length in pair.noisy.shape[:2])
        yield tuple(np.ascontiguousarray(each[top : top + side, left : left + side, :3]) for each in (pair.noisy, pair.clean))


def _run(method: str, folder: Path) -> dict[str, float] | None:
    command = [sys.executable, __file__, "--only", method, str(folder)]
    answer = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    if answer.returncode:
        print(f"{method} is left out: {answer.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    told: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return told


def _measure(method: str, folder: str) -> dict[str, float]:
    import resource

    noisy = np.load(f"{folder}/noisy.npy")
    restore = _method(method)
    restore(noisy)
    began = time.process_time()
    restored = restore(noisy)
    seconds = time.process_time() - began
    np.save(f"{folder}/restored.npy", restored)
    return {"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}


def _method(method: str) -> Restore:
    if method.startswith(("default", "fast", "BM3D, ours")):
        import unnoise

        name, _, engine = method.partition(", ")
        loaded = unnoise.load("bm3d" if name == "BM3D" else name, engine=ENGINES.get(engine, "torch"))
        return loaded.denoise
    if "random" in method:
        return _untrained(method.partition(",")[0].lower())
    from skimage.restoration import denoise_nl_means, estimate_sigma

    def level(x: Any) -> float:
        return float(np.mean(estimate_sigma(x / 255.0, channel_axis=2)))

    def eight_bits(x: Any) -> Any:
        return np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)

    if "scikit" in method:
        known = {"patch_size": 5, "patch_distance": 6, "channel_axis": 2, "fast_mode": True}
        return lambda x: eight_bits(denoise_nl_means(x / 255.0, h=0.8 * level(x), sigma=level(x), **known))
    if "OpenCV" in method:
        import cv2

        cv2.setNumThreads(1)

        def nlm(x: Any) -> Any:
            strength = 255 * level(x)
            return cv2.fastNlMeansDenoisingColored(x, None, strength, strength, 7, 21)

        return nlm
    import bm3d

    profile = bm3d.BM3DProfile()
    profile.num_threads = 1
    return lambda x: eight_bits(bm3d.bm3d_rgb(x / 255.0, level(x), profile))


def _untrained(name: str) -> Restore:
    """A network of the published size on (H, W, 3) uint8, in float32 as published."""
    import torch

    from unnoise import denoisers

    torch.set_num_threads(1)
    network = denoisers.create(name).eval()

    def restore(x: Any) -> Any:
        with torch.inference_mode():
            shown = torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255
            return (network(shown)[0].permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy()

    return restore


if __name__ == "__main__":
    main()
