"""The folder of a killed process vanishes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from unnoise.files.vanishing import vanishing_folder

PROGRAM = """
import time
from unnoise.files.vanishing import vanishing_folder
with vanishing_folder("unnoise-test-") as folder:
    (folder / "a").mkdir()
    (folder / "a" / "b").write_text("c")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no shell for it")
@pytest.mark.parametrize("with_children", [False, True])
def test_after_a_kill(tmp_path: Path, with_children: bool) -> None:
    """Ray kills the children of a worker, too."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert (folder / "a" / "b").exists()
        children = psutil.Process(process.pid).children(recursive=True)
        for each in children if with_children else []:
            each.kill()
        process.kill()
    for _ in range(1000):
        if not folder.exists():
            break
        time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


def test_after_an_error() -> None:
    def fail() -> None:
        with vanishing_folder("unnoise-test-") as folder:
            seen.append(folder)
            (folder / "a").write_text("b")
            raise KeyError

    seen: list[Path] = []
    with pytest.raises(KeyError):
        fail()
    assert not seen[0].exists()
