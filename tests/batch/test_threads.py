"""A thread that finds no memory for its first objects does not keep the command waiting."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import concurrent.futures, sys, threading
from unnoise.batch.threads import bound_thread_starts

bound_thread_starts(float(sys.argv[1]))
ran = []
works = threading.Thread(target=ran.append, args=(1,))  # what has room runs as ever
works.start()
works.join()
assert ran == [1] and not works.is_alive()
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    assert list(pool.map(abs, [-1, -2])) == [1, 2]

for name in ("_start_new_thread", "_start_joinable_thread"):  # of Python 3.11, and of later ones
    if hasattr(threading, name):
        setattr(threading, name, lambda *given, **more: None)  # it is begun, and never runs
for start in (threading.Thread(target=print).start, threading.Timer(1, print).start, lambda: pool_of_one().submit(abs, 1)):
    pool_of_one = lambda: concurrent.futures.ThreadPoolExecutor(1)
    try:
        start()
    except RuntimeError as error:
        print(error)
print(threading.enumerate() == [threading.main_thread()])
"""


def test_a_thread_that_never_runs_is_an_error() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM, "0.5"], capture_output=True, text=True, timeout=100, check=True)
    assert ended.stdout.splitlines() == [*["can't start new thread"] * 3, "True"]


COMMAND = """
import sys, threading
import unnoise.batch.threads, unnoise.cli

unnoise.batch.threads.START_SECONDS = 0.5
unnoise.cli.worker._is_wanted = lambda: False


@unnoise.cli.app.command("begin-a-thread")
def begin() -> None:
    threading._start_new_thread = threading._start_joinable_thread = lambda *given, **more: None
    threading.Thread(target=print).start()


sys.argv[1:] = ["begin-a-thread"]
unnoise.cli.main()
"""


def test_a_command_whose_thread_never_runs_ends_with_a_sentence() -> None:
    ended = subprocess.run([sys.executable, "-c", COMMAND], capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 1
    assert ended.stderr == ("unnoise: There is not enough memory for this; close other programs, or give a smaller --tile.\n")
