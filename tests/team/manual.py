"""The commands of docs/team.md, for the tests that type them."""

import re

from tests.conftest import REPOSITORY

MANUAL = REPOSITORY / "docs/team.md"


def walk(section: str) -> list[tuple[str, str]]:
    """Who types what, in a section of docs/team.md: (`ada` or `ben`, command line), in order."""
    text = MANUAL.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    fences = re.findall(r"^```sh (ada|ben)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(person, line) for person, lines in fences for line in lines.splitlines()]
