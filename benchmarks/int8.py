"""What int8 costs several models in PSNR.

    python benchmarks/int8.py default --data sidd-val:DIR polyu:DIR --limit 24

A model that `unnoise quantize` wrote uses its own quantization steps, another one dynamic quantization. `speed.py
--methods "tm-bsn student" "tm-bsn student, bytes"` tells how fast they are.
"""

from __future__ import annotations

import argparse

import unnoise


def main() -> None:
    """PSNR in float32, and how much int8 takes away."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="one or more models: names or files")
    parser.add_argument("--data", nargs="+", required=True, metavar="SET:DIR")
    parser.add_argument("--limit", type=int, help="number of pictures from each set")
    options = parser.parse_args()
    for name in options.models:
        model = unnoise.load(name)
        for data in options.data:
            exact, whole = (
                unnoise.evaluate(model, data, limit=options.limit, precision=precision, refine=False).restored.psnr
                for precision in ("float32", "int8")
            )
            print(f"{name}  {data.partition(':')[0]}  float32 {exact:.3f}  int8 {whole - exact:+.3f}", flush=True)


if __name__ == "__main__":
    main()
