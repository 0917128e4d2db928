"""A soak: commands are killed at random moments, or meet other faults. Nothing may be lost, half-written, wrong or left over.

    python benchmarks/faults/soak.py --trials 300 --out docs/results/faults.csv

Each trial begins with a fresh copy of a scenario's files. A child process runs the command line, and the fault strikes at
a random moment. Then every result that has its name must be whole: the old one or the new one. The same command is given
again and must end with the very bytes of a run that was never disturbed.

The libraries are loaded once; each trial is a fork. So a trial takes a tenth of a second and not ten.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import scenarios
from scenarios import Scenario

COUNTS = ("lost", "half_written", "wrong", "leftovers", "no_sentence")
SAID_BYTES = 1500
"""What a command says goes to a file too, which must not be the one that is too long."""
TRIAL_SECONDS = 120.0
"""A trial that takes longer counts as wrong."""


@dataclass
class Row:
    """What came of the trials of one scenario and one fault."""

    scenario: str
    fault: str
    trials: int = 0
    struck: int = 0
    """Trials in which the fault came before the command had ended."""
    counts: Counter[str] = field(default_factory=Counter)

    def fields(self) -> dict[str, object]:
        counted = {name: self.counts[name] for name in COUNTS}
        return {"scenario": self.scenario, "fault": self.fault, "trials": self.trials, "struck": self.struck} | counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=300, help="in all, shared by the scenarios and faults")
    parser.add_argument("--seconds", type=float, default=3600, help="no trial begins after this time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[], help="scenarios, by name")
    parser.add_argument("--out", type=Path, help="a CSV file")
    options = parser.parse_args()
    scenarios.load_libraries()
    rng, rows, began = random.Random(options.seed), dict[tuple[str, str], Row](), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        maker = os.fork()
        if maker == 0:
            list(scenarios.all_scenarios(Path(name), make=True))
            os._exit(0)
        os.waitpid(maker, 0)
        made = [
            each for each in scenarios.all_scenarios(Path(name), make=False) if not options.only or each.name in options.only
        ]
        pairs = [(each, fault) for each in made for fault in FAULTS if fault in each.faults]
        references = {each.name: undisturbed(each, Path(name)) for each in made}
        for number in range(options.trials):
            if time.monotonic() - began > options.seconds:
                break
            scenario, fault = pairs[number % len(pairs)]
            row = rows.setdefault((scenario.name, fault), Row(scenario.name, fault))
            trial(scenario, fault, references[scenario.name], Path(name) / "trial", rng, row)
    for row in rows.values():
        print(" ".join(f"{key} {value}" for key, value in row.fields().items()))
    if options.out:
        with options.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(Row("", "").fields()))
            writer.writeheader()
            writer.writerows(row.fields() for row in rows.values())
    bad = sum(row.counts.total() for row in rows.values())
    print(f"{sum(row.trials for row in rows.values())} trials, {sum(row.struck for row in rows.values())} struck, {bad} bad")
    sys.exit(1 if bad else 0)


@dataclass(frozen=True)
class Reference:
    """What a run gives that nobody disturbs, and how long it takes."""

    results: dict[str, bytes]
    seconds: float


def undisturbed(scenario: Scenario, folder: Path) -> Reference:
    """Run a scenario without a fault, twice: the second time tells the time without the first use of libraries."""
    for number in range(2):
        place = folder / f"reference-{scenario.name}-{number}"
        shutil.copytree(scenario.folder, place)
        began = time.monotonic()
        status, said = wait(start(scenario.command(place), place), place)
        if status != 0:
            sys.exit(f"{scenario.name} fails without a fault: {said}")
    return Reference(scenario.results(place), time.monotonic() - began)


def start(arguments: list[str], folder: Path, before: Callable[[], None] = lambda: None, tag: str = "") -> int:
    """Run the command line in a child process; its number."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        signal.alarm(int(TRIAL_SECONDS))
        said = os.open(folder / f"said{tag}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
        sys.argv = ["unnoise", *arguments]
        from unnoise.cli import main as unnoise

        before()
        try:
            unnoise()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 0
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def wait(child: int, folder: Path, tag: str = "") -> tuple[int, str]:
    """Exit status (below 0: the signal), and what was said."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), (folder / f"said{tag}").read_text(errors="replace")


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
        if data not in (old.get(name), reference.results.get(name)) and not scenario.is_whole(name, data):
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


def _moment(reference: Reference, rng: random.Random) -> None:
    time.sleep(rng.random() * 1.1 * reference.seconds)


def kill(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """SIGKILL at a random moment."""
    child = start(scenario.command(place), place)
    _moment(reference, rng)
    os.kill(child, signal.SIGKILL)
    status, said = wait(child, place)
    row.struck += status == -signal.SIGKILL
    return said


def stop(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """SIGTERM at a random moment, as at shutdown."""
    child = start(scenario.command(place), place)
    _moment(reference, rng)
    os.kill(child, signal.SIGTERM)
    status, said = wait(child, place)
    row.struck += status != 0
    return said


def no_room(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """No file can grow beyond a random size. Libraries see the error of a full disk."""
    most = rng.randrange(SAID_BYTES, max(SAID_BYTES + 1, *map(len, reference.results.values())))
    child = start(scenario.command(place), place, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
    status, said = wait(child, place)
    row.struck += status != 0
    _expect_sentence(status, said, row)
    return said


def _expect_sentence(status: int, said: str, row: Row) -> None:
    """A command that fails ends with 1 or 2, and says why."""
    if status not in (0, 1, 2) or (status and "unnoise: " not in said):
        row.counts["no_sentence"] += 1
        print(f"{row.scenario}, {row.fault}: status {status}, {said[-600:]}", file=sys.stderr)


def vanishing(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """An input is removed at a random moment."""
    return _spoilt(scenario, place, reference, rng, row, lambda file: file.unlink())


def shrinking(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """An input is cut short at a random moment, in place."""
    return _spoilt(scenario, place, reference, rng, row, lambda file: os.truncate(file, rng.randrange(file.stat().st_size)))


def _spoilt(
    scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row, spoil: Callable[[Path], None]
) -> str:
    child = start(scenario.command(place), place)
    _moment(reference, rng)
    spoil(rng.choice(sorted(file for file in (place / "in").rglob("*") if file.is_file())))
    status, said = wait(child, place)
    row.struck += status != 0
    _expect_sentence(status, said, row)
    return said


def two_runs(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """A second run on the same folder, from a random moment on. It works, or is told that the folder is in use."""
    first = start(scenario.command(place), place)
    _moment(reference, rng)
    status, other = wait(start(scenario.command(place, again=True), place, tag="2"), place, "2")
    told = "writes into" in other or "is there already" in other or "already holds a run" in other or "no checkpoint" in other
    row.struck += status != 0
    row.counts["no_sentence"] += status != 0 and not told
    return wait(first, place)[1] + other


def clock_backwards(scenario: Scenario, place: Path, reference: Reference, rng: random.Random, row: Row) -> str:
    """The clock goes backwards by a second at each look, and results get times of long ago."""

    def turn_back() -> None:
        seconds = iter(range(2**31, 0, -1))
        time.time = lambda: float(next(seconds))
        time.time_ns = lambda: next(seconds) * 10**9

    row.struck += 1
    return wait(start(scenario.command(place), place, turn_back), place)[1]


FAULTS: dict[str, Callable[[Scenario, Path, Reference, random.Random, Row], str]] = {
    "kill": kill,
    "stop": stop,
    "no room": no_room,
    "input vanishes": vanishing,
    "input shrinks": shrinking,
    "two runs": two_runs,
    "clock goes backwards": clock_backwards,
}

if __name__ == "__main__":
    main()
