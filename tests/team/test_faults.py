"""What goes wrong between a clone and a remote: nothing corrupt is believed, nothing is lost.

A small DVC repository stands in for the pipeline, with the real tools and real servers.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Workspace
from tests.team import servers
from tests.team.links import link
from tools import faults, remote
from tools.sharing import SharingError, opened

FILES, SIZE = 8, 500_000  # of the one output, in bytes each
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

ROOMS = ("killed", "login", "reading", "both", "silent")  # a folder of a test on a server
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
    with ExitStack() as stack:
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
    with chdir(folder):
        remote.write(f"{url}/{room}" if room else url, *(endpoint or [""]))
    secrets = "".join(f"    {option} = {value}\n" for option, value in access.secrets)
    (folder / ".dvc/config.local").write_text(f"['remote \"team\"']\n{secrets}" if secrets else "")
    workspace.commit("Share results")
    return workspace


@pytest.fixture(scope="module")
def shared_once(results: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results, `ada`, and the remote, `store`, that they have been uploaded to; tests take copies."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "store").mkdir()
    ada = member(results, folder / "ada", servers.Access([f"URL={folder / 'store'}"], []))
    assert tool(ada, "sharing", "share").returncode == 0
    return folder


@pytest.fixture
def shared_folder(shared_once: Path, tmp_path: Path) -> tuple[Workspace, Path]:
    """A copy of the results, and the remote, a folder beside it, that it has been uploaded to."""
    store = tmp_path / "store"
    shutil.copytree(shared_once / "store", store)
    return member(Workspace(shared_once / "ada"), tmp_path / "ada", servers.Access([f"URL={store}"], [])), store


def clone(workspace: Workspace, folder: Path) -> Workspace:
    """A fresh clone with the same secrets, without results."""
    workspace.run("git", "clone", "--quiet", ".", str(folder))
    shutil.copy(workspace.folder / ".dvc/config.local", folder / ".dvc/config.local")
    return Workspace(folder)


def tool(workspace: Workspace, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return ended(started(workspace, name, *arguments))


def started(workspace: Workspace, name: str, *arguments: str) -> subprocess.Popen[str]:
    return workspace.start(
        "python", "-m", f"tools.{name}", *arguments, PYTHONPATH=str(REPOSITORY), AWS_MAX_ATTEMPTS="1"
    )


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def contents(workspace: Workspace) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (workspace.folder / "out").iterdir()}


def told(result: subprocess.CompletedProcess[str], fault: faults.Fault) -> None:
    """The command failed and ended with what this fault means, and what to do."""
    assert result.returncode != 0, result.stdout
    assert f"{fault.meaning} {fault.action}" in result.stderr, result.stderr[-4000:]
    assert "Running stage" not in result.stdout


def damage(store: Path, how: str, mode: int = 0o444) -> None:
    """Change a byte of an object in a folder of objects, or cut it short; DVC believes a read-only file."""
    first, *_, last = [path for path in sorted(store.rglob("*")) if path.is_file() and path.stat().st_size == SIZE]
    victim = first if how == "changed" else last
    content = victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(content[: SIZE // 2] if how == "truncated" else bytes([content[0] ^ 1]) + content[1:])
    victim.chmod(mode)


def test_a_corrupt_object_never_reaches_a_workspace_and_is_repaired(
    shared_folder: tuple[Workspace, Path], tmp_path: Path
) -> None:
    ada, store = shared_folder
    damage(store, "changed")
    damage(store, "truncated")
    ben = clone(ada, tmp_path / "ben")
    result = tool(ben, "sharing", "pull")
    told(result, faults.CORRUPT)
    assert len(set(re.findall(r"(\w+) is corrupt on the remote", result.stderr))) == 2
    assert not (ben.folder / "out").exists()
    assert tool(ada, "audit", "--repair").returncode == 0
    assert tool(ben, "sharing", "pull").returncode == 0
    assert contents(ben) == contents(ada)


@pytest.mark.parametrize("what", ["a file", "the list of a folder"])
def test_no_stage_runs_in_place_of_a_record_whose_object_is_corrupt(
    shared_folder: tuple[Workspace, Path], tmp_path: Path, what: str
) -> None:
    ada, store = shared_folder
    if what == "a file":
        damage(store, "truncated")
    else:
        listing = next(store.rglob("*.dir"))
        listing.chmod(0o644)
        listing.write_text(listing.read_text()[:100])
        listing.chmod(0o444)
    ben = clone(ada, tmp_path / "ben")
    (ben.folder / "dvc.lock").unlink()  # so that only the record of Ada's run tells what comes out
    told(tool(ben, "sharing", "pull"), faults.CORRUPT)


def test_a_record_that_is_cut_short_is_not_believed(shared_folder: tuple[Workspace, Path], tmp_path: Path) -> None:
    ada, store = shared_folder
    record = next(path for path in (store / "runs").rglob("*") if path.is_file())
    record.write_text(record.read_text().splitlines()[0])  # still valid YAML
    ben = clone(ada, tmp_path / "ben")
    (ben.folder / "dvc.lock").unlink()
    result = tool(ben, "sharing", "pull")
    assert result.returncode == 0, result.stderr
    assert f"{record.name}, is corrupt on the remote" in result.stderr
    assert contents(ben) == contents(ada)


def test_a_corrupt_cache_is_not_taken_for_a_corrupt_remote(results: Workspace, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    ada = member(results, tmp_path / "ada", servers.Access([f"URL={tmp_path / 'store'}"], []))
    damage(ada.folder / ".dvc/cache", "changed", mode=0o644)  # DVC hashes what is not read-only
    shutil.rmtree(ada.folder / "out")
    result = tool(ada, "sharing", "pull")
    assert result.returncode == 0, result.stderr
    assert "Running stage 'make'" in result.stdout


def test_a_corrupt_cache_never_replaces_a_sound_object(shared_folder: tuple[Workspace, Path]) -> None:
    ada, store = shared_folder
    sound = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    damage(ada.folder / ".dvc/cache", "truncated")
    result = tool(ada, "sharing", "share")
    assert result.returncode != 0
    assert "make audit REPAIR=1" in result.stderr
    assert {path: path.read_bytes() for path in sound} == sound


@pytest.mark.parametrize("kind", ["s3", "webdav", pytest.param("ssh", marks=pytest.mark.long)])
def test_what_a_dying_server_cut_off_is_completed_later_and_whoever_may_read_can_pull(
    results: Workspace, server: Starting, tmp_path: Path, kind: str
) -> None:
    running = server(kind)
    cut = FILES * SIZE / 4
    with link(running.port, silent_after=cut) as way:
        ada = member(results, tmp_path / "ada", through(running.access, running.port, way.port), "killed")
        sharing = started(ada, "sharing", "share")
        wait_for(lambda: way.sent > cut)
        running.stop()
        way.silent_after = float("inf")
        told(ended(sharing), faults.LOST)
        running.start()
        again = tool(ada, "sharing", "share")
        assert again.returncode == 0, again.stderr
    ben = member(clone(ada, tmp_path / "clone"), tmp_path / "ben", running.read_only, "killed")
    pulled = tool(ben, "sharing", "pull")  # hashes what it gets
    assert pulled.returncode == 0, pulled.stderr
    assert contents(ben) == contents(ada)


def test_no_stage_runs_in_place_of_a_transfer_from_a_server_that_died_on_the_way(
    results: Workspace, server: Starting, tmp_path: Path
) -> None:
    running = server("webdav")  # whose client takes a connection that fails for a file that is not there
    assert running.process is not None
    ada = member(results, tmp_path / "ada", running.access, "killed")
    assert tool(ada, "sharing", "share").returncode == 0
    ben = clone(ada, tmp_path / "ben")
    (ben.folder / "dvc.lock").unlink()
    (ben.folder / "dvc.yaml").write_text(
        PIPELINE.replace("stages:\n", f"stages:\n  before:\n    cmd: kill -9 {running.process.pid}\n")
    )
    result = tool(ben, "sharing", "pull")
    running.stop()
    running.start()
    assert "Running stage 'before'" in result.stdout
    assert "Running stage 'make'" not in result.stdout
    assert f"{faults.LOST.meaning} {faults.LOST.action}" in result.stderr


def through(access: servers.Access, port: int, other: int) -> servers.Access:
    """The same server, reached by another port."""
    return servers.Access([each.replace(f":{port}", f":{other}") for each in access.make_arguments], access.secrets)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("kind", servers.KINDS)
def test_no_stage_runs_where_nobody_answers(results: Workspace, server: Starting, tmp_path: Path, kind: str) -> None:
    running = server(kind)
    [nobody] = servers.free_ports(1)
    ada = member(results, tmp_path / "ada", through(running.access, running.port, nobody), "killed")
    told(tool(clone(ada, tmp_path / "ben"), "sharing", "pull"), faults.LOST)


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
    tries = [
        started(ada, "sharing", "share"),
        started(clone(ada, tmp_path / "ben"), "sharing", "pull"),
        started(clone(ada, tmp_path / "auditor"), "audit"),
    ]
    for result in map(ended, tries):
        told(result, faults.LOGIN)
        assert f"dvc remote modify --local team {option} …" in result.stderr


@pytest.mark.parametrize("kind", servers.KINDS)
def test_who_may_only_read_is_told_so_when_sharing(
    results: Workspace, server: Starting, tmp_path: Path, kind: str
) -> None:
    ben = member(results, tmp_path / "ben", server(kind).read_only, "reading")
    told(tool(ben, "sharing", "share"), faults.FORBIDDEN)


def test_a_full_remote_is_told_and_completed_once_it_has_room(results: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    with servers.webdav(folder) as running:
        command = running.command
        running.stop()
        running.command = ["sh", "-c", 'ulimit -f 450; exec "$0" "$@"', *command]  # its files can't grow to SIZE
        running.start()
        ada = member(results, tmp_path / "ada", running.access)
        told(tool(ada, "sharing", "share"), faults.FAILING)
        running.stop()
        running.command = command
        running.start()
        assert tool(ada, "sharing", "share").returncode == 0
        audit = tool(ada, "audit")
        assert audit.returncode == 0, audit.stdout + audit.stderr


def test_two_can_share_at_once_one_of_them_over_a_slow_link(
    results: Workspace, server: Starting, tmp_path: Path
) -> None:
    running = server("webdav")  # keeps a file under its name while it arrives
    with link(running.port, rate=200e3) as way:  # a file takes seconds
        slow = member(results, tmp_path / "ada", through(running.access, running.port, way.port), "both")
        quick = member(results, tmp_path / "ben", running.access, "both")
        first = started(slow, "sharing", "share")
        wait_for(lambda: way.sent > SIZE)
        shares = [tool(quick, "sharing", "share"), ended(first)]
        for share in shares:
            assert share.returncode == 0, share.stderr
    audit = tool(quick, "audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_a_link_gone_silent_is_given_up(results: Workspace, server: Starting, tmp_path: Path) -> None:
    running = server("webdav")
    with link(running.port, silent_after=FILES * SIZE / 2) as way:
        ada = member(results, tmp_path / "ada", through(running.access, running.port, way.port), "silent")
        ada.run("dvc", "remote", "modify", "--local", "team", "timeout", "1")
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


def test_a_folder_that_is_not_mounted_is_not_made(shared_folder: tuple[Workspace, Path]) -> None:
    ada, store = shared_folder
    shutil.rmtree(store)
    told(tool(ada, "sharing", "pull"), faults.ABSENT)
    assert not store.exists()


def test_a_file_that_vanished_from_the_remote_is_uploaded_again(shared_folder: tuple[Workspace, Path]) -> None:
    ada, store = shared_folder
    next(path for path in store.rglob("*") if path.is_file() and path.stat().st_size == SIZE).unlink()
    result = tool(ada, "sharing", "share")
    assert result.returncode == 0, result.stderr
    assert "was missing or cut short on the remote; uploaded again" in result.stdout
    assert tool(ada, "audit").returncode == 0


def test_without_a_remote_the_message_names_make_remote(results: Workspace) -> None:
    with chdir(results.folder), pytest.raises(SharingError, match="make remote"):
        opened()


@pytest.mark.parametrize(
    "left",
    [
        "['remote \"team\"']\n    region = eu-1\n",
        "[core]\n    remote = other\n",
        "['remote \"team\"']\n    url = gs://x\n",
    ],
    ids=["of another kind of remote", "a remote that is not there", "a kind that is not known"],
)
def test_settings_that_do_not_belong_are_told(shared_folder: tuple[Workspace, Path], left: str) -> None:
    ada, _ = shared_folder
    (ada.folder / ".dvc/config.local").write_text(left)
    with chdir(ada.folder), pytest.raises(SharingError, match=r"Correct \.dvc/config\.local"):
        opened()
