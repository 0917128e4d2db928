"""Writing a model as an ONNX file that any program with onnxruntime can run, and checking that it gives the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unnoise import denoisers
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.atomic import atomic_write
from unnoise.inference.halo import bounded_radius, tile_halo
from unnoise.recipes.applied import AppliedRecipe
from unnoise.registry import require

if TYPE_CHECKING:
    from unnoise.models.model import Model

FORMAT = "unnoise onnx 1"
OnnxPrecision = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Exported:
    """What was written, and how near it is to torch.

    >>> Exported(Path("m.onnx"), 18, "1.32.0", {(1, 1): 2e-7, (2, 3): 4e-7}, ()).difference
    4e-07
    """

    path: Path
    opset: int
    """Version of ONNX's operators."""
    runtime: str
    """Version of onnxruntime that ran the check."""
    differences: dict[tuple[int, int], float]
    """Height and width in pixels → largest difference from torch, as a share of the range from black to white."""
    left_out: tuple[str, ...]
    """What `unnoise denoise` does besides, and the file does not."""

    @property
    def difference(self) -> float:
        """The largest of all differences."""
        return max(self.differences.values())


def export(model: Model, path: str | Path, *, network_only: bool = False, precision: OnnxPrecision = "float32") -> Exported:
    """Write a model as an ONNX file, for pictures of any size, after a check against torch.

    The graph takes `noisy`, (1, C, H, W) float32 in 0..1, and gives `restored`, the same. The network, its scheme, its
    padding and its value range are in the graph. The metadata tell the rest; see `docs/onnx.md`.

    Args:
        model: any model.
        path: the file, which appears only when it is complete and checked.
        network_only: leave the scheme out: input and output are in the network's own value range.
        precision: of weights and arithmetic; input and output are float32 in any case. int8: see `export.byte_graph`.

    Raises:
        UsageError: the scheme cannot be exported, or the network has no int8 form.
        UnnoiseError: a library is missing, torch cannot export the network, or the file would give something else.

    >>> import tempfile
    >>> from unnoise import recipes
    >>> from unnoise.models.model import fresh
    >>> small = {"denoiser.features": 2, "denoiser.modules": 1, "scheme.infer_stride": 1}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = export(fresh(recipes.load("ap-bsn", small)), Path(folder) / "small.onnx")
    >>> written.difference < 1e-4
    True
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise UsageError(f"An ONNX file cannot be written as '{path.name}'; give a name that ends in .onnx.")
    for library in ("onnx", "onnxscript", "onnxruntime"):
        require(library, "Export")
    from unnoise.export.byte_graph import in_int8
    from unnoise.export.graph import in_float16, make_graph
    from unnoise.export.map_memory import bytes_per_pixel
    from unnoise.export.padding import OPSET
    from unnoise.export.parity import CONTRAST, TOLERANCE, largest_difference, session

    network = model.network.to("cpu").float().eval()
    graph = make_graph(network, None if network_only else model.recipe.scheme, folded=precision != "int8")
    memory = {"bytes_per_pixel": f"{bytes_per_pixel(graph, network.sizes.get('channels', 3)):.0f}"}
    if precision == "float16":
        graph = in_float16(graph)
    elif precision == "int8":
        graph = in_int8(graph, network)
    for key, value in (metadata(model, network_only=network_only) | {"precision": precision} | memory).items():
        graph.metadata_props.add(key=key, value=value)
    content = graph.SerializeToString()
    values = network.value_range if network_only else (0.0, 1.0)
    reference, channels = network if network_only else model, network.sizes.get("channels", 3)
    found = largest_difference(session(content), reference, channels, values, contrast=CONTRAST.get(precision, 1.0))
    worst = max(found, key=lambda size: found[size])
    if not found[worst] <= TOLERANCE[precision]:  # NaN too
        raise UnnoiseError(
            f"The exported network differs from PyTorch's by {found[worst]:.1e} of the range at {worst[0]}×{worst[1]} pixels, "
            f"more than {TOLERANCE[precision]:.0e}; nothing was written."
        )
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    runtime: Any = require("onnxruntime", "Export")
    return Exported(path, OPSET, runtime.__version__, found, left_out(model, network_only=network_only))


def metadata(model: Model, *, network_only: bool) -> dict[str, str]:
    """What the file tells beside its graph, all as text; `docs/onnx.md` describes each key.

    >>> from unnoise import recipes
    >>> from unnoise.models.model import fresh
    >>> small = fresh(recipes.load("ap-bsn", {"denoiser.features": 2, "denoiser.modules": 1}))
    >>> told = metadata(small, network_only=False)
    >>> told["size_multiple"], told["halo"]
    ('2', '10')
    """
    network, scheme = model.network, model.recipe.scheme
    bounded = bounded_radius(network)
    alone = "" if bounded is None else str(bounded)
    halo = tile_halo(network, scheme, refined=False) if bounded is not None and scheme.is_local else None
    step = network.size_multiple if network_only else network.size_multiple * scheme.tile_alignment
    return {
        "format": FORMAT,
        "name": model.recipe.name,
        "denoiser": denoisers.name_of(network),
        "scheme": "" if network_only else str(scheme.model_dump().get("name", "")),
        "description": model.card.description,
        "licence": model.card.licence,
        "card": model.card.model_dump_json(),
        "recipe": AppliedRecipe.model_validate_json(model.recipe.model_dump_json()).model_dump_json(),
        "sizes": json.dumps(network.sizes),
        "channels": str(network.sizes.get("channels", 3)),
        "value_range": json.dumps(list(network.value_range) if network_only else [0.0, 1.0]),
        "size_multiple": str(step),
        "halo": alone if network_only else "" if halo is None else str(halo),
    }


def left_out(model: Model, *, network_only: bool) -> tuple[str, ...]:
    """What `unnoise denoise` does besides, by the model's recipe.

    >>> from unnoise import recipes
    >>> from unnoise.models.model import fresh
    >>> left_out(fresh(recipes.load("ap-bsn", {"denoiser.features": 2})), network_only=False)
    ('the refinement R³',)
    """
    recipe = model.recipe
    parts = {
        f"the scheme {recipe.scheme.model_dump().get('name', '')}": network_only,
        "the refinement R³": recipe.refinement is not None,
        "the self-ensemble": recipe.ensemble,
        "the range of measurements": recipe.normalization is not None,
        "the correction of the mean brightness": recipe.bias_correction is not None,
        "the return of detail": bool(recipe.detail),
        "the second pass at half the size": bool(recipe.half_size),
        "the bound by the measured noise": recipe.bounded,
    }
    return tuple(name for name, missing in parts.items() if missing)
