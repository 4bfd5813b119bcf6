"""One cache for two users of one machine, as in docs/team.md; needs root, which can act as both."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.common.artifacts import sha256_of
from tests import samples
from tests.conftest import Workspace, stages_of
from tests.team.conftest import MANUAL

GROUP = 4200  # ids need no entry in /etc
ADA, BEN = 4201, 4202
READS_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--securebits=+no_setuid_fixup")
PAGE = "stages/report/page.html"


def as_user(user: int) -> tuple[str, ...]:
    """The prefix that runs a command as that user, with that user's rights."""
    return ("setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={GROUP}")


class Account(Workspace):
    """A user with a home, and a clone in it."""

    def __init__(self, machine: Path, name: str, user: int, umask: str, rights: tuple[str, ...]) -> None:
        self.home = machine / name
        super().__init__(self.home / "clone")
        self.prefix = (*as_user(user), *rights, "sh", "-c", f'umask {umask}; exec "$@"', "-")
        self.home.mkdir()
        (self.home / ".gitconfig").write_text(
            f"[user]\n\tname = {name}\n\temail = {name}@example.org\n[safe]\n\tdirectory = *\n[pull]\n\tff = only\n"
        )
        shutil.chown(self.home, user, user)

    def clone(self, source: Workspace) -> None:
        """Clone the repository of another user."""
        subprocess.run([*self.prefix, "mkdir", self.folder], check=True)
        self.run("git", "clone", "--quiet", str(source.folder), ".")

    def start(self, *command: str, **environment: Any) -> subprocess.Popen[str]:
        me = {"HOME": str(self.home), "USER": self.home.name, "LOGNAME": self.home.name}
        return super().start(*self.prefix, *command, **me, **environment)

    def follow(self, *commands: str) -> str:
        """Run commands of docs/team.md; their output."""
        return "".join(self.run("bash", "-ec", re.sub("^make", "make RUNTIME=", line)).stdout for line in commands)


def manual(reader: str, cache: Path) -> list[str]:
    """The commands of docs/team.md for a reader, with the test's folder and group."""
    (block,) = re.findall(rf"```sh {reader}\n(.*?)```", MANUAL, flags=re.DOTALL)
    commands = [line.split("  #")[0].strip() for line in block.splitlines()]
    return [command.replace("/srv/dvc-cache", str(cache)).replace("vision", str(GROUP)) for command in commands]


@pytest.fixture(scope="module")
def rights() -> tuple[str, ...]:
    """What a user needs to start this Python: nothing, or the right to read everything, if it lies in /root."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as two users")
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is missing: it comes with util-linux")
    for tried in ((), READS_ALL):
        command = [*as_user(ADA), *tried, "env", sys.executable, "-c", "import dvc.repo"]  # with `env`'s rights
        if subprocess.run(command, cwd="/", capture_output=True).returncode == 0:
            return tried
    pytest.skip(f"other users can't start {sys.executable}, and root may not let them (CAP_DAC_READ_SEARCH)")


@pytest.fixture(scope="module")
def machine(rights: tuple[str, ...]) -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def cache(machine: Path) -> Path:
    """The shared folder."""
    (command,) = manual("administrator", machine / "cache")
    subprocess.run(["bash", "-ec", command], check=True)
    return machine / "cache"


@pytest.fixture(scope="module")
def ada(first_rebuild: Workspace, machine: Path, cache: Path, rights: tuple[str, ...]) -> Account:
    """Ada, who brings a rebuild."""
    ada = Account(machine, "ada", ADA, "022", rights)
    first_rebuild.copy(ada.folder)
    subprocess.run(["chown", "--recursive", "--no-dereference", f"{ADA}:{ADA}", str(ada.folder)], check=True)
    ada.follow(*manual("first", cache))
    shutil.rmtree(ada.folder / ".dvc/cache")
    ada.follow(*manual("everyone", cache))
    return ada


@pytest.fixture(scope="module")
def ben(ada: Account, machine: Path, cache: Path, rights: tuple[str, ...]) -> Account:
    """Ben with a new clone, and a umask that by itself would lock Ada out, after the commands of the manual."""
    ben = Account(machine, "ben", BEN, "077", rights)
    ben.clone(ada)
    output = ben.follow(*manual("everyone", cache))
    assert "Stage 'evaluate@subpixel' is cached - skipping run, checking out outputs" in output
    assert stages_of(output) == ["report"]  # which DVC never restores
    return ben


def objects(cache: Path) -> dict[Path, str]:
    """Every object of a cache, and its sha256."""
    return {path: sha256_of(path) for path in sorted((cache / "files").rglob("*")) if path.is_file()}


def target_of(workspace: Workspace, file: str) -> Path:
    """The object that a file of the workspace links to."""
    path = workspace.folder / file
    assert path.is_symlink()
    return path.readlink()


def test_a_second_user_takes_the_results_of_the_first_as_links(ada: Account, ben: Account, cache: Path) -> None:
    for user in (ada, ben):
        files = [path for path in user.folder.glob("data/*/**/*") if not path.is_dir()]
        assert len(files) > 40
        assert [path for path in files if path.readlink() not in objects(cache)] == []
        assert user.run("git", "status", "--porcelain").stdout == ""
    assert {path.stat().st_uid for path in objects(cache)} == {ADA}


def test_each_takes_what_the_other_adds_whatever_the_umask(ada: Account, ben: Account, cache: Path) -> None:
    def change(user: Account) -> list[str]:
        page = user.folder / PAGE
        page.write_text(page.read_text().replace("<h2>Curves", "<h2>The curves"))
        return user.stages_run()

    assert change(ben) == ["report"]
    assert target_of(ben, "data/report/index.html").stat().st_uid == BEN
    assert change(ada) == ["report"]
    assert target_of(ada, "data/report/index.html") == target_of(ben, "data/report/index.html")
    for user in (ADA, BEN):
        closed = ["find", str(cache), "!", "-readable", "-o", "-type", "d", "!", "-writable"]
        assert subprocess.run([*as_user(user), *closed], capture_output=True, text=True, check=True).stdout == ""


def test_stages_replace_links_and_never_write_through_them(ben: Account, cache: Path) -> None:
    before = objects(cache)
    ben.run("python", "-m", "stages.targets")  # without DVC, which would remove them first
    assert not (ben.folder / "data/pairs/counts.csv").is_symlink()
    assert objects(cache) == before
    ben.run("dvc", "checkout", "--relink", "targets")
    assert target_of(ben, "data/pairs/counts.csv") in before
    samples.write_leaves(ben.folder, range(1))
    ben.run("python", "-m", "grayscale", "walk 0/leaves-000.jpg", "--variant", "subpixel", "--output", "gray.png")
