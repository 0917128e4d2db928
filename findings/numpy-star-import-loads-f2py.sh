#!/usr/bin/env bash
# `from numpy import *` (numpy 2.4.6) imports f2py and the test helpers too, about 180 modules, and so does array_api_compat.numpy 1.16.0.
# Expected: names of what `import numpy` had loaded already. Submodules that load on first use are in numpy's __all__.
# Exits with 0 while that is so, with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 array-api-compat==1.16.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import subprocess
import sys

COUNT = """
import sys, time
import numpy
before, start = set(sys.modules), time.process_time()
{statement}
new = set(sys.modules) - before
print(len(new), int("numpy.f2py" in new), int("numpy.testing" in new), round(1000 * (time.process_time() - start)))
"""


def loaded(statement):
    printed = subprocess.run([sys.executable, "-c", COUNT.format(statement=statement)], check=True, capture_output=True, text=True)
    return [round(float(word)) for word in printed.stdout.split()]


print("numpy", importlib.metadata.version("numpy"), "array-api-compat", importlib.metadata.version("array-api-compat"))
found = []
for statement in ("from numpy import array, mean", "from numpy import *", "import array_api_compat.numpy"):
    modules, f2py, testing, milliseconds = loaded(statement)
    found.append((modules > 100, f2py, testing))
    print(f"after `import numpy`, `{statement}`: {modules} modules more, f2py {bool(f2py)}, testing {bool(testing)}, {milliseconds} ms")
sys.exit(found != [(False, 0, 0), (True, 1, 1), (True, 1, 1)])
PYTHON
