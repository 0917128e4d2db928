"""How far exported ONNX graphs are from PyTorch, and how long onnxruntime takes beside it: the table of docs/results/export.md.

    python benchmarks/onnx_parity.py                                     # all shipped models, and all denoisers in small form
    python benchmarks/onnx_parity.py --models fast default --networks    # some
    python benchmarks/onnx_parity.py --page docs/results/export.md       # puts the table into the page, and runs what is missing

What is done lies in --keep, so a stopped run goes on. The scheme of a model runs in both; one that cannot be exported is left
out of both. Networks have random weights and the sizes of tests/small_denoisers.py. The difference is the largest of all values
of a random picture, as a share of the range from black to white. Times are processor times of one core, the least of two turns.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

import unnoise
from unnoise import denoisers, recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.export import parity
from unnoise.export.byte_graph import in_int8
from unnoise.export.graph import in_float16, make_graph
from unnoise.layers.quantized.quantized_convolution import QuantizedConvolution
from unnoise.models import shipped
from unnoise.models.card import Card
from unnoise.models.model import Model

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

SIZES = (1, 1), (2, 3), (37, 501), (96, 130)
LARGE = 2048, 2048
"""Of shipped models, in float32."""
TIMED = (96, 130)
TURNS = 2
KEPT = Path("runs/onnx_parity.jsonl")
BEGIN, END = "<!-- table of benchmarks/onnx_parity.py -->", "<!-- end of the table -->"


def main() -> None:
    """One row for each model or network and precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=shipped.names(), help="names or files; default: all that ship")
    parser.add_argument("--networks", nargs="*", default=denoisers.names(), help="names of denoisers; default: all")
    parser.add_argument("--keep", type=Path, default=KEPT, help="what is done")
    parser.add_argument("--page", type=Path, help="put the table into this page, between its marks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.keep.parent.mkdir(parents=True, exist_ok=True)
    lines = options.keep.read_text().splitlines() if options.keep.exists() else []
    known: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in map(json.loads, lines):
        known.setdefault((row["kind"], row["name"]), []).append(row)
    subjects = [("model", name) for name in options.models] + [("network", name) for name in options.networks]
    for kind, name in subjects:
        if (kind, name) not in known:
            known[kind, name] = list(measure(kind, name))
            with options.keep.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in known[kind, name])
            print("\n".join(table(known[kind, name])[2:]), flush=True)
    if options.page:
        begin, rest = options.page.read_text(encoding="utf-8").split(BEGIN)
        text = "\n".join(table([row for each in subjects for row in known[each]]))
        options.page.write_text(f"{begin}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def measure(kind: str, name: str) -> Iterator[dict[str, Any]]:
    """A row for each precision. That nothing can be exported is a row, too."""
    model = unnoise.load(name) if kind == "model" else _network(name)
    scheme = model.recipe.scheme if kind == "model" else None
    network = model.network.to("cpu").float().eval()
    row: dict[str, Any] = {"kind": kind, "name": name, "form": "network" if scheme is None else "whole"}
    try:
        graph = make_graph(network, scheme)
    except UsageError:
        row["form"], scheme = "network", None
        graph = make_graph(network, None)
    except UnnoiseError as error:
        yield row | {"refused": str(error)}
        return
    graphs: dict[str, Any] = {"float32": graph}
    for precision, make in (
        ("float16", lambda: in_float16(graph)),
        ("int8", lambda: in_int8(make_graph(network, scheme, folded=False), network)),
    ):
        if precision != "int8" or any(isinstance(layer, QuantizedConvolution) for layer in network.modules()):
            graphs[precision] = make()
    for precision, made in graphs.items():  # now, as torch exports nothing after tensors of inference
        yield row | {"precision": precision} | compare(model, made.SerializeToString(), scheme is None, precision, kind)


def compare(model: Model, graph: bytes, alone: bool, precision: str, kind: str) -> dict[str, Any]:
    """The differences at each size, or why there are none."""
    try:
        run = parity.session(graph, threads=1)
    except UnnoiseError as error:
        return {"refused": str(error)}
    reference = model.network if alone else model
    values, channels = model.network.value_range if alone else (0.0, 1.0), model.network.sizes.get("channels", 3)
    found: dict[str, Any] = {}
    for size in (*SIZES, LARGE) if kind == "model" and precision == "float32" else SIZES:
        try:
            contrast = parity.CONTRAST.get(precision, 1.0)
            (difference,) = parity.largest_difference(run, reference, channels, values, [size], contrast).values()
            found[f"{size[0]}×{size[1]}"] = f"{difference:.0e}"
        except Exception:  # as above: a graph of one size alone
            found[f"{size[0]}×{size[1]}"] = "fails"
    noisy = torch.rand(1, channels, *TIMED) * (values[1] - values[0]) + values[0]
    told: dict[str, Any] = {"megabytes": len(graph) / 1e6, "differences": found}
    if "fails" not in found.values():
        told["seconds"] = alternating([lambda: reference(noisy), lambda: run(noisy.numpy())])
    return told


def alternating(calls: list[Callable[[], object]]) -> list[float]:
    """The least processor time of each call in seconds, of several that take turns; the first turn warms up."""
    least = [float("inf")] * len(calls)
    with torch.inference_mode():
        for turn in range(TURNS + 1):
            for place, call in enumerate(calls):
                start = time.process_time()
                call()
                if turn:
                    least[place] = min(least[place], time.process_time() - start)
    return least


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The lines of a table in Markdown."""
    sizes = [f"{height}×{width}" for height, width in (*SIZES, LARGE)]
    heads = ["model or network", "in the graph", "precision", "MB", *sizes, "PyTorch s", "onnxruntime s", "ratio"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        name = f"`{row['name']}`" if row["kind"] == "model" else row["name"]
        if "refused" in row:
            cells = [name, row["refused"].replace("|", "∣"), row.get("precision", ""), *[""] * (len(heads) - 3)]
        else:
            times = ["", "", ""]
            if "seconds" in row:
                torch_seconds, onnx_seconds = row["seconds"]
                times = [f"{torch_seconds:.3f}", f"{onnx_seconds:.3f}", f"{onnx_seconds / torch_seconds:.2f}"]
            differences = [row["differences"].get(size, "") for size in sizes]
            cells = [name, row["form"], row["precision"], f"{row['megabytes']:.2f}", *differences, *times]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _network(name: str) -> Model:
    from small_denoisers import TINY

    torch.manual_seed(0)
    network = denoisers.create(name, **TINY[name])
    network.initialize_he()
    for parameter in network.parameters():
        if parameter.dim() == 1:  # biases and gains that are not 0, so that a part that is left out is noticed
            parameter.data += 0.05 * torch.randn(parameter.shape)
    return Model(network.eval(), recipes.load("amsnet-quick"), Card())


if __name__ == "__main__":
    main()
