"""Writing picture files atomically. No other file is replaced unless the caller asks for it."""

from __future__ import annotations

import contextlib
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.errors import UnnoiseError, UnnoiseWarning, UsageError
from unnoise.files.atomic import atomic_write, preallocate
from unnoise.files.paths import path_kind, refuse_device
from unnoise.images import (
    alpha,
    dng,
    dng_writing,
    embedding,
    jpeg,
    measured_values,
    picture_formats,
    science,
    tiff_writing,
    vips,
    zarr_stacks,
)
from unnoise.images.arrays_on_disk import ArrayFrame, Axes
from unnoise.images.formats import DNG, GIF, JPEG, MICROSCOPES, NPY, RAW, TIFF, ZARR, Format, format_of, is_zarr
from unnoise.images.holding import check_holds, lost_by
from unnoise.images.opening import Source
from unnoise.images.picture import Described, Metadata, Picture, Pixels
from unnoise.images.pixels import check_array, depth_for, to_depth
from unnoise.images.scratch import Scratch, Window


def write(
    path: str | Path,
    picture: Picture,
    *,
    overwrite: bool = False,
    quality: int | None = None,
    lossless: bool | None = None,
) -> None:
    """Write a picture in the format of the path's suffix, with all metadata that the format holds.

    The bit depth stays where the format can hold it. Otherwise values are rounded to the nearest: 16 bits to 8 in JPEG
    and WebP, to 12 in AVIF and to 10 in HEIC; floats (clipped to 0..1) likewise, and to 16 bits in PNG. PNG, TIFF, WebP
    and .npy lose nothing else; JPEG, AVIF and HEIC are written at quality 95 with full chroma. A picture that was read
    from the same lossy format gets about the quality and the chroma that it had. WebP holds no grey: read again, a grey
    picture has three equal channels.

    Args:
        path: its suffix names the format.
        picture: what to write.
        overwrite: whether it may replace a file.
        quality: 1 … 100, of JPEG, WebP, AVIF and HEIC; other formats lose nothing.
        lossless: whether WebP, AVIF and HEIC lose nothing either.

    The file appears under its name only when it is complete and on the disk. It is written beside, as a hidden file, and
    renamed.

    Raises:
        UsageError: the suffix is unknown, `quality` is not in 1..100, or `lossless` is given for a JPEG or beside
            `quality`. Also: the folder is missing, the file exists without `overwrite`, the format holds no alpha, or
            the pixels are no image.
        UnnoiseError: the picture cannot be encoded or written, for instance onto a full disk. Nothing is left behind.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/a.png", Picture(np.zeros((4, 5, 3), np.uint8)))
    ...     Path(f"{folder}/a.png").is_file()
    True
    """
    check_array(picture.pixels, str(path), any_channels=picture.stated is not None)
    with create(path, overwrite=overwrite, quality=quality, lossless=lossless) as target:
        target.add(picture)[...] = picture.pixels


class Canvas:
    """The pixels of a picture file that is being made: `canvas[rows] = strip`, `canvas[rows, columns] = tile`.

    Values have the type of the picture that the canvas was made for. They are converted to a type that the file can hold.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, create(f"{folder}/a.npy") as target:
    ...     canvas = target.add(Picture(np.zeros((4, 5), np.uint8)))
    ...     canvas[0:4] = np.ones((4, 5), np.uint8)
    """

    def __init__(
        self,
        pixels: Scratch | ArrayFrame,
        depths: tuple[str, ...],
        name: str,
        *,
        divided: bool,
        source: measured_values.Filled | None = None,
    ) -> None:
        self.pixels, self._depths, self._name, self._divided, self._source = pixels, depths, name, divided, source

    def __setitem__(self, window: Window, values: Pixels) -> None:
        if self.pixels.dtype.name in measured_values.FLOATS:
            self.pixels[window] = measured_values.whole(np.asarray(values), self.pixels.dtype)
            return
        made = to_depth(alpha.straight(values) if self._divided else values, self._depths, self._name)
        if self._source is not None and made.dtype.kind == "f":
            there = self._source.original(window)
            missing = ~np.isfinite(there)
            if missing.any():
                made = np.where(missing, there, made)
        self.pixels[window] = made


class Target:
    """A picture file that is being made. `create` returns it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, create(f"{folder}/a.npy") as target:
    ...     target.add(Picture(np.zeros((4, 5), np.uint8)))[0:4] = np.ones((4, 5), np.uint8)
    """

    def __init__(
        self, path: Path, form: Format, temporary: Path, like: Source | None, quality: int | None, lossless: bool | None
    ) -> None:
        self.path, self._form, self._temporary, self._like = path, form, temporary, like
        self._quality, self._lossless = quality, lossless
        self._open: tuple[Scratch, Described] | None = None
        self._writer: tiff_writing.Writer | picture_formats.Writer | None = None
        self._dng: dng_writing.Writer | None = None
        self._array: Any = None
        self._copy: science.Copy | None = None
        self._added = 0

    def add(self, picture: Described) -> Canvas:
        """Room for the next picture, of this shape, type and metadata, black as yet. The one before is finished by
        this."""
        check_holds(self.path, self._form, picture)
        if self._added and not self._form.stacks and self._form is not DNG and not self._is_film(picture):
            raise UsageError(f"{self.path} can hold one picture only; write .tif, .npy or .zarr instead.")
        self._encode()
        self._warn(picture.metadata)
        depths = self._form.depths
        if self._form is JPEG and isinstance(own := picture.metadata.coding, jpeg.Coding) and own.bits > 8:
            depths = ("uint16",)
        stored = picture.metadata.stored
        if stored and self._form.stacks and picture.dtype == measured_values.FLOATS[stored]:
            depths = (stored,)
        dtype = np.dtype(stored) if depths == (stored,) else depth_for(picture.dtype, depths)
        pixels = (
            self._in_copy(picture)
            if self._form.science
            else self._in_array(picture, dtype)
            if self._form in (NPY, ZARR)
            else self._aside(picture, dtype)
        )
        depths = (pixels.dtype.name,) if self._form.science else depths
        self._added += 1
        divided = self._form is not TIFF and alpha.is_associated(picture)  # no other format can say that they were multiplied
        source = getattr(picture, "pixels", None)
        source = source if isinstance(source, measured_values.Filled) else None
        return Canvas(pixels, depths, str(self.path), divided=divided, source=source)

    def finish(self) -> None:
        """Encode what is left and complete the file."""
        self._encode()
        if self._writer is not None:
            self._writer.finish()
        if isinstance(self._array, np.memmap):
            self._array.flush()
        if self._copy is not None:
            self._copy.finish()

    def close(self) -> None:
        """Give all room back."""
        if self._open is not None:
            self._open[0].close()
        if self._writer is not None:
            self._writer.close()
        if self._dng is not None:
            self._dng.close()
        if self._array is not None and self._form is ZARR:
            zarr_stacks.give_up(self._array)
        if self._copy is not None:
            self._copy.close()
        self._open = self._array = self._copy = None

    def _warn(self, metadata: Metadata) -> None:
        """Say what a result does not hold of what its source does."""
        lost = [*metadata.left_behind, *(lost_by(self._form, metadata) if not self._added else [])]
        if self._form is not JPEG and isinstance(metadata.coding, jpeg.Coding) and metadata.coding.trailer:
            lost.append("a gain map, or other data behind the picture,")
        if isinstance(metadata.coding, science.ScienceFile) and not self._form.science and not self._added:
            lost.append(metadata.coding.lost)
        if lost:
            warnings.warn(
                f"{self.path} does not hold all that its source does: {', '.join(lost)} stays behind.", UnnoiseWarning, 3
            )

    def _aside(self, picture: Described, dtype: np.dtype[Any]) -> Scratch:
        pixels = Scratch(picture.shape, dtype, self._temporary.parent)
        self._open = pixels, picture
        return pixels

    def _in_copy(self, picture: Described) -> ArrayFrame:
        """Room in a copy of the file that the picture is from. UsageError: it is from a file of another format."""
        own = picture.metadata.coding
        if not isinstance(own, science.ScienceFile) or own.kind != self._form.name:
            raise UsageError(
                f"{self.path} would be {self._form.name}, which is only written from {self._form.name}, whose header it keeps; "
                "write .tif, .npy or .zarr instead."
            )
        if self._copy is None:
            self._copy = own.copy(self._temporary)
        frame = self._copy.frame(self._added)
        wanted = np.dtype(measured_values.FLOATS.get(frame.dtype.name, frame.dtype))
        if frame.shape != picture.shape or wanted != picture.dtype:
            raise UsageError(
                f"{self.path} holds pictures of the shape {frame.shape} and the type {wanted}, but one of {picture.shape} and "
                f"{picture.dtype} is to follow; keep them."
            )
        return frame

    def _in_array(self, picture: Described, dtype: np.dtype[Any]) -> ArrayFrame:
        outer = (self._like.outer if self._like else None) or ()
        if self._array is None:
            axes = (self._like.axes if self._like else None) or Axes.plain(len(outer), len(picture.shape))
            self._axes = axes
            shape = axes.whole(outer, picture.shape)
            if self._form is NPY:
                self._array = np.lib.format.open_memmap(self._temporary, "w+", dtype, shape)
                with self._temporary.open("rb+") as file:
                    preallocate(file.fileno(), self._temporary.stat().st_size)
            else:
                own = picture.metadata.coding
                like = own if isinstance(own, zarr_stacks.Coding) else None
                ngff = own.ngff if isinstance(own, science.ReadOnly) else None
                self._array = zarr_stacks.create_array(self._temporary, shape, dtype, like, ngff)
        if (frame := self._axes.frame(self._array.shape)) != picture.shape or self._array.dtype != dtype:
            raise UsageError(
                f"{self.path} holds pictures of one shape and type, {frame} and {self._array.dtype}, but one of {picture.shape} "
                f"and {dtype} is to follow; write .tif instead."
            )
        return ArrayFrame(self._array, self._axes, self._added, self.path)

    def _is_film(self, picture: Described) -> bool:
        """Whether the pictures become an animation, as their source is one."""
        return picture.metadata.film is not None and (self._form is GIF or self._form.name in picture_formats.FILMS)

    def _module(self, picture: Described) -> str | None:
        """Of `picture_formats`, which writes this file; None: another does."""
        if self._is_film(picture) and self._form.name in picture_formats.FILMS:
            return picture_formats.FILMS[self._form.name]
        return picture_formats.MODULES.get(self._form.name)

    def _encode(self) -> None:
        """Bring the picture that was drawn into the file."""
        if self._open is None:
            return
        pixels, picture = self._open
        try:
            if self._module(picture) is not None:
                self._writer = self._writer or picture_formats.writer(
                    self._temporary, str(self.path), str(self._module(picture)), picture.metadata, self._quality, self._lossless
                )
                self._writer.add(pixels.array(), picture.layout, picture.metadata)
            elif self._form is TIFF:
                if self._writer is None:
                    frames = len(self._like) if self._like else 1
                    self._writer = tiff_writing.Writer(self._temporary, frames * pixels.nbytes, picture.metadata)
                self._writer.add(pixels.array(), picture.layout, picture.metadata)
            elif self._form is DNG:
                self._dng = self._dng or dng_writing.Writer(self._temporary)
                assert isinstance(picture.metadata.coding, dng.Coding)  # see `_check`
                self._dng.add(pixels.array(), picture.metadata.coding)
            else:
                embedding.save(
                    pixels.array(),
                    picture.layout,
                    picture.metadata,
                    self._form,
                    self._temporary,
                    quality=self._quality,
                    lossless=self._lossless,
                )
        except UnnoiseError:
            raise
        except (
            vips.EncodingError,
            ValueError,
            RuntimeError,
            struct.error,
        ) as error:  # tifffile has ValueError and struct.error
            raise UnnoiseError(f"{self.path} cannot be encoded here ({error}); choose another format, such as .png.") from error
        pixels.close()
        self._open = None


@contextmanager
def create(
    path: str | Path,
    like: Source | None = None,
    *,
    overwrite: bool = False,
    quality: int | None = None,
    lossless: bool | None = None,
) -> Iterator[Target]:
    """Make a picture file piece by piece, so that neither picture nor stack need fit into memory.

    Args:
        path: its suffix names the format.
        like: the source whose frames will be added in order; None: a single picture.
        overwrite: whether it may replace a file.
        quality, lossless: as `write` takes them.

    Usage::

        with images.open("in.tif") as source, images.create("out.tif", source) as target:
            for frame in source:
                canvas = target.add(frame)
                for rows in strips:
                    canvas[rows] = work(frame.region(rows, slice(None)))

    When the block ends the file is encoded with the metadata and appears under its name, complete. When it ends by an
    error, nothing
    is left. Large pictures lie in `path`'s folder meanwhile, in a file without a name.

    Raises UsageError and UnnoiseError as `write` does.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with create(f"{folder}/a.npy") as target:
    ...         target.add(Picture(np.zeros((4, 5), np.uint8)))[0:4] = np.ones((4, 5), np.uint8)
    ...     int(np.load(f"{folder}/a.npy").sum())
    20
    """
    path = Path(path)
    form = format_of(path)
    _check_target(path, form, overwrite)
    check_compression(quality, lossless, form)
    with atomic_write(path) as temporary, contextlib.closing(Target(path, form, temporary, like, quality, lossless)) as target:
        yield target
        target.finish()


def check_compression(quality: int | None, lossless: bool | None, form: Format | None = None) -> None:
    """Check the options of encoding.

    Args:
        quality: 1 to 100; None: not given.
        lossless: None: not given.
        form: the format; None: any.

    Raises:
        UsageError: no encoder can do this.

    >>> check_compression(101, None)
    Traceback (most recent call last):
    unnoise.errors.UsageError: ...
    """
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"The quality {quality} is outside 1 … 100; 95 is very good, 75 is good.")
    if quality is not None and lossless:
        raise UsageError("A quality is for encoding with loss, and no loss was asked for; give one of them.")
    if lossless and form is JPEG:
        raise UsageError("JPEG files always lose a little; write .png, or .webp, .avif or .heic without loss.")


def _check_target(path: Path, form: Format, overwrite: bool) -> None:
    if form is RAW:
        raise UsageError(f"{path} would be camera raw, which cannot be written; write .tif instead.")
    if form in MICROSCOPES:
        raise UsageError(f"{path} would be a {form.name} file, which cannot be written; write .ome.tif or .zarr instead.")
    refuse_device(path)
    lies = path_kind(path)
    if lies == "folder" and not is_zarr(path):
        raise UsageError(f"{path} is a folder; give the name of a file.")
    if lies and not overwrite:
        raise UsageError(f"{path} exists already; choose another name or ask for overwriting.")
    if path_kind(path.parent) != "folder":
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into; create it first.")
