"""The plugin beside a running Qt application: the window's loop goes on, the bar moves, and the result comes in its thread."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import threading, time, warnings
warnings.simplefilter("ignore")
from qtpy.QtWidgets import QApplication
application = QApplication([])
import numpy as np
from napari.components import ViewerModel
from unnoise.napari_plugin import widgets
from unnoise.napari_plugin.background import PERCENT, start, stepwise

def wait_for(worker, seconds=60):
    ended = []
    worker.finished.connect(lambda: ended.append(True))
    until, rounds = time.monotonic() + seconds, 0
    while not ended and time.monotonic() < until:
        application.processEvents()
        time.sleep(0.005)
        rounds += 1
    application.processEvents()
    assert ended, "the worker did not end"
    return rounds

yields, threads = [], []
def slow(tell):
    for i in range(20):
        time.sleep(0.01)
        tell((i + 1) / 20)
    return "done"
worker = start(lambda: stepwise(slow), "Slow", lambda result: threads.append((result, threading.current_thread())))
worker.yielded.connect(yields.append)
assert wait_for(worker) > 10, "the window's loop stood still"
assert len(yields) == PERCENT, len(yields)
assert threads == [("done", threading.main_thread())], threads

began, stopped = threading.Event(), []
def endless(tell):
    try:
        while True:
            began.set()
            time.sleep(0.01)
            tell(0.01 + time.monotonic() % 0.9)
    finally:
        stopped.append(True)
worker = start(lambda: stepwise(endless), "Endless", lambda result: threads.append(result))
began.wait(30)
worker.quit()
wait_for(worker)
time.sleep(0.3)
assert stopped and len(threads) == 1, (stopped, threads)

viewer = ViewerModel()
layer = viewer.add_image(np.random.default_rng(0).poisson(200, (48, 48)).astype(np.uint16), name="cells")
worker = widgets.denoise(viewer, layer, "fast")
wait_for(worker)
assert [each.name for each in viewer.layers] == ["cells", "cells denoised"], viewer.layers

heard = []
worker = widgets.denoise(viewer, layer, "no-such")
worker.errored.connect(heard.append)
wait_for(worker)
assert "no-such" in str(heard[0]), heard
print("all is well")
"""


@pytest.mark.slow
def test_work_runs_beside_the_window() -> None:
    """In a process of its own: a Qt application stays for the rest of a process."""
    pytest.importorskip("napari", reason="napari is not installed: pip install '.[napari]'")
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if "QtBindingsNotFoundError" in answer.stderr or "cannot open shared object file" in answer.stderr:
        pytest.skip(f"Qt cannot be loaded: {answer.stderr.strip().splitlines()[-1]}")
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert answer.stdout.endswith("all is well\n")
