"""What was done already in an output folder, so that a second call does only what is missing or has changed."""

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

NAME = ".unnoise-manifest.json"
FORMAT = "unnoise manifest 1"
SPARING = 20
"""The file is written again once so many times as long has passed as writing it took."""


class Manifest:
    """The record of one output folder: for each result its source, how it was made, and the result itself.

    A result that is recorded is ours: it may be made anew when its source or the settings changed. One that is recorded as planned
    but not as done, as after a crash, may be too.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        """Read the record, if there is one.

        Args:
            folder: of the results.
            settings: a fingerprint of the model and of how it is applied.

        Raises:
            UnnoiseError: the record is there but cannot be read.
        """
        self.path = folder / NAME
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
        """Whether `target` was made from `source` as it is now, by these settings, and is still there as it was made."""
        entry = self._entries.get(self._key(target), {})
        made = _stamp(target)
        return made is not None and entry == self._entry(source) | {"result": made}

    def is_ours(self, source: Path, target: Path) -> bool:
        """Whether what lies at `target` may be replaced unasked: made by us from `source`, and not touched since, or never finished."""
        entry = self._entries.get(self._key(target), {})
        return entry.get("source") == str(source.absolute()) and entry.get("result") in (None, _stamp(target))

    def plan(self, source: Path, target: Path) -> None:
        """Record that `target` is going to be made, from `source` as it is now."""
        self._entries[self._key(target)] = self._entry(source) | {"result": None}
        self._before[self._key(target)] = _stamp(target)

    def done(self, target: Path) -> None:
        """Record that `target` was made as planned, and save the record unless it was saved a moment ago."""
        self._entries[self._key(target)]["result"] = _stamp(target)
        if time.monotonic() - self._saved_at > SPARING * self._saving_took:
            self.save()

    def failed(self, target: Path) -> None:
        """Record that nothing came of the plan to make `target`."""
        if _stamp(target) is None:
            self._entries.pop(self._key(target), None)

    def close(self) -> None:
        """Save the record at the end, or where Ctrl-C struck; raises as `save` does.

        A result that has come since it was planned is whole, for it was renamed into its place: it is recorded even where nobody
        came to say that it is done.
        """
        for key, before in self._before.items():
            entry, now = self._entries.get(key), _stamp(self.path.parent / key)
            if entry and entry["result"] is None and now not in (None, before):
                entry["result"] = now
        self.save()

    def save(self) -> None:
        """Write the record, whole or not at all; an empty one is removed. Raises `UnnoiseError` where that fails."""
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
    """Size in bytes and time of the last change in nanoseconds; None: there is no such file."""
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
) -> str:
    """Of all that changes a result: the model's weights and recipe, the options, and adapting.

    Args:
        model: as it was loaded, before it adapts.
        options: how it is applied.
        report: whether each result has a report beside it.
        adapt: the length of adapting, as `--adapt` takes it; None: the model stays as it is.
        quality, lossless: how lossy files are encoded, as `images.write` takes them; None: as their sources.

    Returns:
        32 hexadecimal digits. They are those of version 0.1, so that manifests which that version wrote stay valid.
    """
    counted = options.fingerprint_fields() | {"report": report} | ({"adapt": adapt} if adapt else {})
    counted |= {name: value for name, value in (("quality", quality), ("lossless", lossless)) if value is not None}
    # version 0.1 did not know `bounded`, so it counts where it is set
    recipe = model.recipe.model_dump_json(exclude=None if model.recipe.bounded else {"bounded"})
    digest = hashlib.sha256(recipe.encode())
    digest.update(json.dumps(counted, sort_keys=True, default=str).encode())
    for key, value in model.network.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
