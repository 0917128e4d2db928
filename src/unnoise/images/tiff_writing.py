"""Writing TIFF files: tifffile writes the pixels, then the metadata of each page is appended byte by byte."""

from __future__ import annotations

import mmap
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unnoise.images import jpeg_trailer, tags, tiff_packing, tiff_pixels, tiff_places, vips
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.resolution import tags_of
from unnoise.images.tags import File, Tags, Value
from unnoise.images.tiff import STRUCTURE, Coding

RESOLUTION = (tags.X_RESOLUTION, tags.Y_RESOLUTION, tags.RESOLUTION_UNIT)
"""Tags that tifffile always writes, also when nobody knows."""


LONG_INTEGERS = (np.dtype("int64"), np.dtype("uint64"))
"""For which there is no predictor."""


class Writer:
    """Pages of a TIFF file, one after the other. `finish` adds their tags."""

    def __init__(self, path: Path, nbytes: int, metadata: Metadata) -> None:
        """Begin the file at `path`, of about `nbytes` bytes of pixels, in the byte order of what the first page says.

        Tags of ImageJ and of makers of cameras hold numbers in the order of their file.
        """
        import tifffile

        self._path = path
        order = tags.File.of(metadata.exif)
        own = metadata.coding if isinstance(metadata.coding, Coding) else None
        byteorder = own.byteorder if own else order.order if order else "<"
        self._byteorder = byteorder
        # classic TIFF ends at 4 GiB, and compression cannot be relied upon
        self._writer = tifffile.TiffWriter(path, bigtiff=nbytes > 2**31, byteorder=byteorder)
        self._said: list[tuple[Tags, list[Tags]]] = []
        """Of each page, and of what lies below it."""
        self._last: tuple[Any, ...] | None = None

    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        """Write one page; nothing is lost, but that palettes and fewer bits than our types have are rounded to."""
        own = metadata.coding if isinstance(metadata.coding, Coding) else Coding()
        below: list[Tags] = []
        self._said.append((self._write(pixels, layout, metadata, own), below))
        for height, width, coding in own.overviews_below:  # tifffile puts them below the last page
            below.append(self._write(vips.shrunk(pixels, height, width), layout, replace(metadata, coding=coding), coding))
        for height, width, coding in own.overviews:
            self.add(vips.shrunk(pixels, height, width), layout, replace(metadata, coding=coding))

    def _write(self, pixels: Pixels, layout: Layout, metadata: Metadata, own: Coding) -> Tags:
        """Write the pixels of a page. Returns the tags that it is to have."""
        stored, bits, said = tiff_pixels.stored(pixels, own)
        samples = stored.shape[2] if stored.ndim == 3 else 1
        photometric = {"rgb": "rgb", "cmyk": "separated"}.get(layout.colours, "minisblack") if samples > 1 else "minisblack"
        options: dict[str, Any] = {}
        if samples > 1:
            beyond = samples - {"rgb": 3, "separated": 4}.get(photometric, 1)
            extra = (0,) * (beyond - layout.alpha) + (2,) * layout.alpha
            options = {"extrasamples": extra, "planarconfig": "separate" if own.planar else "contig"}
        if own.tile:
            options["tile"] = own.tile
        elif own.rows and own.rows < stored.shape[0]:
            options["rowsperstrip"] = own.rows
        compression = own.compression
        if bits:
            options["bitspersample"] = bits
            compression = compression if bits == 1 else None  # tifffile packs the bits of uncompressed samples alone
            stored = tiff_packing.to_pack(stored, bits, self._byteorder)
        self._writer.write(
            np.moveaxis(stored, -1, 0) if own.planar and samples > 1 else stored,
            photometric=photometric,
            compression=compression,
            predictor=own.predictor
            and not bits
            and compression not in (None, "packbits")
            and stored.dtype not in LONG_INTEGERS,
            metadata=None,
            software=False,
            contiguous=self._goes_on((pixels.shape, stored.dtype, own, layout)),
            subifds=len(own.overviews_below) or None,
            **options,
        )
        return {**_said(metadata), **said}

    def _goes_on(self, kind: tuple[Any, ...]) -> bool:
        """Whether this page's pixels follow the last one's without a gap, as programs expect in uncompressed stacks of
        ImageJ."""
        own = kind[2]
        before, self._last = self._last, (*kind[:2], own.compression, own.tile, own.rows, own.planar, own.extra, kind[3])
        return before == self._last and own.compression is None and own.tile is None

    def close(self) -> None:
        self._writer.close()

    def finish(self) -> None:
        """Give each page its tags."""
        self.close()
        with self._path.open("r+b") as opened:
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                file = File.of(data)
                assert file is not None  # we wrote it
                end, made = len(data), []
                places = [place for place, _ in file.directories()]
                following = 0
                for place, (said, below) in zip(reversed(places), reversed(self._said), strict=True):
                    under = []
                    for inner, words in zip(tiff_places.below(file, place), below, strict=True):
                        end += end % 2
                        made.append((end, file.grown(inner, words, end, 0, _replaced(words))))
                        under.append(end)
                        end += len(made[-1][1])
                    if under:
                        kind, code = (18, "Q") if file.big else (13, "I")
                        said = {**said, tiff_places.SUBDIRECTORIES: Value(kind, struct.pack(f"<{len(under)}{code}", *under))}
                    end += end % 2
                    directory = file.grown(place, said, end, following, _replaced(said))
                    made.append((end, directory))
                    following, end = end, end + len(directory)
                head, pointer = file.first, struct.pack(file.pointer, following)
            for place, directory in made:
                opened.seek(place)
                opened.write(directory)
            opened.seek(head)
            opened.write(pointer)


def _replaced(said: Tags) -> set[int]:
    """Tags of tifffile that go, as the page has its own or none."""
    return {*RESOLUTION, tags.EXTRA_SAMPLES} if tags.PHOTOMETRIC in said else {*RESOLUTION}


def _said(metadata: Metadata) -> Tags:
    """The tags of a page with this metadata: its own if it was read from a TIFF, else what EXIF and the rest say."""
    if isinstance(metadata.coding, Coding):
        return metadata.coding.tags
    said = {code: value for code, value in tags.first(metadata.exif).items() if code not in STRUCTURE}
    if metadata.resolution and tags.X_RESOLUTION not in said:
        said |= tags_of(metadata.resolution)
    if metadata.description:
        said[tags.DESCRIPTION] = Value(2, metadata.description + b"\0")
    for code, content in {
        tags.XMP: jpeg_trailer.without_words(metadata.xmp),
        tags.PHOTOSHOP: metadata.iptc,
        tags.ICC: metadata.icc,
    }.items():
        if content:
            said[code] = Value(1 if code == tags.XMP else 7, content)
    return said
