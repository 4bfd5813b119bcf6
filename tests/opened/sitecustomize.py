"""Logs every file that a stage opens; Python imports it where this folder is on PYTHONPATH."""

import os
import sys
from pathlib import Path
from typing import Any

if "DVC_STAGE" in os.environ and "OPENED_FILES" in os.environ:
    LOG = os.open(os.environ["OPENED_FILES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path, mode = Path(os.fsdecode(arguments[0])), arguments[1]
            if mode is not None or path.is_absolute():  # not relative to an unknown folder, as in `os.open`
                os.write(LOG, f"{os.environ['DVC_STAGE']}\t{path.absolute()}\n".encode())

    sys.addaudithook(note)
