"""What goes wrong between a clone and a remote: nothing corrupt is believed, nothing is lost.

A small DVC repository stands in for the pipeline, with the real tools and real servers.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Workspace
from tests.team import servers
from tests.team.links import link
from tools import faults

FILES, SIZE = 20, 1_000_000  # of the one output, in bytes each
PIPELINE = """stages:
  make:
    cmd: python make.py
    deps: [make.py]
    outs: [out]
"""
MAKE = f"""import pathlib, random
out = pathlib.Path("out")
out.mkdir()
for index in range({FILES}):
    (out / str(index)).write_bytes(random.Random(index).randbytes({SIZE}))
"""

ROOMS = ("killed", "login", "reading", "slow", "silent")  # a folder of a test on a server
Starting = Callable[[str], servers.Server]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A committed repository whose one stage has run; tests take copies."""
    workspace = Workspace(tmp_path_factory.mktemp("faults") / "results")
    workspace.folder.mkdir()
    (workspace.folder / "dvc.yaml").write_text(PIPELINE)
    (workspace.folder / "make.py").write_text(MAKE)
    workspace.run("git", "init", "--quiet", "--initial-branch=main")
    workspace.run("git", "config", "user.name", "Ada")
    workspace.run("git", "config", "user.email", "ada@example.org")
    workspace.run("dvc", "init", "--quiet")
    shutil.copy(REPOSITORY / ".dvc/config", workspace.folder / ".dvc/config")
    workspace.run("dvc", "repro", "--quiet")
    workspace.commit("Results")
    return workspace


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starting]:
    """Starts a server of a kind, one for the tests of this file; each test has a folder of its own on it."""
    with servers.ExitStack() as stack:
        started: dict[str, servers.Server] = {}

        def start(kind: str) -> servers.Server:
            if kind not in started:
                started[kind] = stack.enter_context(servers.KINDS[kind](tmp_path_factory.mktemp(kind)))
                folder = started[kind].objects
                if folder is not None:
                    for room in ROOMS:
                        (folder / room).mkdir()  # DVC makes none on WebDAV
            return started[kind]

        yield start


def member(results: Workspace, folder: Path, access: servers.Access, room: str = "") -> Workspace:
    """A copy of the results in `folder`, shared through a remote: its folder `room`, if that is given."""
    workspace = results.copy(folder)
    url, *endpoint = [argument.split("=", 1)[1] for argument in access.make_arguments]
    told = tool(workspace, "remote", f"{url}/{room}" if room else url, *(f"--endpoint={each}" for each in endpoint))
    assert told.returncode == 0, told.stderr
    secrets = "".join(f"    {option} = {value}\n" for option, value in access.secrets)
    (folder / ".dvc/config.local").write_text(f"['remote \"team\"']\n{secrets}" if secrets else "")
    workspace.commit("Share results")
    return workspace


def shared_folder(results: Workspace, tmp_path: Path) -> tuple[Workspace, Path]:
    """A copy of the results, and the remote, a folder, that it has been uploaded to."""
    store = tmp_path / "store"
    store.mkdir()
    ada = member(results, tmp_path / "ada", servers.Access([f"URL={store}"], []))
    assert tool(ada, "sharing", "share").returncode == 0
    return ada, store


def clone(workspace: Workspace, folder: Path) -> Workspace:
    """A fresh clone with the same secrets, without results."""
    workspace.run("git", "clone", "--quiet", ".", str(folder))
    shutil.copy(workspace.folder / ".dvc/config.local", folder / ".dvc/config.local")
    return Workspace(folder)


def tool(workspace: Workspace, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return workspace.run("python", "-m", f"tools.{name}", *arguments, ok=False, PYTHONPATH=str(REPOSITORY))


def contents(workspace: Workspace) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (workspace.folder / "out").iterdir()}


def told(result: subprocess.CompletedProcess[str], fault: faults.Fault) -> None:
    """The command failed and ended with what this fault means, and what to do."""
    assert result.returncode != 0, result.stdout
    assert f"{fault.meaning} {fault.action}" in result.stderr, result.stderr[-4000:]


def damage(store: Path, how: str) -> None:
    """Change a byte of an object in a folder of objects, or cut it short; DVC believes a read-only file."""
    victim = next(path for path in sorted(store.rglob("*")) if path.is_file() and path.stat().st_size == SIZE)
    content = victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(content[: SIZE // 2] if how == "truncated" else bytes([content[0] ^ 1]) + content[1:])
    victim.chmod(0o444)


@pytest.mark.parametrize("how", ["truncated", "changed"])
def test_a_corrupt_object_never_reaches_a_workspace_and_is_repaired(
    results: Workspace, tmp_path: Path, how: str
) -> None:
    ada, store = shared_folder(results, tmp_path)
    damage(store, how)
    ben = clone(ada, tmp_path / "ben")
    result = tool(ben, "sharing", "pull")
    told(result, faults.CORRUPT)
    assert "Running stage" not in result.stdout
    assert not (ben.folder / "out").exists()
    assert tool(ada, "audit", "--repair").returncode == 0
    assert tool(ben, "sharing", "pull").returncode == 0
    assert contents(ben) == contents(ada)


def test_no_stage_runs_in_place_of_a_record_whose_object_is_corrupt(results: Workspace, tmp_path: Path) -> None:
    ada, store = shared_folder(results, tmp_path)
    damage(store, "truncated")
    ben = clone(ada, tmp_path / "ben")
    (ben.folder / "dvc.lock").unlink()  # so that only the record of Ada's run tells what comes out
    result = tool(ben, "sharing", "pull")
    told(result, faults.CORRUPT)
    assert "Running stage" not in result.stdout


@pytest.mark.parametrize("kind", servers.KINDS)
def test_a_push_that_a_dying_server_cut_off_is_completed_later(
    results: Workspace, server: Starting, tmp_path: Path, kind: str
) -> None:
    running = server(kind)
    with link(running.port, rate=10e6) as way:
        access = through(running.access, running.port, way.port)
        ada = member(results, tmp_path / "ada", access, "killed")
        sharing = ada.start("python", "-m", "tools.sharing", "share", PYTHONPATH=str(REPOSITORY))
        wait_for(lambda: way.sent > FILES * SIZE / 4)
        running.stop()
        output, errors = sharing.communicate()
        told(subprocess.CompletedProcess([], sharing.returncode, output, errors), faults.LOST)
        running.start()
        way.rate = float("inf")
        again = tool(ada, "sharing", "share")
        assert again.returncode == 0, again.stderr
        audit = tool(ada, "audit")
        assert audit.returncode == 0, audit.stdout + audit.stderr
        ben = clone(ada, tmp_path / "ben")
        assert tool(ben, "sharing", "pull").returncode == 0
    assert contents(ben) == contents(ada)


def through(access: servers.Access, port: int, other: int) -> servers.Access:
    """The same server, reached by another port."""
    return servers.Access([each.replace(f":{port}", f":{other}") for each in access.make_arguments], access.secrets)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("kind", servers.KINDS)
def test_wrong_credentials_are_told_with_where_they_go(
    results: Workspace, server: Starting, tmp_path: Path, kind: str
) -> None:
    access = server(kind).access
    wrong = tmp_path / "stranger"
    if kind == "ssh":
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(wrong)], check=True)
    *rest, (option, _) = access.secrets
    ada = member(
        results, tmp_path / "ada", servers.Access(access.make_arguments, [*rest, (option, str(wrong))]), "login"
    )
    result = tool(ada, "sharing", "share")
    told(result, faults.LOGIN)
    assert f"dvc remote modify --local team {option} …" in result.stderr


@pytest.mark.parametrize("kind", servers.KINDS)
def test_who_may_only_read_can_pull_and_is_told_so_when_sharing(
    results: Workspace, server: Starting, tmp_path: Path, kind: str
) -> None:
    running = server(kind)
    ben = member(results, tmp_path / "ben", running.read_only, "reading")
    told(tool(ben, "sharing", "share"), faults.FORBIDDEN)
    ada = member(results, tmp_path / "ada", running.access, "reading")
    assert tool(ada, "sharing", "share").returncode == 0
    reader = clone(ben, tmp_path / "reader")
    result = tool(reader, "sharing", "pull")
    assert result.returncode == 0, result.stderr
    assert contents(reader) == contents(ada)


def test_a_full_remote_is_told_and_completed_once_it_has_room(results: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    with servers.webdav(folder) as running:
        command = running.command
        running.stop()
        running.command = ["sh", "-c", 'ulimit -f 900; exec "$0" "$@"', *command]  # its files can't grow to SIZE
        running.start()
        ada = member(results, tmp_path / "ada", running.access)
        told(tool(ada, "sharing", "share"), faults.FAILING)
        running.stop()
        running.command = command
        running.start()
        assert tool(ada, "sharing", "share").returncode == 0
        audit = tool(ada, "audit")
        assert audit.returncode == 0, audit.stdout + audit.stderr


def test_two_can_share_at_once(results: Workspace, server: Starting, tmp_path: Path) -> None:
    running = server("s3")
    people = [member(results, tmp_path / name, running.access, "both") for name in ("ada", "ben")]
    shares = [each.start("python", "-m", "tools.sharing", "share", PYTHONPATH=str(REPOSITORY)) for each in people]
    for share in shares:
        _, errors = share.communicate()
        assert share.returncode == 0, errors
    audit = tool(people[0], "audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_a_slow_link_is_waited_for(results: Workspace, server: Starting, tmp_path: Path) -> None:
    running = server("s3")
    with link(running.port, rate=400e3) as way:  # a file takes longer than most intervals between two signs of life
        ada = member(results, tmp_path / "ada", through(running.access, running.port, way.port), "slow")
        assert tool(ada, "sharing", "share").returncode == 0


def test_a_link_gone_silent_is_given_up(results: Workspace, server: Starting, tmp_path: Path) -> None:
    running = server("webdav")
    with link(running.port, silent_after=2e6) as way:
        ada = member(results, tmp_path / "ada", through(running.access, running.port, way.port), "silent")
        ada.run("dvc", "remote", "modify", "--local", "team", "timeout", "2")
        told(tool(ada, "sharing", "share"), faults.LOST)


def test_what_is_not_current_is_not_shared(results: Workspace, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    ada = member(results, tmp_path / "ada", servers.Access([f"URL={store}"], []))
    (ada.folder / "make.py").write_text(MAKE + "# changed\n")
    result = tool(ada, "sharing", "share")
    assert result.returncode != 0
    assert "run make repro" in result.stderr
    assert list(store.iterdir()) == []


def test_a_folder_that_is_not_mounted_is_not_made(results: Workspace, tmp_path: Path) -> None:
    ada, store = shared_folder(results, tmp_path)
    shutil.rmtree(store)
    for verb in ("share", "pull"):
        told(tool(ada, "sharing", verb), faults.ABSENT)
    assert not store.exists()


def test_a_file_that_vanished_from_the_remote_is_uploaded_again(results: Workspace, tmp_path: Path) -> None:
    ada, store = shared_folder(results, tmp_path)
    next(path for path in store.rglob("*") if path.is_file() and path.stat().st_size == SIZE).unlink()
    result = tool(ada, "sharing", "share")
    assert result.returncode == 0, result.stderr
    assert "was missing or cut short on the remote; uploaded again" in result.stdout
    assert tool(ada, "audit").returncode == 0


def test_without_a_remote_the_message_names_make_remote(results: Workspace) -> None:
    for verb in ("share", "pull"):
        assert "make remote" in tool(results, "sharing", verb).stderr
