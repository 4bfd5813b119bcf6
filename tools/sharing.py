"""Give results to the team and take them over: `python -m tools.sharing share|pull` (`make share`, `make pull`).

DVC does the work. What is added: nothing is shared that is not current, a missing folder is not taken for an empty
remote, one missing object does not hold up the others, and at the end DVC is asked whether all is current.
"""

import argparse
import subprocess
from pathlib import Path

from tools import DVC, ToolError, printed

STATUS = ("status", "--quiet", "dvc.yaml")
REFUSED = 3  # exit code of `stages.common.dvc`
LACKS = 1  # exit code of `dvc pull` when objects are missing or corrupt; it is 255 when the remote can't be read


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.sharing", description=__doc__)
    parser.add_argument("verb", choices=["share", "pull"], help="upload what is current, or take over and rebuild")
    verb = parser.parse_args().verb
    try:
        remote_url()
        share() if verb == "share" else pull()
    except ToolError as error:
        raise SystemExit(f"{verb}: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"{verb}: interrupted; what has arrived is kept") from None
    print("share: all is on the remote" if verb == "share" else "pull: all is current")


def share() -> None:
    """Upload the objects of dvc.lock, and the records of runs by which others find them.

    Raises:
        ToolError: results are not current, or not everything arrived.
    """
    if dvc(*STATUS) != 0:
        raise ToolError("results are not current, nothing was uploaded; run make repro, commit, and share again")
    if dvc("push", "--run-cache") != 0:
        raise ToolError(
            "not everything arrived, and DVC says above why: see that the remote is up, has room and lets you write, "
            "and that your key is set (docs/team.md), then run make share again"
        )


def pull() -> None:
    """Download what others have computed, run the rest, and check that all is current.

    Raises:
        ToolError: the remote lacks something or did not answer, a stage failed, or results are not current then.
    """
    arrived = dvc("pull")
    if arrived == LACKS:
        dvc("checkout", "--allow-missing")  # dvc pull puts nothing into its place if one object is missing
        raise ToolError(
            "the remote lacks what is named above, or holds it corrupt; all else has arrived. Ask whoever made it to "
            "run make share (or make audit REPAIR=1 if it is corrupt), or run make repro to make it here"
        )
    if arrived != 0:
        raise ToolError(
            "the remote did not answer, or did not let you in, and DVC says above why: see that it is up and your key "
            "is set (docs/team.md), then run make pull again; or run make repro to compute everything here"
        )
    if dvc("repro", "--pull") != 0:
        raise ToolError(
            "a stage failed, or its recorded result is not on the remote; DVC says above which. Mend it, or run "
            "make repro"
        )
    if dvc(*STATUS) != 0:
        raise ToolError("results are not current (dvc status dvc.yaml tells which); free space if the disk is full")


def dvc(*arguments: str) -> int:
    """Run a DVC command, whose bars and messages appear as always; its exit code.

    Raises:
        ToolError: it was refused, as leading elsewhere.
    """
    code = subprocess.run([*DVC, *arguments], check=False).returncode
    if code == REFUSED:
        raise ToolError(
            "what is named above would be written where nothing of the pipeline lies, and was not; find out who wrote "
            "it to the remote, to dvc.lock or into the cache"
        )
    return code


def remote_url() -> str:
    """URL or absolute path of the default remote; `ToolError` if there is none, or no folder: DVC would make it."""
    settings = dict(line.split("=", 1) for line in printed(*DVC, "config", "--list").splitlines())
    url = settings.get(f"remote.{settings.get('core.remote')}.url", "")
    if not url:
        raise ToolError("no remote is set up; run make remote URL=…, with a folder or URL that all of the team reach")
    if "://" not in url and not Path(url).is_dir():
        raise ToolError(f"{url} is not there; mount it, or correct it: make remote URL=…")
    return url


if __name__ == "__main__":
    main()
