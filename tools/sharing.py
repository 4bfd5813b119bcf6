"""Shares results through a DVC remote: `python -m tools.sharing share|pull` (`make share`, `make pull`).

DVC does the work. This adds checks: only current results are shared, a missing folder is not taken for an empty remote,
one missing object does not stop the others, and a pull ends with current results.
"""

import argparse
import subprocess
from pathlib import Path

from tools import DVC, ToolError, output_of

STATUS = ("status", "--quiet", "dvc.yaml")
REFUSED = 3  # exit code of `stages.common.dvc`
INCOMPLETE = 1  # exit code of `dvc pull` if objects are missing or corrupt; it is 255 if the remote can't be read


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.sharing", description=__doc__)
    parser.add_argument("verb", choices=["share", "pull"], help="upload current results, or download and rebuild")
    verb = parser.parse_args().verb
    try:
        require_remote()
        share() if verb == "share" else pull()
    except ToolError as error:
        raise SystemExit(f"{verb}: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"{verb}: interrupted; finished transfers are kept") from None
    print("share: all is on the remote" if verb == "share" else "pull: all is current")


def share() -> None:
    """Upload the objects of dvc.lock and the run cache; `ToolError` if results are not current or an upload failed."""
    if dvc(*STATUS) != 0:
        raise ToolError("results are not current, nothing was uploaded; run make repro, commit, and share again")
    if dvc("push", "--run-cache") != 0:
        raise ToolError(
            "not everything was uploaded; DVC says above why. Check that the remote is up, has space and lets you "
            "write, and that your key is set (docs/team.md), then run make share again"
        )


def pull() -> None:
    """Download results, run the stages that nobody has shared, and check that all is current.

    Raises:
        ToolError: the remote lacks an object or did not answer, a stage failed, or results are still not current.
    """
    code = dvc("pull")
    if code == INCOMPLETE:
        dvc("checkout", "--allow-missing")  # if one object is missing, dvc pull checks nothing out
        raise ToolError(
            "the objects named above are missing or corrupt on the remote; all others have arrived. Ask whoever made "
            "them to run make share (make audit REPAIR=1 if they are corrupt), or run make repro to make them here"
        )
    if code != 0:
        raise ToolError(
            "the remote did not answer, or did not let you in; DVC says above why. Check that it is up and your key is "
            "set (docs/team.md), then run make pull again; or run make repro to compute everything here"
        )
    if dvc("repro", "--pull") != 0:
        raise ToolError(
            "a stage failed, or its recorded result is not on the remote; DVC says above which. Fix it, or make repro"
        )
    if dvc(*STATUS) != 0:
        raise ToolError(
            "results are not current (see dvc status dvc.yaml); perhaps an input is missing, or the disk is full"
        )


def dvc(*arguments: str) -> int:
    """Run a DVC command and return its exit code; `ToolError` if it was killed, or refused a path."""
    code = subprocess.run([*DVC, *arguments], check=False).returncode
    if code < 0:  # DVC says nothing
        raise ToolError(f"signal {-code} ended dvc {arguments[0]}; free memory if it ran out, and run it again")
    if code == REFUSED:
        raise ToolError(
            "the path named above is outside the pipeline's outputs, so nothing was written to it; find out who put it "
            "on the remote, into dvc.lock or into the cache"
        )
    return code


def require_remote() -> None:
    """`ToolError` if there is no default remote, or if its folder is missing."""
    settings = dict(line.split("=", 1) for line in output_of(*DVC, "config", "--list").splitlines())
    url = settings.get(f"remote.{settings.get('core.remote')}.url", "")
    if not url:
        raise ToolError("no remote is set up; run make remote URL=… with a folder or URL that the whole team can reach")
    if "://" not in url and not Path(url).is_dir():  # DVC would create it
        raise ToolError(f"{url} is not there; mount it, or correct it: make remote URL=…")


if __name__ == "__main__":
    main()
