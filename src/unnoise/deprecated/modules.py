"""Old module paths, such as `unnoise.light`: each still imports, with a warning, for one release."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

PACKAGE = "unnoise."

MOVED = {
    "ablations": "evaluation.ablations",
    "ablations.base": "evaluation.ablations.base",
    "ablations.denoiser": "evaluation.ablations.studies",
    "ablations.identity": "evaluation.ablations.studies",
    "ablations.loss": "evaluation.ablations.studies",
    "ablations.mask_ratio": "evaluation.ablations.studies",
    "ablations.partitions": "evaluation.ablations.studies",
    "ablations.report": "evaluation.ablations.report",
    "ablations.runner": "evaluation.ablations.runner",
    "ablations.small": "evaluation.ablations.small_networks",
    "ablations.smoothness": "evaluation.ablations.studies",
    "api": "models.one_call",
    "archives": "files.archive_checksums",
    "card": "models.card",
    "coding": "photometry.transfer_function",
    "cut": "photometry.clipping",
    "data": "evaluation.datasets",
    "data.base": "evaluation.datasets.base",
    "data.cc15": "evaluation.datasets.cc15",
    "data.folder": "evaluation.datasets.folder",
    "data.pairing": "evaluation.datasets.pairing",
    "data.pairs": "evaluation.datasets.pairs",
    "data.polyu": "evaluation.datasets.polyu",
    "data.sidd_val": "evaluation.datasets.sidd_val",
    "denoisers.rounded_student": "denoisers.quantized_student",
    "draws": "rng",
    "evaluation": "evaluation.scoring",
    "files": "files.atomic",
    "inference.apply": "inference.pipeline",
    "inference.blend_arrays": "inference.blending",
    "inference.clipping": "photometry.clipping",
    "inference.files": "batch.run",
    "inference.lit": "photometry.bias_correction_bands",
    "inference.manifest": "batch.manifest",
    "inference.moderate": "inference.sources",
    "inference.one_file": "batch.one_file",
    "inference.report": "quality.report",
    "inference.report_plot": "quality.plot",
    "inference.spread": "quality.uncertainty",
    "inference.steps": "photometry.integer_steps",
    "inference.stopping": "batch.interrupts",
    "inference.stream": "inference.sources",
    "inference.strength": "inference.blending",
    "kernels": "layers.triton",
    "kernels.convolution": "layers.triton.convolution",
    "kernels.depthwise": "layers.triton.depthwise",
    "kernels.few_outputs": "layers.triton.few_outputs",
    "kernels.finishing": "layers.triton.epilogue",
    "kernels.moved_sums": "layers.triton.shifted_sum",
    "kernels.norms": "layers.triton.norms",
    "kernels.passes": "layers.triton.elementwise",
    "layers.bytewise": "layers.quantized.byte_maps",
    "layers.doubling": "layers.upsample_convolution",
    "layers.dynamic_int8": "layers.quantized.dynamic",
    "layers.fused": "layers.fused_convolution",
    "layers.int8": "layers.quantized.int8",
    "layers.last": "layers.output_layer",
    "layers.narrowing": "layers.partial.shrinking_halo",
    "layers.padding": "layers.reflection_padding",
    "layers.parts": "layers.partial.halo_crop",
    "layers.prepared": "layers.weight_cache",
    "layers.reach": "layers.receptive_field",
    "layers.rectified": "layers.leaky_convolution",
    "layers.rounded": "layers.quantized.quantized_convolution",
    "layers.streaming": "layers.partial.line_buffer",
    "layers.strips": "layers.partial.row_chunks",
    "layers.sums": "layers.channel_mixing",
    "layers.turns": "layers.rotations",
    "leftovers": "files.temporary_names",
    "levels": "photometry.normalization",
    "light": "photometry.bias_correction",
    "masks": "schemes.masks",
    "metrics": "evaluation.metrics",
    "model": "models.model",
    "model_file": "models.file_format",
    "noise.blocking": "noise.jpeg_grid",
    "noise.camera": "simulation.camera",
    "noise.cameras": "simulation.cameras",
    "noise.color": "simulation.color",
    "noise.color_filter": "simulation.demosaic",
    "noise.filters": "simulation.filters",
    "noise.jpeg": "simulation.jpeg",
    "noise.judging": "quality.mc_sure",
    "noise.lags": "noise.autocovariance",
    "noise.leaves": "simulation.dead_leaves",
    "noise.level_fit": "noise.poisson_gaussian_fit",
    "noise.probe": "noise.residual_noise",
    "noise.report_plot": "noise.plot",
    "noise.sensor": "simulation.sensor",
    "noise.settings": "simulation.settings",
    "noise.smoothing": "layers.gaussian_blur",
    "noise.statistics": "noise.residual_autocorrelation",
    "noise.structure": "quality.residual_structure",
    "noise.weaves": "simulation.periodic_textures",
    "places": "files.paths",
    "polyphase": "layers.polyphase",
    "quantization": "training.quantize",
    "refinement": "schemes.r3",
    "schemes.simulation": "schemes.simulated_crops",
    "span": "photometry.rescaling",
    "training.adaptation": "training.adapt",
    "training.batches": "training.feeding",
    "training.checkpoint": "training.checkpoints",
    "training.compiling": "training.compile",
    "training.interruption": "batch.interrupts",
    "training.machine": "training.hardware",
    "training.mixed_pool": "training.simulated_pool",
    "training.pool": "training.image_pool",
    "views": "regions",
    "zoo": "models.shipped",
    "zoo.choice": "models.select",
    "zoo.published": "models.published",
}
"""Old path → new path, both without `unnoise.`."""

KEPT = {"zoo"}
"""Old paths that stay valid: they are promised names."""


def _is_there(path: str) -> bool:
    """Whether a package took the place of a module that moved, as `unnoise.files` did."""
    return Path(__file__).parents[1].joinpath(*path.split("."), "__init__.py").is_file()


class _MovedModule(Loader):
    """Gives the module at the new path in place of one at the old path."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.target)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing runs twice. The import system has put the old name into `__spec__`; the module gets its own back."""
        module.__spec__ = self.spec


class MovedModules(MetaPathFinder):
    """Finds modules by their old paths."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        old = fullname.removeprefix(PACKAGE)
        if not fullname.startswith(PACKAGE) or old not in MOVED or _is_there(old):
            return None
        new = PACKAGE + MOVED[old]
        if old not in KEPT:
            warnings.warn(f"{fullname} has moved to {new}; import it from there.", DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _MovedModule(new), is_package=True)


def install() -> None:
    """Make old paths importable, once.

    The finder comes first. Else a module in a package that moved would be found through that package, and run a second time.
    """
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModules())
