"""A Ray node of two processors for the soak: prints its address, and ends when its standard input does."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests"))  # whose cluster starts on a busy machine too


def main() -> None:
    from ray_cluster import cluster

    with cluster(2) as made:
        print(made.address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
