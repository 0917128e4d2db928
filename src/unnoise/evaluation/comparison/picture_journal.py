"""The pictures of an unfinished cell that are scored already. A slow method that is stopped goes on with the next one."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from unnoise.evaluation.comparison.settings import Settings
from unnoise.evaluation.datasets import DataSet
from unnoise.evaluation.scoring import Evaluation, ImageScore, evaluate
from unnoise.models.model import Model


class PictureJournal:
    """A file to which the score of each picture is added when it is known.

    Args:
        path: of the file, a line of JSON for each picture.
        made_from: what the cell is made from. Scores of something else are dropped, and so is a line that was cut.

    >>> import tempfile
    >>> from unnoise.evaluation.protocols import Score
    >>> score = ImageScore(name="a", noisy=Score(30.0, 0.7), restored=Score(34.0, 0.9), seconds=0.5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PictureJournal(Path(folder) / "j.jsonl", "x").add(score)
    ...     list(PictureJournal(Path(folder) / "j.jsonl", "x").scores), list(PictureJournal(Path(folder) / "j.jsonl", "y").scores)
    (['a'], [])
    """

    def __init__(self, path: Path, made_from: str) -> None:
        self.path = path
        self.scores: dict[str, ImageScore] = {}
        lines = path.read_bytes().splitlines() if path.is_file() else []
        whole = []
        for line in lines[1:] if lines[:1] == [made_from.encode()] else []:
            try:
                text = line.decode()
                score = ImageScore.model_validate(json.loads(text))
            except (ValueError, ValidationError, RecursionError):
                continue
            self.scores[score.name] = score
            whole.append(text)
        path.write_text("".join(f"{line}\n" for line in [made_from, *whole]), encoding="utf-8")

    def add(self, score: ImageScore) -> None:
        """Keep the score of one more picture."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(score.model_dump_json() + "\n")
        self.scores[score.name] = score


def score_pictures(model: Model, data: DataSet, settings: Settings, name: str, journal: PictureJournal) -> Evaluation:
    """`unnoise.evaluate`, picture by picture, without those that the journal holds. Those that are done at any moment lie
    evenly over the set, since neighbors often show the same scene.

    >>> from unnoise.evaluation.datasets import open_set
    >>> score_pictures(None, open_set("pairs:none"), Settings(), "a", None)
    Traceback (most recent call last):
    unnoise.evaluation.datasets.pairing.MissingDataError: ...
    """
    options = settings.model_dump(exclude={"protocol", "limit"})
    chosen = data if settings.limit is None else data.spread(settings.limit)
    for place in spread_order(len(chosen)):
        entry = chosen.entries[place]
        if entry.name not in journal.scores:
            one = evaluate(model, DataSet(data.name, [entry], data.about), settings.protocol, name=name, **options)
            journal.add(one.images[0])
    images = [journal.scores[entry.name] for entry in chosen.entries]
    return Evaluation(model=name, data=data.name, protocol=settings.protocol, options=options, images=images)


def spread_order(count: int) -> list[int]:
    """0 … count − 1 in an order whose every beginning is spread evenly: by the digits of the binary number, last first.

    >>> spread_order(8)
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    digits = max(count - 1, 0).bit_length()
    return sorted(range(count), key=lambda number: f"{number:0{digits}b}"[::-1])
