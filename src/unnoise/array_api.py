"""The namespace of the Python array API standard for an array, without array-api-compat's loading of all of NumPy."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

NUMPY_FOLLOWS = np.lib.NumpyVersion(np.__version__) >= "2.1.0"
"""From 2.1 on NumPy has all of the standard that this library uses. Before, array-api-compat puts the rest around it; loading
that takes 0.1 s, as it copies each of NumPy's names, f2py and its tests among them."""

NUMBERS = {bool, int, float, complex, type(None)}
"""Types beside arrays that say nothing of a library."""


def array_namespace(*arrays: Any) -> Any:
    """The module of array functions for these arrays: NumPy itself, or what array-api-compat has for another library.

    Args:
        arrays: of one library; numbers beside them do not count.

    NumPy's own `argsort` is not stable, where the standard's is: ask for `stable=True`.

    Raises:
        TypeError: none is an array, or they are of several libraries.

    >>> array_namespace(np.zeros(2), 1.0).__name__
    'numpy'
    """
    kinds = {type(each) for each in arrays} - NUMBERS
    are_numpy = bool(kinds) and all(kind is np.ndarray or issubclass(kind, np.generic) for kind in kinds)
    return np if NUMPY_FOLLOWS and are_numpy else array_api_compat.array_namespace(*arrays)
