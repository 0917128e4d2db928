"""`torch.compile` for training: layers between convolutions become one pass, for a minute of compiling at the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from unnoise.denoisers.base import Denoiser
from unnoise.errors import UnnoiseError


def compile_network(network: Denoiser) -> None:
    """From now on, calling `network` runs it compiled; its first call compiles, as does the first one of another shape.

    The network stays what it is: weights, names and methods are its own.
    """
    network.compile(dynamic=False)


@contextmanager
def compiler_errors() -> Iterator[None]:
    """Turn what `torch.compile` cannot do into one sentence.

    Raises:
        UnnoiseError: no C++ compiler, no Triton, or a network that cannot be compiled.
    """
    # Their import takes a second and is only needed where something was compiled.
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        yield
    except (TorchDynamoException, InvalidCxxCompiler) as error:
        reason = str(error).strip().splitlines()[0]
        raise UnnoiseError(
            f"torch.compile failed ({reason}); install a C++ compiler such as g++, or train without compiling."
        ) from error
