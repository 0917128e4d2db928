"""Not in the paper: what averaging one AMSNet-B's first estimate over several random partitions gains; the work grows as much."""

from __future__ import annotations

from unnoise.evaluation.ablations.base import Ablation, Variant
from unnoise.evaluation.ablations.small import version


def _variants(full: bool) -> list[Variant]:
    several = [Variant(str(count), version("amsnet-b", full, partitions=count), start="1") for count in (2, 4, 8, 16)]
    return [Variant("1", version("amsnet-b", full)), *several]


PARTITIONS = Ablation("Averaging over random partitions", "not in the paper", False, _variants, axis="partitions")
