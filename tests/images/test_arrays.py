"""Arrays and tensors to network input and back: nothing is lost or shared, and invalid input is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.errors import UnnoiseError, UsageError
from unnoise.images import to_tensor

DTYPES = ["uint8", "uint16", "float16", "float32", "float64"]

sides = st.integers(1, 7)


def values(dtype: str) -> st.SearchStrategy[Any] | None:
    if dtype.startswith("uint"):
        return None  # any
    # float64 passes through float32, so only values of that precision come back exactly
    return st.floats(-0.5, 1.5, width=min(int(dtype[5:]), 32))


@st.composite
def images(draw: st.DrawFn) -> np.ndarray:
    """(H, W) or (H, W, C) in any type, byte order and memory layout."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.tuples(sides, sides) | st.tuples(sides, sides, st.integers(1, 4)))
    order = draw(st.sampled_from("=<>"))
    image = draw(arrays.arrays(dtype, shape, elements=values(dtype))).astype(np.dtype(dtype).newbyteorder(order))
    layout = draw(st.sampled_from(["plain", "flipped", "fortran", "read-only"]))
    if layout == "flipped":
        return image[::-1, ::-1]
    if layout == "fortran":
        return np.asfortranarray(image)
    image.flags.writeable = layout != "read-only"
    return image


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """(H, W), (C, H, W) or (B, C, H, W) in any type."""
    dtype = draw(st.sampled_from(DTYPES))
    channels = st.integers(1, 4)
    shape = draw(
        st.tuples(sides, sides) | st.tuples(channels, sides, sides) | st.tuples(st.integers(1, 3), channels, sides, sides)
    )
    return torch.from_numpy(draw(arrays.arrays(dtype, shape, elements=values(dtype))))


@given(images())
def test_arrays_come_back_exactly(image: np.ndarray) -> None:
    tensor, form = to_tensor(image)
    restored = form.restore(tensor)
    assert type(restored) is np.ndarray
    assert restored.dtype == image.dtype
    assert restored.flags.c_contiguous
    np.testing.assert_array_equal(restored, image, strict=True)


@given(tensors())
def test_tensors_come_back_exactly(image: torch.Tensor) -> None:
    tensor, form = to_tensor(image)
    restored = form.restore(tensor)
    assert isinstance(restored, torch.Tensor)
    assert (restored.dtype, restored.shape, restored.device) == (image.dtype, image.shape, image.device)
    np.testing.assert_array_equal(restored.numpy(), image.numpy(), strict=True)


@given(images())
def test_the_tensor_holds_the_colours_in_0_to_1(image: np.ndarray) -> None:
    tensor, _ = to_tensor(image)
    planes = image.reshape(*image.shape[:2], -1)
    planes = planes[..., : {1: 1, 2: 1, 3: 3, 4: 3}[planes.shape[2]]].astype(np.float64)  # (H, W, C) without alpha
    if image.dtype.kind == "u":
        planes = planes / np.iinfo(image.dtype).max
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    np.testing.assert_allclose(tensor.numpy(), np.moveaxis(planes, -1, 0)[None], rtol=1e-6, strict=False)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_integer_survives(dtype: str) -> None:
    every = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 256)
    tensor, form = to_tensor(every)
    np.testing.assert_array_equal(form.restore(tensor), every)


def test_float64_is_kept_to_the_precision_of_float32() -> None:
    image = np.random.default_rng(0).random((5, 6, 3))
    tensor, form = to_tensor(image)
    restored = form.restore(tensor)
    assert restored.dtype == np.float64
    np.testing.assert_allclose(restored, image, atol=2**-25, rtol=0)


@given(st.floats(-3, 3, width=32), st.sampled_from(["uint8", "uint16"]))
def test_results_are_rounded_to_the_nearest_and_clipped(value: float, dtype: str) -> None:
    white = np.iinfo(dtype).max
    _, form = to_tensor(np.zeros((1, 1), dtype))
    restored = int(form.restore(torch.full((1, 1, 1, 1), value))[0, 0])
    wanted = min(max(value, 0), 1) * white
    assert abs(restored - wanted) <= 0.5 + white * 2**-23


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_beyond_0_to_1_are_not_clipped(dtype: str) -> None:
    image = np.array([[-0.25, 1.25]], dtype)
    tensor, form = to_tensor(image)
    np.testing.assert_array_equal(tensor.numpy()[0, 0], image)
    np.testing.assert_array_equal(form.restore(tensor * 2), image * 2)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_alpha_is_left_out_and_put_back_bit_by_bit(dtype: str, channels: int) -> None:
    rng = np.random.default_rng(0)
    image = (rng.random((5, 6, channels)) * (200 if dtype.startswith("u") else 1)).astype(dtype)
    if not dtype.startswith("u"):
        image[0, 0, -1] = np.nan  # alpha is nobody's business, not even this
    for given_image, axis in ((image, -1), (torch.from_numpy(np.moveaxis(image, -1, 0).copy()), 0)):
        tensor, form = to_tensor(given_image)
        assert tensor.shape == (1, channels - 1, 5, 6)
        restored = np.moveaxis(np.asarray(form.restore(1 - tensor)), axis, -1)
        assert restored[..., -1].tobytes() == np.ascontiguousarray(image[..., -1]).tobytes()
        assert not np.array_equal(restored[..., :-1], image[..., :-1])


@pytest.mark.parametrize("image", [np.full((3, 4), 0.5, np.float32), torch.full((1, 3, 4), 0.5, requires_grad=True)])
def test_no_memory_and_no_gradient_is_shared(image: Any) -> None:
    tensor, _ = to_tensor(image)
    assert not tensor.requires_grad
    tensor.zero_()
    assert (image == 0.5).all()


@pytest.mark.parametrize("image", [np.full((2, 2, 2), 7, np.uint8), torch.full((2, 2, 2), 7, dtype=torch.uint8)])
def test_alpha_is_a_copy(image: Any) -> None:
    tensor, form = to_tensor(image)
    image[:] = 9
    assert (form.restore(tensor) == 7).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_results_may_come_in_any_precision(dtype: torch.dtype) -> None:
    image = np.array([[0, 128, 255]], np.uint8)
    tensor, form = to_tensor(image)
    restored = form.restore(tensor.to(dtype))
    assert restored.dtype == np.uint8
    assert np.abs(restored.astype(int) - image).max() <= 1


@pytest.mark.parametrize(
    ("image", "fragments"),
    [
        (np.zeros((2, 3, 4, 3), np.uint8), ["(2, 3, 4, 3)", "(H, W, C)"]),
        (np.zeros((3, 8, 9), np.uint8), ["(3, 8, 9)", "np.moveaxis(image, 0, -1)"]),
        (np.zeros((6, 8, 9), np.uint8), ["(6, 8, 9)", "1 to 4 channels"]),
        (np.zeros(5, np.uint8), ["(5,)"]),
        (np.zeros((0, 5), np.uint8), ["(0, 5)", "no pixels"]),
        (np.zeros((4, 5), bool), ["bool", "uint16"]),
        (np.zeros((4, 5), np.int32), ["int32", "uint16"]),
        (np.zeros((4, 5), np.complex64), ["complex64"]),
        (np.zeros((4, 5), object), ["object"]),
        (torch.zeros(8, 9, 3), ["(8, 9, 3)", "movedim(-1, -3)"]),
        (torch.zeros(2, 6, 8, 9), ["(2, 6, 8, 9)", "(B, C, H, W)"]),
        (torch.zeros(1, 1, 3, 8, 9), ["(1, 1, 3, 8, 9)"]),
        (torch.zeros(3, 0, 5), ["(3, 0, 5)", "no pixels"]),
        (torch.zeros(3, 4, 5, dtype=torch.int32), ["torch.int32", "uint16"]),
        (torch.zeros(3, 4, 5, dtype=torch.bool), ["torch.bool"]),
        (torch.zeros(3, 4, 5, dtype=torch.bfloat16), ["torch.bfloat16", "float16, 32 or 64"]),
        (torch.zeros(4, 5).to_sparse(), ["sparse", "dense"]),
        (torch.zeros(4, 5, device="meta"), ["meta"]),
        (np.ma.masked_greater(np.array([[0.2, 0.9]]), 0.5), ["masked values", "filled"]),
        ([[0.0, 1.0]], ["list", "np.asarray"]),
        (np.array([[0.5, np.nan, np.inf]]), ["2 values that are NaN or infinite", "TIFF or .npy"]),
        (torch.tensor([[0.5, -torch.inf]]), ["1 value that is NaN or infinite"]),
        (np.array([[0, 255.0]]), ["from 0 to 255", "0..1", "white level"]),
        (np.array([[-1, 1]], np.float16), ["from -1 to 1"]),
        (np.array([[0, 1e300]]), ["1e+300"]),
    ],
)
def test_what_is_no_image_is_refused_in_one_sentence(image: Any, fragments: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        to_tensor(image, name="cat.tif")
    message = str(caught.value)
    assert message.startswith("cat.tif ")
    assert message.endswith(".")
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


def test_results_of_another_shape_are_refused() -> None:
    _, form = to_tensor(np.zeros((5, 6, 4), np.uint8))
    with pytest.raises(UsageError, match=r"\(1, 3, 5, 6\).*\(1, 3, 6, 5\)"):
        form.restore(torch.zeros(1, 3, 6, 5))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_results_that_are_not_finite_are_refused(value: float, dtype: str) -> None:
    _, form = to_tensor(np.zeros((1, 2), dtype))
    with pytest.raises(UnnoiseError, match="NaN or infinite"):
        form.restore(torch.tensor([[[[0.0, value]]]]))


def test_importing_brings_in_neither_torch_nor_pyvips() -> None:
    code = "import sys, unnoise.images; print(sorted({'torch', 'pyvips', 'tifffile'} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
