"""The command `python -m tools.compare main`: do two revisions score differently?"""

from __future__ import annotations

import argparse
from pathlib import Path

from stages.common.artifacts import ArtifactError, write_text
from tools.compare import comparison
from tools.compare.compare import compare
from tools.compare.revisions import Revision

PAGE = Path("data/comparison.html")


def main() -> None:
    """Print the comparison and write its page; exit with 1 and a message if there is no such revision."""
    parser = argparse.ArgumentParser(prog="python -m tools.compare", description=__doc__)
    parser.add_argument("old", help="commit, branch or tag to compare with")
    parser.add_argument("--to", metavar="REV", help="instead of the workspace, as its dvc.lock has it")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write it there, too, for a pull request")
    arguments = parser.parse_args()
    try:
        old, new = Revision(arguments.old), Revision(arguments.to)
        found = compare(old, new)
    except ArtifactError as error:
        raise SystemExit(f"compare: {error}") from None
    if arguments.markdown:
        write_text(arguments.markdown, comparison.markdown(found))
    print(f"{comparison.text(found)}\n")
    try:
        write_text(PAGE, comparison.page(new.read("data/report/index.html").decode(), found))
        print(f"With pictures: {PAGE}")
    except ArtifactError as error:
        PAGE.unlink(missing_ok=True)  # that of another comparison
        print(f"There is no page with pictures: {error}")


if __name__ == "__main__":
    main()
