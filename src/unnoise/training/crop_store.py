"""A store of crops on disk: decoded once, memory-mapped, so that training reads a crop as fast as memory gives it.

A store is a folder. `noisy.crops` holds (N, side, side, C) as plain numbers, `clean.crops` the same of the clean pictures
where there are any. `pictures.jsonl` has a line for each picture that is in it; what lies behind the last line's crops was
cut by an interruption and is written again. `store.json` says what the numbers are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.atomic import atomic_write, make_folder
from unnoise.files.locking import LOCK_NAME, locked
from unnoise.training.image_pool import ImagePool

Pixels = NDArray[Any]
HEADER, JOURNAL, NOISY, CLEAN = "store.json", "pictures.jsonl", "noisy.crops", "clean.crops"


class Header(BaseModel):
    """What a store holds.

    >>> Header(data="pairs:d", crop=64, step=64, channels=3, dtype="uint8", has_clean=True).crop_bytes
    12288
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    """The data set as SET:DIR."""
    crop: Annotated[int, Field(ge=8)]
    """Side of the crops in pixels."""
    step: Annotated[int, Field(ge=1)]
    """Distance of neighbouring crops in pixels."""
    channels: Annotated[int, Field(ge=1)]
    dtype: str
    has_clean: bool
    is_whole: bool = False
    """Whether all pictures of the set were seen."""

    @property
    def crop_bytes(self) -> int:
        """Size of one crop."""
        return self.crop**2 * self.channels * np.dtype(self.dtype).itemsize


class StoredPicture(NamedTuple):
    """A line of the journal.

    >>> StoredPicture("a", 12, "00ff").crops
    12
    """

    name: str
    crops: int
    """How many crops it gave."""
    digest: str
    """Of its crops."""


class CropWriter:
    """Adds the crops of pictures to a store. What a stopped writer has finished is kept.

    Args:
        folder: of the store; made if it is not there.
        header: of the crops. A store of other crops is not added to.

    Raises:
        UsageError: the folder holds a store of something else, or other files.
        FolderInUseError: another process writes into it.
        UnnoiseError: it cannot be written or is damaged.

    >>> import tempfile
    >>> header = Header(data="a", crop=8, step=8, channels=1, dtype="uint8", has_clean=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with CropWriter(Path(folder) / "s", header) as writer:
    ...         writer.add("one", [np.zeros((8, 8, 1), np.uint8)], None)
    ...     CropStore(Path(folder) / "s").noisy.shape
    (1, 8, 8, 1)
    """

    def __init__(self, folder: Path, header: Header) -> None:
        self.folder, self.header = folder, header
        if (folder / HEADER).is_file():
            kept = read_header(folder)
            if kept.model_copy(update={"is_whole": False}) != header:
                raise UsageError(f"{folder} holds crops of {kept.data} with {kept.crop} pixels a side; give another folder.")
        elif folder.is_dir() and any(path.name != LOCK_NAME for path in folder.iterdir()):
            raise UsageError(f"{folder} holds other files; give a new folder for the store.")
        make_folder(folder)
        with ExitStack() as held:
            held.enter_context(locked(folder))
            self._open(held)
            self._held = held.pop_all()

    def _open(self, held: ExitStack) -> None:
        """Open the files, which `held` closes, after the last picture that was added entirely."""
        folder, header = self.folder, self.header
        self.done = {picture.name: picture for picture in read_journal(folder)}
        self._count = sum(picture.crops for picture in self.done.values())
        self._write_header(header)
        names = [NOISY, CLEAN] if header.has_clean else [NOISY]
        self._files = [held.enter_context((folder / name).open("ab")) for name in names]
        for file, name in zip(self._files, names, strict=True):
            whole = self._count * header.crop_bytes
            if file.tell() < whole:
                raise UnnoiseError(
                    f"{folder / name} is shorter than {folder / JOURNAL} says; remove the folder and begin again."
                )
            file.truncate(whole)
        with atomic_write(folder / JOURNAL) as temporary, temporary.open("w", encoding="utf-8") as journal:
            journal.writelines(json.dumps(picture) + "\n" for picture in self.done.values())  # without a line that was cut

    def __enter__(self) -> CropWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def add(self, name: str, noisy: Sequence[Pixels], clean: Sequence[Pixels] | None) -> None:
        """Add the crops of one picture, (side, side, C) each."""
        digest = hashlib.sha256()
        try:
            for file, crops in zip(self._files, (noisy, clean or ()), strict=False):
                for crop in crops:
                    data = np.ascontiguousarray(crop).tobytes()
                    digest.update(data)
                    file.write(data)
                file.flush()
            with (self.folder / JOURNAL).open("a", encoding="utf-8") as journal:
                journal.write(json.dumps(StoredPicture(name, len(noisy), digest.hexdigest()[:16])) + "\n")
        except OSError as error:
            raise UnnoiseError(
                f"{self.folder} cannot be written: {error.strerror or error}; make room, and give the same command again."
            ) from error
        self._count += len(noisy)

    def finish(self) -> None:
        """Note that all pictures were seen."""
        self._write_header(self.header.model_copy(update={"is_whole": True}))

    def _write_header(self, header: Header) -> None:
        with atomic_write(self.folder / HEADER) as temporary:
            temporary.write_text(header.model_dump_json(indent=1), encoding="utf-8")


class CropStore:
    """A store, whose crops are memory-mapped.

    Raises:
        UsageError: the store holds no crop.
        UnnoiseError: it is damaged.

    >>> CropStore(Path("none"))
    Traceback (most recent call last):
    unnoise.errors.UnnoiseError: none/store.json cannot be read; ...
    """

    def __init__(self, folder: Path) -> None:
        self.header = header = read_header(folder)
        pictures = read_journal(folder)
        count = sum(picture.crops for picture in pictures)
        if not count:
            raise UsageError(f"The store {folder} holds no crops; prepare it again with smaller ones.")
        shape = count, header.crop, header.crop, header.channels
        self.noisy = _mapped(folder / NOISY, shape, header)
        self.clean = _mapped(folder / CLEAN, shape, header) if header.has_clean else None
        self.fingerprint = hashlib.sha256(repr((header.crop, header.step, pictures)).encode()).hexdigest()[:16]
        """The same for the same crops. No crop need be read for it."""

    def pools(self, channels: int, *, with_clean: bool) -> tuple[ImagePool, ImagePool | None]:
        """Pools of the noisy crops and, where they are wanted, of the clean ones.

        Raises:
            UsageError: the network takes another number of channels, or there are no clean crops.
        """
        if channels != self.header.channels:
            raise UsageError(
                f"The store of {self.header.data} has {self.header.channels} channels, the network takes {channels}; "
                f"set denoiser.channels={self.header.channels}."
            )
        noisy = ImagePool(list(self.noisy), fingerprint=self.fingerprint)
        if not with_clean:
            return noisy, None
        if self.clean is None:
            raise UsageError(f"The store of {self.header.data} has no clean crops; choose a recipe that needs none.")
        return noisy, ImagePool(list(self.clean), fingerprint=f"{self.fingerprint} clean")


def is_store(path: Path) -> bool:
    """Whether a path is the folder of a store.

    >>> is_store(Path("none"))
    False
    """
    return (path / HEADER).is_file() and (path / JOURNAL).is_file()


def crop_store_of(given: Any) -> CropStore | None:
    """The store that a training is given; None: it is given something else.

    Raises:
        UsageError: a store beside other things, or one that is not finished.

    >>> crop_store_of(["photos"]) is None
    True
    """
    several = [given] if isinstance(given, str | Path) else list(given) if isinstance(given, list | tuple) else []
    folders = [Path(one) for one in several if isinstance(one, str | Path) and is_store(Path(one))]
    if not folders:
        return None
    if len(several) > 1:
        raise UsageError(f"A training takes pictures, or one store; give {folders[0]} alone.")
    store = CropStore(folders[0])
    if not store.header.is_whole:
        raise UsageError(f"The store {folders[0]} is not finished; give the command that prepares it again.")
    return store


def read_header(folder: Path) -> Header:
    """What a store holds. Raises `UnnoiseError` if its file is damaged or missing.

    >>> read_header(Path("none"))
    Traceback (most recent call last):
    unnoise.errors.UnnoiseError: none/store.json cannot be read; ...
    """
    try:
        return Header.model_validate_json((folder / HEADER).read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError) as error:
        raise UnnoiseError(f"{folder / HEADER} cannot be read; prepare the store again.") from error


def read_journal(folder: Path) -> list[StoredPicture]:
    """The pictures whose crops are in a store, in their order. A line that was cut is left out.

    >>> read_journal(Path("none"))
    []
    """
    path = folder / JOURNAL
    lines = path.read_bytes().splitlines() if path.is_file() else []
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            name, crops, digest = json.loads(line)
            found.append(StoredPicture(str(name), int(crops), str(digest)))
        except (ValueError, TypeError, RecursionError) as error:
            if number < len(lines):
                raise UnnoiseError(f"{path} is damaged at line {number}; remove the folder and begin again.") from error
    return found


def _mapped(path: Path, shape: tuple[int, ...], header: Header) -> Pixels:
    try:
        size = path.stat().st_size
        if size < shape[0] * header.crop_bytes:
            raise UnnoiseError(f"{path} is shorter than its store says; remove the folder and prepare it again.")
        return np.asarray(np.memmap(path, np.dtype(header.dtype), mode="r", shape=shape))
    except (OSError, ValueError, TypeError) as error:
        raise UnnoiseError(f"{path} cannot be read: {error}; prepare the store again.") from error
