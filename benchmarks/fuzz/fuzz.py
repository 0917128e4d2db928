"""Fuzzing: damaged files of every kind that unnoise reads. Each must be read, or be one sentence.

    python benchmarks/fuzz/fuzz.py --inputs 100000 --keep findings/ --out counts.csv

The corpus is made here: small files of each format, recipes, model files, checkpoints, manifests and results of teachers.
Each input is one of them with bytes changed, cut out, doubled, or taken from another one. In every other one the damage is
within archives, chunks and bodies, whose checksums and lengths are right again. Worker processes read them. An input that
ends its worker, that takes more than `SECONDS`, `MEMORY_BYTES` or `TAKEN_MEBIBYTES`, or that raises anything but an
`UnnoiseError` is a finding. With `--out FILE` the numbers of each kind are noted after each batch, and the same command goes on there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import corpus
import psutil
import repairs
import state_kinds
from tally import Tally

BATCH = 2000
"""Inputs of one worker process. The first HTTP request of each starts a server, which takes seconds."""
SECONDS = 20
"""Of processor time, that an input may take."""
MEMORY_BYTES = 6 * 10**9
"""Of address space, for a worker."""
TAKEN_MEBIBYTES = 200
"""So much an input of a few kB may make the process grow; a server that starts and libraries that load included. Told on Linux
alone."""
FILES_OF_A_REQUEST = 4
"""So many inputs each kind of file has for one of each kind of HTTP request: those wait for answers, a hundred times as long."""
EXTREMES = (b"\0", b"\xff", b"\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"[" * 999)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3600, help="no worker begins after this time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[], help="kinds of files, by name")
    parser.add_argument("--keep", type=Path, help="a folder for inputs that are findings")
    parser.add_argument("--out", type=Path, help="a CSV file for the number of each kind")
    options = parser.parse_args()
    corpus.load_libraries()
    began, findings, tally = time.monotonic(), [], Tally(options.out)
    done = tally.inputs.total()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        maker = os.fork()  # libvips, once used, does not survive a fork
        if maker == 0:
            corpus.make(folder)
            os._exit(0)
        if os.waitpid(maker, 0)[1]:
            sys.exit("the corpus cannot be made")
        made = [file for file in sorted(folder.iterdir()) if not options.only or file.stem in options.only]
        slow = [file.name.startswith("http-") or file.stem in state_kinds.LARGE for file in made]
        seeds = [file for file, rare in zip(made, slow, strict=True) for _ in range(1 if rare else FILES_OF_A_REQUEST)]
        while done < options.inputs and time.monotonic() - began < options.seconds:
            count = min(BATCH, options.inputs - done)
            found = _batch(seeds, options.seed + done, count, folder, options.keep)
            read = Counter(seeds[(options.seed + number) % len(seeds)].name for number in range(done, done + count))
            tally.add(read, Counter(kind for kind, _, _ in found))
            findings += found
            done += count
            if done % 10_000 == 0:
                print(f"{done} inputs, {tally.findings.total()} findings", flush=True)
    alike = Counter((kind, re.sub(r"0x\w+|\d+", "…", what)) for kind, what, _ in findings)
    for (kind, what), count in alike.most_common():
        print(f"{count} × {kind}: {what}")
    print(f"{done} inputs of {len(made)} kinds, {tally.findings.total()} findings")
    sys.exit(1 if tally.findings.total() else 0)


def _batch(seeds: list[Path], seed: int, count: int, folder: Path, keep: Path | None) -> list[tuple[str, str, int]]:
    """Kind, what went wrong, and seed of each finding of one worker's inputs."""
    first, findings = seed, []
    while first < seed + count:
        place = folder / "input"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        notes = place / "notes"
        worker = os.fork()
        if worker == 0:
            _work(seeds, range(first, seed + count), place, notes)
        _, status = os.waitpid(worker, 0)
        lines = [line.split("\t") for line in notes.read_text().splitlines()]
        for number, kind, what in lines:
            if what:
                findings.append((kind, what, int(number)))
        if os.WIFSIGNALED(status):
            number, kind, _ = lines[-1]
            findings.append((kind, f"ended by {signal.Signals(os.WTERMSIG(status)).name}", int(number)))
            first = int(number) + 1
        else:
            break
    for _, what, number in findings:
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            source = seeds[number % len(seeds)]
            (keep / f"{number}-{source.name}").write_bytes(mutated(seeds, number)[1])
            print(f"{number}-{source.name}: {what}", file=sys.stderr)
    return findings


def _work(seeds: list[Path], numbers: range, place: Path, notes: Path) -> None:
    """Read the inputs of these numbers, and end. A line is noted before each, and the finding behind it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    with notes.open("w") as file:
        for number in numbers:
            source, data = mutated(seeds, number)
            path = place / source.name
            path.write_bytes(data)
            file.write(f"{number}\t{source.name}\t")
            file.flush()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            file.write(f"{_finding(source.stem, path)}\n")
            signal.setitimer(signal.ITIMER_PROF, 0)
            file.flush()
    os._exit(0)


def _finding(kind: str, path: Path) -> str:
    """What is wrong with how an input is read; empty: nothing."""
    from unnoise.errors import UnnoiseError
    from unnoise.evaluation.cost import PeakMemory

    try:
        before = psutil.Process().memory_info().rss / 2**20
        with PeakMemory("cpu") as peak, contextlib.suppress(UnnoiseError):
            corpus.read(kind, path)
        taken = (peak.mebibytes or 0) - before
        if taken > TAKEN_MEBIBYTES:
            return f"takes {taken:.0f} MiB"
    except MemoryError:
        return "MemoryError"
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())[:80]
        return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}: {text}"
    return ""


def mutated(seeds: list[Path], number: int) -> tuple[Path, bytes]:
    """The input of a number: the file that it was made from, and its bytes."""
    rng = random.Random(number)
    source = seeds[number % len(seeds)]
    data = source.read_bytes()

    def change(kept: bytearray) -> None:
        for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
            if kept:
                _change(kept, seeds, rng)

    if rng.randrange(2):
        return source, repairs.change_within(data, change, rng.randrange(1000))
    kept = bytearray(data)
    change(kept)
    return source, bytes(kept)


def _change(data: bytearray, seeds: list[Path], rng: random.Random) -> None:
    """Change some bytes at a random place, which is often near the beginning."""
    place = min(rng.randrange(len(data)), rng.choice((len(data), 64, 512)))
    kind = rng.randrange(7)
    if kind == 0:
        data[place : place + 1] = bytes([rng.randrange(256)])
    elif kind == 1:
        data[place : place + 1] = bytes([data[min(place, len(data) - 1)] ^ 1 << rng.randrange(8)])
    elif kind == 2:
        wanted = rng.choice(EXTREMES)
        data[place : place + len(wanted)] = wanted
    elif kind == 3:
        del data[place : place + rng.choice((1, 4, 100, len(data)))]
    elif kind == 4:
        end = place + rng.choice((1, 8, 200))
        data[place:place] = data[place:end] * rng.choice((1, 2, 50))
    elif kind == 5:
        other = rng.choice(seeds).read_bytes()
        start = rng.randrange(len(other))
        data[place : place + 64] = other[start : start + rng.choice((4, 64, 400))]
    else:
        data[place : place + 8] = rng.randbytes(8)


if __name__ == "__main__":
    main()
