"""Graphs without weights, which ship beside the weights of the models: onnxruntime gets both.

They are made again, where a network or its export has changed, by: python -m unnoise.export.bare_graph
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from unnoise import denoisers
from unnoise.errors import UsageError
from unnoise.inference.byte_weights import to_json
from unnoise.inference.graph_weights import WEIGHT_PREFIX
from unnoise.models.stored_networks import GRAPHS, graph_name

if TYPE_CHECKING:
    from unnoise.models.model import Model

SOURCE = "weights"
"""What the graph names as the file of its weights; there is none."""


def bare_graph(model: Model, *, in_bytes: bool = False) -> tuple[str, bytes]:
    """The graph of a model without its weights, and the name of its file in `models.stored_networks.GRAPHS`.

    Args:
        model: any model.
        in_bytes: make it of bytes; `inference.byte_weights` makes its constants of the model's weights.

    Raises:
        UsageError: the scheme cannot be a graph, or the network has no quantization steps.
        UnnoiseError: torch cannot export the network.

    >>> from unnoise import recipes
    >>> from unnoise.models.model import fresh
    >>> small = fresh(recipes.load("ap-bsn", {"denoiser.features": 2, "denoiser.modules": 1}))
    >>> name, content = bare_graph(small)
    >>> name.startswith("dbsn-"), len(content) < 50_000
    (True, True)
    """
    from unnoise.export.byte_graph import planned
    from unnoise.export.graph import make_graph
    from unnoise.export.map_memory import bytes_per_pixel
    from unnoise.export.onnx_file import metadata

    network = model.network.to("cpu").float().eval()
    graph = make_graph(network, model.recipe.scheme, folded=not in_bytes)
    facts = metadata(model, network_only=False)
    facts |= {"bytes_per_pixel": f"{bytes_per_pixel(graph, int(facts['channels'])):.0f}", "weights": "none"}
    names = {WEIGHT_PREFIX + name for name in network.state_dict()}
    if in_bytes:
        graph, plan = planned(graph, network)
        facts["byte_weights"] = to_json(plan)
        names |= {f"{each.name}_{part}" for each in plan for part in ("bytes", "step")}
    for tensor in graph.graph.initializer:
        if tensor.name in names:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            del tensor.external_data[:]
            tensor.external_data.add(key="location", value=SOURCE)
    for key in (
        "format",
        "denoiser",
        "sizes",
        "channels",
        "value_range",
        "size_multiple",
        "halo",
        "bytes_per_pixel",
        "weights",
        *(["byte_weights"] if in_bytes else []),
    ):
        graph.metadata_props.add(key=key, value=facts[key])
    scheme = model.recipe.scheme.model_dump(mode="json")
    file = graph_name(denoisers.name_of(network), network.sizes, scheme, in_bytes=in_bytes)
    return file, graph.SerializeToString(deterministic=True)


def write_all(folder: Path = GRAPHS) -> list[str]:
    """Write the graphs of all shipped models that can be one. Returns a line on each model."""
    from unnoise.models import shipped

    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.onnx"):
        old.unlink()
    lines = []
    for name in shipped.names():
        for in_bytes in (False, True):
            try:
                file, content = bare_graph(shipped.load(name, "torch"), in_bytes=in_bytes)
            except UsageError as error:
                lines.append(f"{name}: {error}")
                continue
            (folder / file).write_bytes(content)
            lines.append(f"{name}: {file}, {len(content):,} bytes")
    return lines


if __name__ == "__main__":
    print("\n".join(write_all()))
