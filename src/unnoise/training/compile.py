"""`torch.compile` for training. It fuses the layers between convolutions, and takes about a minute at the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from unnoise.denoisers.base import Denoiser
from unnoise.errors import UnnoiseError


def compile_network(network: Denoiser) -> None:
    """Let `network` run compiled from now on. The first call compiles it, and so does the first call with another
    shape.

    Weights, names and methods of the network stay the same.
    """
    network.compile(dynamic=False)


@contextmanager
def compiler_errors() -> Iterator[None]:
    """Turn errors of `torch.compile` into one sentence.

    Raises:
        UnnoiseError: there is no C++ compiler or no Triton, or the network cannot be compiled.
    """
    # Imported late, because it takes a second.
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        yield
    except (TorchDynamoException, InvalidCxxCompiler) as error:
        reason = str(error).strip().splitlines()[0]
        raise UnnoiseError(
            f"torch.compile failed ({reason}); install a C++ compiler such as g++, or train without compiling."
        ) from error
