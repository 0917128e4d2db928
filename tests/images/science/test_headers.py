"""Headers of FITS, MRC and NIfTI: all stays, one line of history comes, and what is no picture is refused by name."""

from __future__ import annotations

import struct
import tracemalloc
import warnings
from pathlib import Path

import mrcfile
import nibabel
import numpy as np
import pytest
from astropy.io import fits

from images.science.samples import counts, fits_of, make, mrc_of, nifti_of, packed
from images.science.test_all_formats import redrawn
from unnoise import images
from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.images.formats import suffix_of


@pytest.mark.parametrize("name", ["cube.fits", "units.fits", "bytes.fit", "tiles.fits"])
def test_every_card_of_fits_stays(tmp_path: Path, name: str) -> None:
    source = make(tmp_path, name)
    redrawn(source, tmp_path / "out.fits")
    with fits.open(source) as before, fits.open(tmp_path / "out.fits") as after:
        assert len(before) == len(after)
        for old, new in zip(before, after, strict=True):
            sums = {"CHECKSUM", "DATASUM"}
            kept = [card.image for card in old.header.cards if card.keyword not in sums]
            found = [card.image for card in new.header.cards if card.keyword not in sums]
            if old.is_image and old.header["NAXIS"] > 1:
                added = [card for card in found if card.startswith("HISTORY Denoised by unnoise")]
                assert len(added) == 1
                found.remove(added[0])
            assert found == kept
            assert sums <= set(new.header) or not sums <= set(old.header)
            if not old.is_image:
                np.testing.assert_array_equal(old.data, new.data)


def test_of_a_fits_file_without_a_mark_of_its_end_nothing_is_lost(tmp_path: Path) -> None:
    source = fits_of(fits.PrimaryHDU(counts(5, 7, dtype="int16")))(tmp_path / "a.fits")
    plain = source.read_bytes()[: 2880 + 70]  # without the last block's padding
    source.write_bytes(plain)
    redrawn(source, tmp_path / "b.fits")
    assert (tmp_path / "b.fits").stat().st_size == 2 * 2880
    np.testing.assert_array_equal(fits.getdata(tmp_path / "b.fits"), counts(5, 7, dtype="int16"))


def test_a_blank_of_fits_is_missing(tmp_path: Path) -> None:
    source = make(tmp_path, "units.fits")
    with images.open(source) as opened:
        pixels = opened[3].picture().pixels
    with fits.open(source, do_not_scale_image_data=True) as file:
        assert (file["RAW"].header["BSCALE"], file["RAW"].header["BZERO"]) == (0.25, -7.5)
        stored = file["RAW"].data[1].astype(float)
    assert (stored == 130).any()
    np.testing.assert_array_equal(pixels, np.where(stored == 130, np.nan, stored * 0.25 - 7.5))


@pytest.mark.parametrize("name", ["words.mrc", "volumes.mrc", "swapped.mrc", "packed.mrc.gz"])
def test_the_header_of_mrc_stays(tmp_path: Path, name: str) -> None:
    source = make(tmp_path, name)
    target = tmp_path / f"out{suffix_of(name)}"
    redrawn(source, target, lambda pixels: pixels * 2)
    with mrcfile.open(source) as old, mrcfile.open(target) as new:
        changed = {field for field in old.header.dtype.names if old.header[field].tobytes() != new.header[field].tobytes()}
        assert changed == {"nlabl", "label", "dmin", "dmax", "dmean", "rms"}
        assert new.voxel_size.tolist() == old.voxel_size.tolist()
        assert new.voxel_size.tolist()[:2] == pytest.approx((1.34, 1.34))
        labels = new.get_labels()
        assert labels[:-1] == old.get_labels()
        assert labels[-1].startswith("Denoised by unnoise")
        assert new.extended_header.tobytes() == old.extended_header.tobytes()
        values = new.data.astype(np.float64)
        expected = values.min(), values.max(), values.mean(), values.std()
        np.testing.assert_allclose([float(new.header[key]) for key in ("dmin", "dmax", "dmean", "rms")], expected, rtol=1e-5)


def test_an_mrc_without_room_for_a_label_keeps_its_own(tmp_path: Path) -> None:
    source = mrc_of(counts(8, 9, dtype="float32"))(tmp_path / "a.mrc")
    with mrcfile.open(source, "r+") as file:
        for number in range(8):
            file.add_label(f"step {number}")
        labels = file.get_labels()
    with pytest.warns(UnnoiseWarning, match=r"^All labels of .*a\.mrc are in use, so none says that it was denoised\.$"):
        redrawn(source, tmp_path / "b.mrc")
    with mrcfile.open(tmp_path / "b.mrc") as file:
        assert file.get_labels() == labels


def test_bytes_of_imod_count_from_0(tmp_path: Path) -> None:
    source = mrc_of(counts(8, 9, dtype="int8", most=127) * 2)(tmp_path / "a.mrc")
    content = bytearray(source.read_bytes())
    content[152:160] = struct.pack("<ii", 1146047817, 0)
    source.write_bytes(content)
    with images.open(source) as opened:
        assert opened[0].dtype == np.uint8
        assert opened[0].picture().pixels.max() > 127


@pytest.mark.parametrize("name", ["scaled.nii", "times.nii.gz", "second.nii"])
def test_the_header_of_nifti_stays(tmp_path: Path, name: str) -> None:
    source = make(tmp_path, name)
    target = tmp_path / f"out{suffix_of(name)}"
    redrawn(source, target)
    old, new = nibabel.load(source), nibabel.load(target)
    kind = nibabel.Nifti2Header if name == "second.nii" else nibabel.Nifti1Header
    before, after = kind.from_fileobj(opened(source)), kind.from_fileobj(opened(target))
    fields = before.structarr.dtype.names
    assert {key for key in fields if before[key].tobytes() != after[key].tobytes()} == {"vox_offset"}
    np.testing.assert_array_equal(old.affine, new.affine)
    texts = [extension.get_content() for extension in new.header.extensions]
    assert [str(text).strip("\0") for text in texts][:-1] == [str(e.get_content()).strip("\0") for e in old.header.extensions]
    assert "Denoised by unnoise" in str(texts[-1])


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_first_extension_of_nifti_is_announced(tmp_path: Path, kind: type) -> None:
    nibabel.save(kind(counts(4, 5, dtype="int16"), np.eye(4)), tmp_path / "a.nii")
    redrawn(tmp_path / "a.nii", tmp_path / "b.nii")
    after = nibabel.load(tmp_path / "b.nii")
    assert [extension.get_code() for extension in after.header.extensions] == [6]
    np.testing.assert_array_equal(np.asarray(after.dataobj), counts(4, 5, dtype="int16"))


def opened(path: Path):  # type: ignore[no-untyped-def]
    return nibabel.openers.Opener(str(path))


def test_what_is_no_picture_is_refused_by_name(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=np.arange(5))])
    fits_of(table)(tmp_path / "table.fits")
    for mode, kind in ((3, "complex integers"), (4, "complex numbers"), (101, "integers of 4 bits")):
        content = bytearray(mrc_of(counts(8, 9, dtype="float32"))(tmp_path / f"{mode}.mrc").read_bytes())
        content[12:16] = struct.pack("<i", mode)
        (tmp_path / f"{mode}.mrc").write_bytes(content)
        with pytest.raises(UsageError, match=rf"{mode}\.mrc has {kind} \(mode {mode}\)"):
            images.open(tmp_path / f"{mode}.mrc")
    with pytest.raises(UsageError, match=r"table\.fits has no image in it"):
        images.open(tmp_path / "table.fits")
    groups = fits.GroupData(np.zeros((3, 1, 8, 9), np.float32), parnames=["u"], pardata=[np.arange(3.0)], bitpix=-32)
    fits.GroupsHDU(groups).writeto(tmp_path / "groups.fits")
    with pytest.raises(UsageError, match=r"groups\.fits holds random groups"):
        images.open(tmp_path / "groups.fits")
    nibabel.save(nibabel.Nifti1Pair(np.zeros((4, 5), np.int16), np.eye(4)), tmp_path / "pair.hdr")
    (tmp_path / "pair.img").unlink()
    with pytest.raises(UsageError, match=r"pair\.hdr is the header of a NIfTI pair, whose values are missing"):
        images.open(tmp_path / "pair.hdr")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.complex64), np.eye(4)), tmp_path / "waves.nii")
    with pytest.raises(UsageError, match=r"waves\.nii has values of type complex64"):
        images.open(tmp_path / "waves.nii")


def test_equal_files_are_packed_to_equal_bytes(tmp_path: Path) -> None:
    source = make(tmp_path, "packed.mrc.gz")
    redrawn(source, tmp_path / "b.mrc.gz")
    redrawn(source, tmp_path / "c.mrc.gz")
    assert (tmp_path / "b.mrc.gz").read_bytes() == (tmp_path / "c.mrc.gz").read_bytes()


@pytest.mark.parametrize("name", ["a.fits", "a.mrc", "a.nii", "a.mrc.gz"])
def test_a_cube_is_never_in_memory(tmp_path: Path, name: str) -> None:
    cube = np.zeros((40, 1000, 1000), np.int16)  # 80 MB
    cube[:, ::7] = 100
    pure = {".fits": fits_of(fits.PrimaryHDU(cube)), ".mrc": mrc_of(cube), ".nii": nifti_of(cube.T)}
    maker = packed(pure[".mrc"]) if name.endswith(".gz") else pure[suffix_of(name)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = maker(tmp_path / name)
    tracemalloc.start()
    with images.open(source) as opened, images.create(tmp_path / f"b{suffix_of(name)}", opened) as made:
        for frame in opened:
            canvas = made.add(frame)
            for top in range(0, 1000, 250):
                canvas[top : top + 250] = frame.region(slice(top, top + 250), slice(None))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6


@pytest.mark.parametrize("swapped", [False, True])
def test_a_header_of_mrc_that_states_two_gigabytes_takes_none(tmp_path: Path, swapped: bool) -> None:
    """mrcfile would take them before it looks at the size of the file."""
    path = mrc_of(counts(8, 9, dtype="float32"), swapped=swapped)(tmp_path / "a.mrc")
    content = bytearray(path.read_bytes())
    content[92:96] = struct.pack(">i" if swapped else "<i", 2**31 - 1)
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(UnnoiseError, match=r"a\.mrc"):
            images.open(path)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


def test_an_extended_header_of_mrc_is_passed_over(tmp_path: Path) -> None:
    pixels = counts(8, 9, dtype="float32")
    path = mrc_of(pixels)(tmp_path / "a.mrc")
    with mrcfile.open(path, "r+") as file:
        file.set_extended_header(np.arange(30, dtype=np.float32))
    np.testing.assert_array_equal(images.read(path).pixels, pixels)
