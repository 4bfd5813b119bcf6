"""The pipeline, in the order in which data flows: fetch, targets, train, evaluate, report.

This runs before any other code of the pipeline, so it checks that Python has the project's packages, and sets how many
threads NumPy uses.
"""

import importlib.util
import os
import sys

if not (3, 11) <= sys.version_info[:2] <= (3, 13) or not all(map(importlib.util.find_spec, ("pandas", "pydantic"))):
    raise SystemExit(
        f"{sys.executable} is Python {sys.version.split()[0]} without the packages of this project: "
        "run `make setup`, then `. .venv/bin/activate`"
    )

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # stages run side by side; more threads would spin, and take time
