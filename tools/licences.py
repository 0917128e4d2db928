"""The licences of all packages that an environment gets, in docs/licences.md.

    python tools/licences.py            # write the page
    python tools/licences.py --check    # as `make lint` does: is the page up to date, and each licence one that we take?

Each package of `requirements/dev.txt` must have a licence in its metadata, or in `requirements/licences.toml`. Copyleft
licences need a reason there.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
KNOWN = tomllib.loads((ROOT / "requirements" / "licences.toml").read_text(encoding="utf-8"))
PERMISSIVE = re.compile(
    r"0BSD|AFL|Apache|BSD|BSL|Boost|CC0|HPND|ISC|MIT|PSF|Python|Unlicense|Zlib|zlib|Public Domain|CNRI", re.ASCII
)
COPYLEFT = re.compile(r"GPL|GNU|MPL|Mozilla|EPL|Eclipse|EUPL|CDDL", re.ASCII)
"""Looked for first: a package under one of these needs a reason."""
HEADER = """\
# Licences

unnoise has the licence Apache-2.0. These are the licences of the packages that it uses, as the packages state them.
`python tools/licences.py` writes this page, on Linux; `make lint` checks it. Notes stand in `requirements/licences.toml`."""
LONGEST_LINE = 100
"""A field that is longer holds the licence itself and not its name."""


def main() -> None:
    """Write the page, or check it; exit status 1 with one line for each fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    found = {name: licence_of(name) for name in packages()}
    page = page_of(found)
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
    faults = [fault for name, licence in found.items() if (fault := fault_of(name, licence))]
    if names_on(PAGE.read_text(encoding="utf-8")) != names_on(page):  # builds of one version word their licence in several ways
        faults.append("docs/licences.md is not up to date; run: python tools/licences.py")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(found)} packages, {len(faults)} faults of licences")
    sys.exit(1 if faults else 0)


def names_on(page: str) -> list[str]:
    """The packages in the first column of the page's tables.

    >>> names_on("| rich | MIT |")
    ['rich']
    """
    return re.findall(r"^\| ([\w.-]+) \|", page, re.MULTILINE)


def packages() -> set[str]:
    """The packages of the locked files on this system, and PyTorch."""
    lines = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.removesuffix("\\").strip()) for line in lines if "==" in line and not line.startswith((" ", "#"))]
    return {canonicalize_name(pin.name) for pin in pins if pin.marker is None or pin.marker.evaluate()} | {"torch"}


def licence_of(name: str) -> str:
    """The licence that an installed package states; empty: none. One that is not installed has an empty one too."""
    if name in KNOWN["stated"]:
        return str(KNOWN["stated"][name])
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        return ""
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [text.split(" :: ")[-1] for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    line = (metadata.get("License") or "").strip()
    if 0 < len(line) < LONGEST_LINE and "\n" not in line and line != "UNKNOWN":
        return re.sub(r" [Ll]icen[sc]e$", "", line)  # builds of one version differ in this word
    return ", ".join(re.sub(r" License$", "", name) for name in classifiers)


def fault_of(name: str, licence: str) -> str:
    """What is wrong with a package's licence; empty: nothing.

    >>> fault_of("rich", "MIT")
    ''
    >>> fault_of("rich", "AGPL-3.0")
    'rich has the licence AGPL-3.0, which needs a reason in requirements/licences.toml'
    """
    if not licence:
        return f"{name} states no licence, or is not installed; see requirements/licences.toml"
    if COPYLEFT.search(licence):
        if name in KNOWN["copyleft"]:
            return ""
        return f"{name} has the licence {licence}, which needs a reason in requirements/licences.toml"
    return "" if PERMISSIVE.search(licence) else f"{name} has the licence {licence}, which tools/licences.py does not know"


def needed_by_users() -> set[str]:
    """The packages that unnoise and its extras need, and what those need in turn; the others are for development."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    texts = [
        *project["dependencies"],
        *(text for name in extras["all"] for each in Requirement(name).extras for text in extras[each]),
    ]
    waiting = [Requirement(text) for text in [*texts, "torch"]]
    found: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        key = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if key in found:
            continue
        found.add(key)
        try:
            needed = [Requirement(text) for text in distribution(requirement.name).requires or []]
        except PackageNotFoundError:
            continue
        asked = ("", *requirement.extras)
        waiting += [
            each for each in needed if each.marker is None or any(each.marker.evaluate({"extra": name}) for name in asked)
        ]
    return {name for name, _ in found}


def page_of(found: dict[str, str]) -> str:
    """The page for these packages and licences."""
    users = needed_by_users()
    notes = KNOWN["copyleft"] | KNOWN["bundled"]
    parts = [HEADER]
    for title, chosen in (("What unnoise and its extras use", users), ("What its development uses", found.keys() - users)):
        rows = [f"| {name} | {licence} | {notes.get(name, '')} |" for name, licence in sorted(found.items()) if name in chosen]
        parts.append("\n".join([f"## {title}", "", "| package | licence | note |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
