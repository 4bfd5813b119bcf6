"""What `make merge` reads in README.md."""

from __future__ import annotations

import re
from pathlib import Path

README = Path("README.md")


def described(text: str) -> dict[str, str]:
    """What a README says of each method: name → the second column of its table."""
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", text, flags=re.MULTILINE))
