"""A soak: commands are killed at random moments, or meet other faults. Nothing may be lost, half-written, wrong or left over.

    python benchmarks/faults/soak.py --trials 300 --out docs/results/faults.csv

Each trial begins with a fresh copy of a scenario's files. A child process runs the command line, and the fault strikes at
a random moment. Then every result that has its name must be whole: the old one or the new one. The same command is given
again and must end with the very bytes of a run that was never disturbed.

The libraries are loaded once; each trial is a fork. So a trial takes a tenth of a second and not ten. Trials have numbers
and random numbers of their own. With `--out FILE`, each is noted when it ends, and the same command goes on after the
last one; a finished soak is only shown.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import scenarios
from children import COUNTS, Reference, Row, start, wait
from scenario import ACCOUNT, Scenario

from faults import FAULTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=300, help="in all, shared by the scenarios and faults")
    parser.add_argument("--seconds", type=float, default=3600, help="no trial begins after this time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[], help="scenarios, by name")
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS), help="faults, by name")
    parser.add_argument("--out", type=Path, help="a CSV file")
    options = parser.parse_args()
    scenarios.load_libraries()
    rows, began = rows_of(options.out), time.monotonic()
    done = sum(row.trials for row in rows.values())
    with tempfile.TemporaryDirectory() as name:
        maker = os.fork()
        if maker == 0:
            list(scenarios.all_scenarios(Path(name), make=True))
            os._exit(0)
        if os.waitpid(maker, 0)[1]:
            sys.exit("the scenarios' files cannot be made")
        made = [
            each for each in scenarios.all_scenarios(Path(name), make=False) if not options.only or each.name in options.only
        ]
        pairs = [(each, fault) for each in made for fault in options.faults if fault in each.faults]
        references: dict[str, Reference] = {}
        for number in range(done, options.trials):
            if time.monotonic() - began > options.seconds:
                break
            scenario, fault = pairs[number % len(pairs)]
            if scenario.name not in references:
                references[scenario.name] = undisturbed(scenario, Path(name))
            row = rows.setdefault((scenario.name, fault), Row(scenario.name, fault))
            rng = random.Random(f"{options.seed} {number}")
            trial(scenario, fault, references[scenario.name], Path(name) / "trial", rng, row)
            if options.out:
                write_rows(options.out, rows)
    for row in rows.values():
        print(" ".join(f"{key} {value}" for key, value in row.fields().items()))
    bad = sum(row.counts.total() for row in rows.values())
    print(f"{sum(row.trials for row in rows.values())} trials, {sum(row.struck for row in rows.values())} struck, {bad} bad")
    sys.exit(1 if bad else 0)


def rows_of(path: Path | None) -> dict[tuple[str, str], Row]:
    """What an earlier call noted."""
    rows = {}
    if path and path.exists():
        with path.open(newline="") as file:
            for fields in csv.DictReader(file):
                row = Row(fields["scenario"], fields["fault"], int(fields["trials"]), int(fields["struck"]))
                row.counts.update({name: int(fields[name]) for name in COUNTS})
                rows[row.scenario, row.fault] = row
    return rows


def write_rows(path: Path, rows: dict[tuple[str, str], Row]) -> None:
    """Note what came of the trials up to now."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(Row("", "").fields()), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.fields() for row in rows.values())
    temporary.replace(path)


def undisturbed(scenario: Scenario, folder: Path) -> Reference:
    """Run a scenario without a fault, twice: the second time tells the time without the first use of libraries."""
    results = []
    for number in range(2):
        place = folder / f"reference-{scenario.name}-{number}"
        shutil.copytree(scenario.folder, place)
        began = time.monotonic()
        status, said = wait(start(scenario.command(place), place), place)
        if status != 0:
            sys.exit(f"{scenario.name} fails without a fault: {said}")
        results.append(scenario.results(place))
    if results[0] != results[1]:
        sys.exit(f"{scenario.name} gives another result each time")
    return Reference(results[1], time.monotonic() - began)


def trial(scenario: Scenario, fault: str, reference: Reference, place: Path, rng: random.Random, row: Row) -> None:
    """One trial, noted in `row`."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(scenario.folder, place)
    old = scenario.results(place)
    row.trials += 1
    said = FAULTS[fault](scenario, place, reference, rng, row)
    if "Traceback" in said:
        row.counts["no_sentence"] += 1
        print(f"{scenario.name}, {fault}: {said[-600:]}", file=sys.stderr)
    found = scenario.results(place)
    for name, data in found.items():
        if data not in (old.get(name), reference.results.get(name)) and not scenario.is_whole(name, found):
            row.counts["half_written"] += 1
            print(f"{scenario.name}, {fault}: {name} is half written", file=sys.stderr)
    row.counts["lost"] += len(old.keys() - found.keys())
    restore_inputs(scenario, place)
    status, said = wait(start(scenario.command(place, again=True), place), place)
    after = scenario.results(place)
    if status != 0 or after != reference.results:
        row.counts["wrong"] += 1
        differing = [name for name in after | reference.results if after.get(name) != reference.results.get(name)]
        print(f"{scenario.name}, {fault}: status {status}, {differing} differ: {said[-600:]}", file=sys.stderr)
        for name in differing:
            if scenario.account and name == ACCOUNT:
                print(f"  account: {after.get(name)!r}\n  expected: {reference.results.get(name)!r}", file=sys.stderr)
    left = scenario.leftovers(place)
    row.counts["leftovers"] += len(left)
    if left:
        print(f"{scenario.name}, {fault}: {left} left over", file=sys.stderr)


def restore_inputs(scenario: Scenario, place: Path) -> None:
    """Put back inputs that a fault took or changed."""
    for file in (scenario.folder / "in").rglob("*"):
        copy = place / "in" / file.relative_to(scenario.folder / "in")
        if file.is_file() and (not copy.exists() or copy.read_bytes() != file.read_bytes()):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy)


if __name__ == "__main__":
    main()
