"""What an installation fetches and takes: the files that pip resolves on this system, and the size of environments.

    python benchmarks/install.py            # the wheels of `make demo`, then the light environment and that with PyTorch
    python benchmarks/install.py --wheels   # the wheels alone

Nothing is taken from wheels that lie ready: each is fetched anew. Sizes are in 10⁶ bytes. Environments hold bytecode, and
pip, as `python -m venv` makes them; the build of PyTorch is that for CPUs. PyPI's build of it brings CUDA besides.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "requirements" / "demo.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", action="store_true", help="the wheels alone")
    only_wheels = parser.parse_args().wheels
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fetched = fetch(folder / "wheels")
        for wheel, size in sorted(fetched.items(), key=lambda item: -item[1]):
            print(f"{size / 1e6:8.2f}  {wheel}")
        print(f"{sum(fetched.values()) / 1e6:8.2f}  in {len(fetched)} wheels")
        if only_wheels:
            return
        light = installed_size(folder / "light", ())
        torch = installed_size(folder / "torch", ("torch",))
        print(f"light environment {light / 1e6:.0f} MB, with PyTorch for CPUs {torch / 1e6:.0f} MB, ratio {light / torch:.3f}")


def fetch(folder: Path) -> dict[str, int]:
    """Fetch what `make demo` fetches on this system; pyvips is an archive of sources. Returns each one's size in bytes."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-cache-dir",
        "--no-deps",
        "--dest",
        str(folder),
        "-r",
        str(DEMO),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def installed_size(folder: Path, more: tuple[str, ...]) -> int:
    """Bytes of a fresh environment with unnoise and these packages."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    if "torch" in more:
        pinned = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
        for more_places in ([], ["--extra-index-url", CPU_INDEX]):  # a mirror may have it
            if subprocess.run([*pip, f"{pinned}+cpu", *more_places], check=False).returncode == 0:
                break
    subprocess.run([*pip, str(ROOT)], check=True)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


if __name__ == "__main__":
    main()
