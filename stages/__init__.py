"""The pipeline's rooms, in the order in which data flows: fetch, targets, train, evaluate, report.

The one package with code: it is what runs first, whatever is started, and says in a sentence that this is not the
Python of the environment. It changes no result.
"""

import importlib.util
import sys

if not (3, 11) <= sys.version_info[:2] <= (3, 13) or not all(map(importlib.util.find_spec, ("pandas", "pydantic"))):
    raise SystemExit(
        f"{sys.executable} is Python {sys.version.split()[0]} without the packages of this project: "
        "run `make setup`, then `. .venv/bin/activate`"
    )
