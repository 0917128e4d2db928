"""The manifest of an output folder records each result. A second call then makes only what is missing or has
changed."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unnoise.errors import UnnoiseError
from unnoise.files.atomic import atomic_write

if TYPE_CHECKING:
    from unnoise.inference.options import DenoiseOptions
    from unnoise.models.model import Model

FILE_NAME = ".unnoise-manifest.json"
FORMAT = "unnoise manifest 1"
SAVE_INTERVAL_FACTOR = 20
"""The time between two writes of the file is at least this many times the time that a write takes."""


class Manifest:
    """The record of one output folder: for each result its source, its settings, and its own size and time.

    A recorded result is ours, so it may be replaced when its source or the settings have changed. The same holds for a
    result that was planned but never recorded as done, as after a crash.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> manifest = Manifest(folder, "settings")
    >>> for name in ("noisy.png", "result.png"):
    ...     _ = (folder / name).write_bytes(b"pixels")
    >>> manifest.is_ours(folder / "noisy.png", folder / "result.png")
    False
    """

    def __init__(self, folder: Path, settings: str) -> None:
        """Read the record, if there is one.

        Args:
            folder: the output folder.
            settings: fingerprint of the model and the options; see `fingerprint`.

        Raises:
            UnnoiseError: the record exists but cannot be read.
        """
        self.path = folder / FILE_NAME
        self.settings = settings
        self._entries = self._read()
        self._before: dict[str, list[int] | None] = {}
        self._saved_at, self._saving_took = time.monotonic(), 0.0

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            if record["format"] != FORMAT:
                raise ValueError("it is of another kind")
            if not all(isinstance(entry, dict) for entry in record["results"].values()):
                raise ValueError("it is damaged")
            return dict(record["results"])
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnnoiseError(f"{self.path} cannot be read ({error}); remove it to begin anew.") from error

    def is_done(self, source: Path, target: Path) -> bool:
        """Whether `target` was made from the present `source` with these settings, and has not changed since."""
        entry = self._entries.get(self._key(target), {})
        made = _stamp(target)
        return made is not None and entry == self._entry(source) | {"result": made}

    def is_ours(self, source: Path, target: Path) -> bool:
        """Whether the file at `target` may be replaced: we made it from `source`, and it has not changed since or is
        unfinished."""
        entry = self._entries.get(self._key(target), {})
        return entry.get("source") == str(source.absolute()) and entry.get("result") in (None, _stamp(target))

    def plan(self, source: Path, target: Path) -> None:
        """Record that `target` will be made from the present `source`."""
        self._entries[self._key(target)] = self._entry(source) | {"result": None}
        self._before[self._key(target)] = _stamp(target)

    def done(self, target: Path) -> None:
        """Record that `target` was made as planned. The record is saved unless that happened a moment ago."""
        self._entries[self._key(target)]["result"] = _stamp(target)
        if time.monotonic() - self._saved_at > SAVE_INTERVAL_FACTOR * self._saving_took:
            self.save()

    def failed(self, target: Path) -> None:
        """Record that `target` was not made."""
        if _stamp(target) is None:
            self._entries.pop(self._key(target), None)

    def close(self) -> None:
        """Save the record at the end, or after Ctrl-C. Raises the errors of `save`.

        A result that appeared after it was planned is complete, since files are renamed into place. So it is recorded
        even if `done` was never called for it.
        """
        for key, before in self._before.items():
            entry, now = self._entries.get(key), _stamp(self.path.parent / key)
            if entry and entry["result"] is None and now not in (None, before):
                entry["result"] = now
        self.save()

    def save(self) -> None:
        """Write the record atomically, or remove an empty one. Raises `UnnoiseError` if that fails."""
        started = time.monotonic()
        if not self._entries:
            self.path.unlink(missing_ok=True)
            return
        with atomic_write(self.path) as temporary:
            record = {"format": FORMAT, "results": self._entries}
            temporary.write_text(json.dumps(record, indent=0), encoding="utf-8")
        self._saved_at = time.monotonic()
        self._saving_took = self._saved_at - started

    def _key(self, target: Path) -> str:
        return target.relative_to(self.path.parent).as_posix()

    def _entry(self, source: Path) -> dict[str, Any]:
        return {"source": str(source.absolute()), "stamp": _stamp(source), "settings": self.settings}


def _stamp(path: Path) -> list[int] | None:
    """Size in bytes and time of the last change in nanoseconds; None: the file does not exist."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


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
    """
    counted = options.fingerprint_fields() | {"report": report} | ({"adapt": adapt} if adapt else {})
    added = {"quality": quality, "lossless": lossless, "mosaic": mosaic or None}
    counted |= {name: value for name, value in added.items() if value is not None}
    # version 0.1 did not know `bounded`, so it counts where it is set
    recipe = model.recipe.model_dump_json(exclude=None if model.recipe.bounded else {"bounded"})
    digest = hashlib.sha256(recipe.encode())
    digest.update(json.dumps(counted, sort_keys=True, default=str).encode())
    for key, value in model.network.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
