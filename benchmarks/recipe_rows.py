"""Write the tables of trained recipes into the pages that show them, from their recorded scores. Nothing is measured here.

    python benchmarks/recipe_rows.py docs/results/recipes.csv docs/results/neighbours.md docs/results/compare.md

A line of the file is one trained model: its recipe, what was changed, how it was trained, and its scores. A line without
scores says in `note` why there are none. A table stands between `<!-- table NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass, fields
from pathlib import Path

from unnoise import recipes

QUICK = "-quick"
BEGIN, END = "<!-- table {name} -->\n", "<!-- end -->\n"
NEIGHBOURS = "neighbours.md"


@dataclass(frozen=True)
class Row:
    """One trained model. All are texts; an empty one was not measured. PSNR in dB."""

    recipe: str
    note: str
    """What differs from the recipe; without scores: why there are none."""
    steps: str
    training: str
    """Processor time of the run, or time on the wall where it says so."""
    scenes: str
    """Blocks of SIDD validation's scenes 25 to 30 that it was scored on."""
    scenes_noisy: str
    scenes_psnr: str
    scenes_ssim: str
    polyu: str
    """Pictures of PolyU that it was scored on."""
    polyu_noisy: str
    polyu_psnr: str
    polyu_ssim: str
    published: str
    """The paper's PSNR on all of SIDD validation."""
    published_polyu: str
    seconds: str
    """Processor time of the network at its published size for 256×256 pixels."""
    page: str
    """The page that tells more, with its command."""
    curve: str
    """The name of the learning curve that it is a point of."""

    @property
    def scored(self) -> bool:
        return bool(self.scenes_psnr or self.polyu_psnr)

    @property
    def method(self) -> str:
        return method(self.recipe)


def method(recipe: str) -> str:
    """The method of a recipe: a quick one is that of its paper, made small."""
    return recipe.removesuffix(QUICK)


def read(path: Path) -> list[Row]:
    """The lines of a file."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    return [Row(**{field.name: line[field.name] for field in fields(Row)}) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scores", type=Path)
    parser.add_argument("pages", type=Path, nargs="+")
    options = parser.parse_args()
    rows = read(options.scores)
    for page in options.pages:
        page.write_text(filled(page.read_text(encoding="utf-8"), rows), encoding="utf-8")


def filled(text: str, rows: list[Row]) -> str:
    """A page with its tables made anew."""
    for name, table in tables(rows).items():
        begin = BEGIN.format(name=name)
        before, found, rest = text.partition(begin)
        if found:
            text = before + begin + "\n" + table + "\n" + END + rest.partition(END)[2]
    return text


def tables(rows: list[Row]) -> dict[str, str]:
    """All tables by their names."""
    own = [row for row in rows if row.page == NEIGHBOURS and row.scored and not row.curve]
    return {
        "recipes": _recipes(rows) + "\n" + coverage(rows, recipes.names()),
        "neighbours": _neighbours([row for row in own if int(row.scenes or 2) > 1]),
        "one picture": _one_picture([row for row in own if row.scenes == "1"]),
        "curves": _curves([row for row in rows if row.curve]),
    }


def shown(rows: list[Row]) -> list[Row]:
    """The scored models: of a curve its last point alone."""
    last = {row.curve: row for row in rows if row.curve}
    return [row for row in rows if row.scored and (not row.curve or last[row.curve] is row)]


def coverage(rows: list[Row], names: list[str]) -> str:
    """How many recipes have a row in the table, and why the others have none."""
    scored = {row.method for row in rows if row.scored}
    covered = [name for name in names if method(name) in scored]
    methods = {method(name) for name in names}
    text = (
        f"{len(covered)} of the {len(names)} recipes have a row, or their quick form has: {len(methods & scored)} of "
        f"{len(methods)} methods. The others:\n\n"
    )
    reasons = {row.method: row.note for row in rows if not row.scored}
    missing = sorted(methods - scored)
    return text + "".join(f"- `{name}`: {reasons.get(name, 'not trained yet')}.\n" for name in missing)


def _recipes(rows: list[Row]) -> str:
    lines = [
        "| recipe | trained | scenes 25–30 | gain dB | PolyU | gain dB | published: SIDD, PolyU | seconds | page |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    ranked = sorted(shown(rows), key=lambda row: (row.scenes == "1", -_gain(row.scenes_psnr, row.scenes_noisy)))
    for row in ranked:
        name = f"`{row.recipe}`" + (f", {row.note}" if row.note else "")
        trained = ", ".join(part for part in (f"{int(row.steps):,} steps" if row.steps else "", row.training) if part)
        published = ", ".join(part or "–" for part in (row.published, row.published_polyu))
        cells = [
            name,
            trained,
            _score(row.scenes_psnr, row.scenes_ssim, row.scenes),
            _told_gain(row.scenes_psnr, row.scenes_noisy),
            _score(row.polyu_psnr, row.polyu_ssim, row.polyu),
            _told_gain(row.polyu_psnr, row.polyu_noisy),
            published if row.published or row.published_polyu else "",
            row.seconds,
            f"[{row.page.removesuffix('.md')}]({row.page})",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _neighbours(rows: list[Row]) -> str:
    lines = [
        "| recipe | steps | processor time | scenes 25–30 | PolyU | the paper on SIDD validation |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"`{row.recipe}`" + (f", {row.note}" if row.note else "")
        polyu = _score(row.polyu_psnr, row.polyu_ssim) or "–"
        if row.polyu and row.polyu != "6":
            polyu += f" ({row.polyu}: noisy {row.polyu_noisy})"
        scenes = _score(row.scenes_psnr, row.scenes_ssim)
        lines.append(f"| {name} | {row.steps} | {row.training or '–'} | {scenes} | {polyu} | {row.published or '–'} |")
    return "\n".join(lines) + "\n"


def _one_picture(rows: list[Row]) -> str:
    lines = ["| recipe | steps | processor time | result |", "|---|---|---|---|"]
    lines += [f"| `{row.recipe}` | {row.steps} | {row.training} | {_score(row.scenes_psnr, row.scenes_ssim)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _curves(rows: list[Row]) -> str:
    lines = [
        "| recipe | steps | processor time | scenes 25–30 | gain dB | since the point before | PolyU |",
        "|---|---|---|---|---|---|---|",
    ]
    before: dict[str, float] = {}
    for row in sorted(rows, key=lambda row: (row.curve, int(row.steps))):
        psnr = float(row.scenes_psnr)
        rise = f"{psnr - before[row.curve]:+.2f}" if row.curve in before else ""
        before[row.curve] = psnr
        lines.append(
            f"| `{row.recipe}` | {row.steps} | {row.training} | {_score(row.scenes_psnr, row.scenes_ssim)} "
            f"| {_told_gain(row.scenes_psnr, row.scenes_noisy)} | {rise} | {_score(row.polyu_psnr, row.polyu_ssim) or '–'} |"
        )
    return "\n".join(lines) + "\n"


def _score(psnr: str, ssim: str, pictures: str = "") -> str:
    text = " / ".join(part for part in (psnr, ssim) if part)
    return f"{text} ({pictures})" if text and pictures else text


def _gain(psnr: str, noisy: str) -> float:
    return float(psnr) - float(noisy) if psnr and noisy else 0.0


def _told_gain(psnr: str, noisy: str) -> str:
    return f"{_gain(psnr, noisy):+.2f}" if psnr and noisy else ""


if __name__ == "__main__":
    main()
