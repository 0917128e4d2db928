"""Running a comparison: each cell, one model on one data set, is scored and kept. An interrupted run goes on with the
next cell."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from unnoise.errors import UnnoiseError, UsageError
from unnoise.evaluation.comparison.picture_journal import PictureJournal, score_pictures
from unnoise.evaluation.comparison.settings import Settings
from unnoise.evaluation.cost import multiplications_per_pixel
from unnoise.evaluation.datasets import DataSet, open_set
from unnoise.evaluation.scoring import Evaluation
from unnoise.files.atomic import atomic_write, make_folder
from unnoise.files.stamps import content_digest
from unnoise.models import shipped
from unnoise.models.model import Model

NAME_LETTERS = 12


class Cell(BaseModel):
    """The scores of one model on one data set, and what they were made from.

    >>> Cell.model_fields["parameters"].annotation
    <class 'int'>
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    made_from: str
    """A digest of the model, the data's files and the settings."""
    parameters: int
    macs_per_pixel: float | None = None
    """Multiplications with addition for each pixel; None: there are no weights, or they are run without torch."""
    trained: str
    """How the model was trained, by its card."""
    scores: Evaluation


@dataclass(frozen=True)
class Comparison:
    """All cells.

    >>> Comparison(("a",), ("polyu:d",), {}).models
    ('a',)
    """

    models: tuple[str, ...]
    data: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    """By model and data set."""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Models that are one method with several seeds, by its name."""

    @property
    def methods(self) -> dict[str, tuple[str, ...]]:
        """The models of each row: a group, or a model by itself."""
        grouped = {model: name for name, members in self.groups.items() for model in members}
        names = dict.fromkeys(grouped.get(model, model) for model in self.models)
        return {name: self.groups.get(name, (name,)) for name in names}


def compare(
    models: Sequence[str],
    data: Sequence[str],
    output: Path,
    settings: Settings | None = None,
    *,
    groups: dict[str, tuple[str, ...]] | None = None,
    device: str | None = None,
    on_cell: Callable[[str, str, bool], None] = lambda model, data, kept: None,
) -> Comparison:
    """Score models on data sets, and keep each cell in `output`. A cell that is there and still holds is not made again.

    Args:
        models: names or files, as `unnoise.load` takes them.
        data: data sets with truth, ``SET:DIR`` each.
        output: a folder. It is made.
        settings: of all cells.
        groups: models that are one method with several seeds, by its name; they are also among `models`.
        device: as `Model.to` takes it; None: the best one.
        on_cell: called before each cell with the model, the data set, and whether it was kept.

    Raises:
        UsageError: an unknown model or data set, one given twice, or a data set without truth.
        UnnoiseError: a file cannot be read or written.

    >>> compare([], [], Path("none"))
    Traceback (most recent call last):
    unnoise.errors.UsageError: A comparison needs a model and a data set; give both.
    """
    settings = settings or Settings()
    if not models or not data:
        raise UsageError("A comparison needs a model and a data set; give both.")
    if settings.limit is not None and settings.limit < 1:
        raise UsageError(f"The limit of {settings.limit} leaves no picture to score; give 1 or more.")
    for given in (models, data):
        if len(set(given)) < len(given):
            raise UsageError(f"'{next(one for one in given if given.count(one) > 1)}' is given twice; give it once.")
    sets = {spec: open_set(spec) for spec in data}  # all, before the first cell
    for spec, pictures in sets.items():
        if not pictures.has_truth:
            raise UsageError(f"The data set {spec} has no clean pictures to score by; leave it out.")
    loaded = {name: shipped.load(name) for name in models}
    make_folder(output / "cells")
    cells = {}
    for spec, pictures in sets.items():
        contents = _contents(pictures)
        for name, model in loaded.items():
            made_from = _digest(name, spec, settings.model_dump_json(), _identity(model), *contents)
            path = cell_path(output, name, spec)
            cell = _kept(path, made_from)
            on_cell(name, spec, cell is not None)
            if cell is None:
                model.to(device or "auto")
                scores = score_pictures(model, pictures, settings, name, PictureJournal(path.with_suffix(".jsonl"), made_from))
                trained = model.card.command or ", ".join(model.card.data)
                macs = multiplications_per_pixel(model, refine=settings.refine, ensemble=settings.ensemble)
                counts = {"parameters": model.network.parameter_count(), "macs_per_pixel": macs}
                cell = Cell(made_from=made_from, trained=trained, scores=scores, **counts)
                with atomic_write(path) as temporary:
                    temporary.write_text(cell.model_dump_json(indent=1), encoding="utf-8")
                path.with_suffix(".jsonl").unlink(missing_ok=True)
            cells[name, spec] = cell
    return Comparison(tuple(models), tuple(data), cells, dict(groups or {}))


def cell_path(output: Path, model: str, data: str) -> Path:
    """The file of a cell. While it is unfinished, the pictures that are done lie beside it, in a file that ends in .jsonl.

    >>> cell_path(Path("out"), "fast", "polyu:d").parent.as_posix()
    'out/cells'
    """
    return output / "cells" / f"{_digest(model, data)[:NAME_LETTERS]}.json"


def _kept(path: Path, made_from: str) -> Cell | None:
    """The cell in a file, if it was made from the same; None: it is to be made."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnnoiseError(f"{path} cannot be read: {error.strerror}; remove it, or give another folder.") from error
    try:
        import json

        fields = json.loads(data.decode())
        fields["scores"] = Evaluation.from_json(json.dumps(fields["scores"]))
        cell = Cell.model_validate(fields)
    except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
        raise UnnoiseError(f"{path} is damaged; remove it, and its cell is made again.") from error
    return cell if cell.made_from == made_from else None


def _contents(pictures: DataSet) -> list[str]:
    """A digest of each file of a data set. Its time does not count, so a copy of the data keeps the cells."""
    places = [place for entry in pictures.entries for place in (entry.noisy, entry.clean) if place is not None]
    paths = dict.fromkeys(place if isinstance(place, Path) else place.path for place in places)
    try:
        return [f"{path} {content_digest(path)}" for path in paths]
    except OSError as error:
        raise UnnoiseError(
            f"{error.filename} cannot be read: {error.strerror}; repair the data set, or leave it out."
        ) from error


def _identity(model: Model) -> str:
    """A digest of the recipe and the weights."""
    digest = hashlib.sha256(model.recipe.model_dump_json().encode())
    for key, value in sorted(model.network.state_dict().items()):
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
