"""DVC with path checks: `python -m stages.common.dvc pull` is `dvc pull`.

DVC trusts a remote and dvc.lock: names and hashes may contain slashes, and outputs need not be in dvc.yaml. It uses a
directory listing or run record in the command that downloads it, so the checks run in the same process. DVC also keeps
pickles in /var/tmp/dvc, where other users could replace them (CVE-2025-69872); here they are in a folder of the clone.
"""

import os
import sys
from functools import wraps
from pathlib import Path
from typing import Any

from dvc.cli import main
from dvc.output import Output
from dvc_data.hashfile.db.local import LocalHashFileDB
from dvc_data.hashfile.tree import Tree
from dvc_objects.db import ObjectDB

REFUSED = 3  # exit code; DVC uses 1, 2, 250 and above
PRIVATE = Path(".dvc/tmp/site")


class RefusedError(BaseException):
    """A path leads out of the outputs. Not an `Exception`, which DVC would treat as a network error."""


def check_entry(_: Tree, key: tuple[str, ...], *__: Any) -> None:
    """`RefusedError` if a name in a directory listing leads out of the directory."""
    if not {"", ".", ".."}.isdisjoint(key) or "\0" in "".join(key):
        raise RefusedError(f"a list of a folder holds the name {'/'.join(key)!r}, which leads out of it")


def check_output(output: Output, *_: Any, **__: Any) -> None:
    """`RefusedError` if an output that is to be checked out, perhaps of a run record, is not in dvc.yaml."""
    if output.fs_path not in {known.fs_path for known in output.repo.index.outs}:
        raise RefusedError(f"a record of a run has the output {output.def_path!r}, which dvc.yaml does not have")


def check_hash(_: ObjectDB, hash_: str) -> None:
    """`RefusedError` if the name of a file in the cache or on a remote is not a hash."""
    if not hash_.removesuffix(".dir").isalnum():
        raise RefusedError(f"{hash_!r} is no hash")


def checked(owner: type, name: str, check: Any) -> None:
    """Make the method `name` of a class run a check first."""
    method = getattr(owner, name)

    @wraps(method)
    def with_check(*arguments: Any, **named: Any) -> Any:
        check(*arguments, **named)
        return method(*arguments, **named)

    setattr(owner, name, with_check)


if __name__ == "__main__":
    if PRIVATE.parents[1].is_dir():
        PRIVATE.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ.setdefault("DVC_SITE_CACHE_DIR", str(PRIVATE.absolute()))
    checked(Tree, "add", check_entry)
    checked(Output, "checkout", check_output)
    for database in (ObjectDB, LocalHashFileDB):
        checked(database, "oid_to_path", check_hash)
    try:
        sys.exit(main())
    except RefusedError as error:
        print(f"dvc: {error}; refused. See docs/security.md", file=sys.stderr)
        sys.exit(REFUSED)
