"""The manifest of an output folder records each result. A second call then makes only what is missing or has
changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.errors import UnnoiseError
from unnoise.files.atomic import atomic_write, before_rename
from unnoise.files.limits import RECORD_BYTES
from unnoise.files.stamps import stamp
from unnoise.images.science.pairs import stamps

if TYPE_CHECKING:
    from unnoise.inference.options import DenoiseOptions
    from unnoise.models.model import Model

FILE_NAME = ".unnoise-manifest.json"
JOURNAL_NAME = ".unnoise-manifest.journal"
"""Results since the manifest was last written, one a line. A killed run leaves it behind."""
FORMAT = "unnoise manifest 1"

Entry = dict[str, Any]


class Manifest:
    """The record of one output folder: for each result its source, its settings, and its own stamp.

    A recorded result is ours, so it may be replaced when its source or the settings have changed. A result is recorded
    just before it gets its name, with the stamp that it then has. So neither Ctrl-C nor a killed process loses a result,
    and a file that anybody else put there is never taken for ours.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> manifest = Manifest(folder, "settings")
    >>> for name in ("noisy.png", "result.png"):
    ...     _ = (folder / name).write_bytes(b"pixels")
    >>> manifest.is_ours(folder / "noisy.png", folder / "result.png")
    False
    >>> with manifest.recording():
    ...     replaces = manifest.plan(folder / "noisy.png", folder / "ours.png")
    ...     with atomic_write(folder / "ours.png") as temporary:
    ...         _ = temporary.write_bytes(b"better pixels")
    >>> Manifest(folder, "settings").is_done(folder / "noisy.png", folder / "ours.png")
    True
    """

    def __init__(self, folder: Path, settings: str) -> None:
        """Read the record, if there is one.

        Args:
            folder: the output folder.
            settings: fingerprint of the model and the options; see `fingerprint`.

        Raises:
            UnnoiseError: the record exists but cannot be read.
        """
        self.path, self.journal = folder / FILE_NAME, folder / JOURNAL_NAME
        self.settings = settings
        self._entries = self._read()
        self._planned: dict[Path, Entry] = {}
        self._made: dict[str, Entry] = {}
        """Results that this process has renamed to their names, or is about to."""
        self._replaceable: set[Path] = set()
        """Results that may replace any file."""

    def _read(self) -> dict[str, Entry]:
        for path in (self.path, self.journal):
            if path.is_file():
                RECORD_BYTES.check(path.stat().st_size, str(path))
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            if record["format"] != FORMAT:
                raise ValueError("it is of another kind")
            entries = dict(record["results"])
            if not all(isinstance(entry, dict) for entry in entries.values()):
                raise ValueError("it is damaged")
        except (FileNotFoundError, NotADirectoryError):
            entries = {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            words = "it is damaged" if isinstance(error, RecursionError) else error
            raise UnnoiseError(f"{self.path} cannot be read ({words}); remove it to begin anew.") from error
        return entries | self._read_journal()

    def _read_journal(self) -> dict[str, Entry]:
        """The journal's results that are there as they were made. Others never got their names, or have changed since."""
        try:
            lines = self.journal.read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise UnnoiseError(f"{self.journal} cannot be read ({error}); remove it to begin anew.") from error
        entries = {}
        for line in lines:
            try:
                key, entry = json.loads(line)
                if stamp(self.path.parent / key) == entry["result"]:
                    entries[key] = entry
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # a line that was cut off when the process was killed
        return entries

    def is_unsaved(self) -> bool:
        """Whether a killed run has left its journal behind; `recording` puts that into the record."""
        return self.journal.exists()

    def is_done(self, source: Path, target: Path) -> bool:
        """Whether `target` was made from the present `source` with these settings, and has not changed since."""
        entry = self._entries.get(self._key(target), {})
        made = stamp(target)
        return made is not None and entry == self._entry(source) | {"result": made}

    def is_ours(self, source: Path, target: Path) -> bool:
        """Whether the file at `target` may be replaced: we made it from `source`, and it has not changed since."""
        entry, made = self._entries.get(self._key(target), {}), stamp(target)
        return made is not None and entry.get("source") == str(source.absolute()) and entry.get("result") == made

    def plan(self, source: Path, target: Path, *others: Path, overwrite: bool = False) -> bool:
        """Note that `target` will be made from the present `source`.

        Args:
            source, target: picture files.
            others: files that are written beside the target, such as its report.
            overwrite: whether the results may replace files that are not ours.

        Returns:
            Whether the result may replace what is there now.
        """
        replaces = overwrite or self.is_ours(source, target)
        self._planned |= dict.fromkeys((target, *others), self._entry(source))
        self._replaceable |= {*others, *((target,) if overwrite else ())} if replaces else set()
        return replaces

    def done(self, target: Path) -> None:
        """Record that `target` was made as planned."""
        if self._key(target) not in self._made:  # it was not written by `atomic_write`
            self._record(target, stamp(target))

    def failed(self, target: Path) -> None:
        """Note that `target` was not made."""
        self._made.pop(self._key(target), None)
        self._planned.pop(target, None)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within this context, each planned result is recorded as it gets its name. At the end the record is saved.

        Raises:
            UnnoiseError: the record cannot be written.
        """
        self.save()
        try:
            with before_rename(self.on_rename):
                yield
        finally:  # after Ctrl-C too
            self.save()

    def save(self) -> None:
        """Write the record atomically, or remove an empty one. Raises `UnnoiseError` if that fails.

        Another process may have saved it meanwhile, where folders cannot be locked. So it is read again, and only what
        this process made is added.
        """
        made = {key: entry for key, entry in self._made.items() if entry["result"] == stamp(self.path.parent / key)}
        self._entries = self._read() | made
        if not self._entries:
            self.path.unlink(missing_ok=True)
        else:
            with atomic_write(self.path) as temporary:
                record = {"format": FORMAT, "results": self._entries}
                temporary.write_text(json.dumps(record, indent=0), encoding="utf-8")
        self.journal.unlink(missing_ok=True)

    def is_made(self, target: Path) -> bool:
        """Whether this run has made `target` already, and nobody has changed it since."""
        entry = self._made.get(self._key(target))
        return entry is not None and entry["result"] == stamp(target)

    def on_rename(self, temporary: Path, target: Path) -> None:
        """Record a planned result just before it gets its name. Raises `UnnoiseError` if somebody else has put a file
        there."""
        if target not in self._planned:
            return
        present = stamp(target)
        before = self._entries.get(self._key(target), {})
        if present is not None and before.get("result") != present and target not in self._replaceable:
            raise UnnoiseError(
                f"{target} has been put there meanwhile by somebody else; move it, and give the same command again."
            )
        self._record(target, stamp(temporary))

    def _record(self, target: Path, result: list[int] | None) -> None:
        key, entry = self._key(target), self._planned[target] | {"result": result}
        self._made[key] = entry
        with self.journal.open("a", encoding="utf-8") as journal:  # one line at a time, which no other process divides
            journal.write(json.dumps([key, entry]) + "\n")

    def _key(self, target: Path) -> str:
        return target.relative_to(self.path.parent).as_posix()

    def _entry(self, source: Path) -> Entry:
        return {"source": str(source.absolute()), "stamp": stamps(source), "settings": self.settings}


def fingerprint(
    model: Model,
    options: DenoiseOptions,
    *,
    report: bool = False,
    adapt: str | None = None,
    quality: int | None = None,
    lossless: bool | None = None,
    mosaic: bool = False,
) -> str:
    """The fingerprint of everything that changes a result: weights, recipe, options, adaptation and encoding.

    Args:
        model: the model as it was loaded, before it is adapted.
        options: the options of denoising.
        report: whether a report is written beside each result.
        adapt: the length of the adaptation, as `--adapt` takes it; None: the model is not adapted.
        quality, lossless: how lossy files are encoded, as `images.write` takes them; None: as their sources.
        mosaic: whether the mosaics of camera raw are restored.

    Returns:
        32 hexadecimal digits. Version 0.1 gives the same digits, so its manifests stay valid.

    >>> from unnoise import recipes
    >>> from unnoise.inference.options import DenoiseOptions
    >>> from unnoise.models.model import fresh
    >>> len(fingerprint(fresh(recipes.load("ap-bsn", {"denoiser.features": 4})), DenoiseOptions()))
    32
    """
    counted = options.fingerprint_fields() | {"report": report} | ({"adapt": adapt} if adapt else {})
    added = {"quality": quality, "lossless": lossless, "mosaic": mosaic or None}
    counted |= {name: value for name, value in added.items() if value is not None}
    digest = hashlib.sha256(model.recipe.version_0_1_json().encode())
    digest.update(json.dumps(counted, sort_keys=True, default=str).encode())
    if model.engine == "torch":
        weights = {key: value.detach().cpu().contiguous().numpy() for key, value in model.network.state_dict().items()}
    else:
        digest.update(model.engine.encode())
        weights = model.network.state()
    for key, value in weights.items():
        digest.update(key.encode())
        digest.update(value.tobytes())
    return digest.hexdigest()[:32]
