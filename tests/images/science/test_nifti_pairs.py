"""NIfTI pairs (.hdr and .img), made and read by nibabel; results are single files."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from command_line import call
from images.science.samples import counts, nifti_of
from images.science.test_all_formats import redrawn
from unnoise import images
from unnoise.batch.run import plan
from unnoise.errors import UnnoiseError, UsageError
from unnoise.images.science import pairs

VALUES = counts(3, 20, 31, dtype="int16").T


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
@pytest.mark.parametrize("name", ["a.hdr", "a.img", "a.img.gz", "a.hdr.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pair_becomes_a_single_file(tmp_path: Path, kind: type, name: str, order: str) -> None:
    source = tmp_path / ("a.img.gz" if name.endswith(".gz") else "a.img")
    nibabel.save(pair_of(kind, order), source)
    made = nibabel.load(source)
    target = tmp_path / "b.nii"
    redrawn(tmp_path / name, target, lambda pixels: pixels // 2)
    found = nibabel.load(target)
    np.testing.assert_array_equal(np.asarray(found.dataobj), VALUES // 2)
    assert type(found) is (nibabel.Nifti1Image if kind is nibabel.Nifti1Pair else nibabel.Nifti2Image)
    np.testing.assert_array_equal(found.affine, made.affine)
    old, new = made.header, found.header
    assert new.endianness == order
    for key in set(old) - {"magic", "vox_offset"}:
        np.testing.assert_array_equal(new[key], old[key])
    words = [extension.get_content() for extension in new.extensions]
    assert words[0] == b"words of the scanner"
    assert words[-1].startswith(b"Denoised by unnoise")


def pair_of(kind: type, order: str = "<") -> nibabel.Nifti1Pair:
    affine = np.array([[0, -0.9, 0, 20], [0.8, 0, 0, -30], [0, 0, 3.3, 5], [0, 0, 0, 1]])
    header = kind.header_class(endianness=order)
    header.set_data_dtype(np.int16)
    made = kind(VALUES, affine, header)
    made.header["descrip"] = b"scanner 7"
    made.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"words of the scanner"))
    return made


def test_a_folder_with_a_pair_and_a_single_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    nibabel.save(pair_of(nibabel.Nifti1Pair), tmp_path / "a.img")
    nifti_of(VALUES)(tmp_path / "a.nii")
    arguments = ("denoise", tmp_path, "-o", tmp_path / "out", "--model", "fast", "--strength", "0")
    answer = call(monkeypatch, capfd, *arguments)
    assert answer.status == 0, answer.err
    assert {path.name for path in (tmp_path / "out").glob("*.nii")} == {"a.nii", "a.hdr.nii"}
    for name in ("a.nii", "a.hdr.nii"):
        np.testing.assert_array_equal(np.asarray(nibabel.load(tmp_path / "out" / name).dataobj), VALUES)


def test_a_change_of_either_file_is_seen(tmp_path: Path) -> None:
    nibabel.save(pair_of(nibabel.Nifti1Pair), tmp_path / "a.img")
    header, values = tmp_path / "a.hdr", tmp_path / "a.img"
    before = pairs.stamps(header)
    assert before is not None
    assert sorted(before) == sorted(pairs.stamps(values) or [])
    os.utime(values, ns=(1, 1))
    assert pairs.stamps(header) != before
    assert [job.target.name for job in plan([values], None).jobs] == ["a_denoised.nii"]


def test_what_cannot_be_told_or_written_is_one_sentence(tmp_path: Path) -> None:
    nibabel.save(pair_of(nibabel.Nifti1Pair), tmp_path / "a.img")
    with pytest.raises(UsageError, match=r"b\.hdr\.gz would be one half of a NIfTI pair|suffix \.gz"):
        redrawn(tmp_path / "a.hdr", tmp_path / "b.hdr.gz")
    with pytest.raises(UsageError, match=r"b\.hdr"):
        redrawn(tmp_path / "a.hdr", tmp_path / "b.hdr")
    content = (tmp_path / "a.img").read_bytes()
    (tmp_path / "a.img").write_bytes(content[:-1])
    with pytest.raises(UnnoiseError, match=r"a\.img cannot be decoded \(it ends before its last value"):
        images.open(tmp_path / "a.hdr")
    nibabel.save(nibabel.AnalyzeImage(VALUES, np.eye(4)), tmp_path / "old.img")
    for name in ("old.img", "old.hdr"):
        with pytest.raises(UsageError, match=r"old\.hdr is of Analyze 7\.5"):
            images.open(tmp_path / name)
    (tmp_path / "other.img").write_bytes(bytes(4000))
    with pytest.raises(UsageError, match=r"other\.img has the suffix \.img"):
        images.open(tmp_path / "other.img")
