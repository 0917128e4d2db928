"""What tests run in processes of their own, which find it by this module's name."""

from __future__ import annotations

import torch

from unnoise.layers.quantized.quantized_convolution import QuantizedConvolution


def range_of_a_process(rank: int, folder: str) -> None:
    """One of two processes: what its own first batch and the other's make of a layer's range goes to `<rank>.pt`."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.manual_seed(0)
    layer = QuantizedConvolution(3, 8)
    torch.manual_seed(rank)
    layer(torch.rand(2, 3, 12, 16))
    torch.save(layer.scales(), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()
