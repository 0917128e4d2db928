"""Look for known vulnerabilities of the locked packages, by pip-audit.

    python tools/audit.py

Exit status 1: a package has one that `requirements/advisories.toml` does not explain. Where the advisory service cannot be
reached, or does not know the packages, as behind some mirrors, nothing is found; a line says so, and the status is 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EXPLAINED = ROOT / "requirements" / "advisories.toml"
LOCKED = ROOT / "requirements" / "dev.txt"
SECONDS = 120
"""For all answers of the advisory service."""


def main() -> None:
    """Run pip-audit, print what it found, and end with the status."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-r", str(LOCKED), "--format", "json"]
    try:
        answer = subprocess.run(
            [*command, "--progress-spinner", "off", "--timeout", "15"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        answer = subprocess.CompletedProcess(command, 1, "", f"no answer within {SECONDS} s")
    try:
        found = json.loads(answer.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = " ".join((answer.stderr.strip().splitlines() or ["no reason given"])[-1].split())[:200]
        print(f"Not audited: the advisory service cannot be reached ({reason}).")
        return
    said, status = verdict(found, tomllib.loads(EXPLAINED.read_text(encoding="utf-8")))
    print(said)
    sys.exit(status)


def verdict(found: list[dict[str, Any]], explained: dict[str, str]) -> tuple[str, int]:
    """What to say of pip-audit's answer, and the exit status.

    Args:
        found: its entry for each package.
        explained: advisories, and why they do not concern us.

    >>> verdict([{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}], {})
    ('a 1 has the vulnerability X-1, mended in 2.\\n1 package audited, 1 vulnerability unexplained.', 1)
    >>> verdict([{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}], {"X-1": "not called"})
    ('1 package audited, 0 vulnerabilities unexplained.', 0)
    >>> verdict([{"name": "a", "skip_reason": "not on PyPI"}], {})
    ('Not audited: the advisory service knows none of 1 package.', 0)
    """
    audited = [each for each in found if "skip_reason" not in each]
    if not audited:
        return f"Not audited: the advisory service knows none of {_count(len(found), 'package')}.", 0
    lines = []
    for each in audited:
        for fault in each["vulns"]:
            if not {fault["id"], *fault.get("aliases", [])} & explained.keys():
                mended = ", ".join(fault["fix_versions"]) or "no version"
                lines.append(f"{each['name']} {each['version']} has the vulnerability {fault['id']}, mended in {mended}.")
    unknown = len(found) - len(audited)
    rest = f"; the service does not know {_count(unknown, 'other')}" if unknown else ""
    total = f"{_count(len(audited), 'package')} audited, {_count(len(lines), 'vulnerability', 'vulnerabilities')} unexplained{rest}."
    return "\n".join([*lines, total]), int(bool(lines))


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


if __name__ == "__main__":
    main()
