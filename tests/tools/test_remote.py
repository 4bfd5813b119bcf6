"""A remote is set up in the file that git keeps, hashed again when read, and never with a secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc.config import Config, ConfigError
from dvc.repo import Repo

from tests.conftest import REPOSITORY
from tools import faults, remote


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DVC repository, in which the test stands."""
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    Repo.init(no_scm=True).close()
    return tmp_path / "repository"


def team(repository: Path) -> dict[str, object]:
    return dict(Config(str(repository / ".dvc"))["remote"]["team"])


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [("s3://team/grayscale", "https://s3.example.org"), ("ssh://host/srv/x", ""), ("webdavs://host/x", ""), ("..", "")],
)
def test_the_remote_is_the_default_and_verified(repository: Path, url: str, endpoint: str) -> None:
    remote.checked(url, endpoint)
    remote.write(url, endpoint)
    assert Config(str(repository / ".dvc"))["core"]["remote"] == "team"
    assert team(repository)["verify"] is True
    assert team(repository).get("endpointurl", "") == endpoint
    assert not (repository / ".dvc/config.local").exists()


def test_a_relative_path_starts_where_make_is_run(repository: Path) -> None:
    remote.write("../store", "")
    assert team(repository)["url"] == str(repository.parent / "store")


def test_another_url_replaces_the_first_and_keeps_what_the_team_set(repository: Path) -> None:
    remote.write("s3://team/a", "https://s3.example.org")
    with Config(str(repository / ".dvc")).edit("repo") as config:
        config["remote"]["team"]["region"] = "eu-1"
    remote.write("s3://team/b", "")
    assert team(repository)["url"] == "s3://team/b"
    assert team(repository)["region"] == "eu-1"
    assert "endpointurl" not in team(repository)
    remote.write("ssh://host/srv/x", "")
    assert "region" not in team(repository)


@pytest.mark.parametrize("before", ["    url = gs://team/a\n    projectname = x\n", "    jobs = 4\n"])
def test_a_remote_that_is_not_known_here_is_replaced(repository: Path, before: str) -> None:
    (repository / ".dvc/config").write_text(f"['remote \"team\"']\n{before}")
    remote.write("..", "")
    assert team(repository)["url"] == str(repository.parent)
    assert not {"projectname", "jobs"} & set(team(repository))


def test_settings_of_this_clone_that_do_not_fit_are_told(repository: Path) -> None:
    remote.write("s3://team/a", "")
    (repository / ".dvc/config.local").write_text("['remote \"team\"']\n    keyfile = x\n")
    for url in ("s3://team/b", "webdavs://host/x"):
        with pytest.raises(ConfigError, match="is of another kind of remote"):
            remote.write(url, "")


@pytest.mark.parametrize(
    ("url", "endpoint", "option"),
    [
        ("s3://ada:love" + "lace@team/x", "", "secret_access_key"),
        ("s3://team/x", "https://ada:love" + "lace@host", "AWS_SECRET_ACCESS_KEY"),
        ("ssh://ada:love" + "lace@host/x", "", "keyfile"),
        ("webdavs://ada:love" + "lace@host/x", "", "password"),
    ],
)
def test_a_secret_in_a_url_is_refused_and_not_repeated(url: str, endpoint: str, option: str) -> None:
    with pytest.raises(remote.RemoteError, match=option) as refused:
        remote.checked(url, endpoint)
    assert "lovelace" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "endpoint", "message"),
    [
        ("gs://team/x", "", "a folder, s3://, ssh://, webdav:// or webdavs://"),
        ("no/such/folder", "", "make or mount it first"),
        ("s3:///x", "", "names no bucket"),
        ("ssh:///x", "", "names no server"),
        ("ssh://host/x", "https://host", "ENDPOINT belongs to s3:// alone"),
        ("s3://team/x", "s3.example.org", "must be a URL"),
    ],
)
def test_what_can_not_be_a_remote_is_refused(url: str, endpoint: str, message: str) -> None:
    with pytest.raises(remote.RemoteError, match=message):
        remote.checked(url, endpoint)


def test_a_missing_package_is_named_by_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "find_spec", lambda name: None)
    with pytest.raises(remote.RemoteError, match="make setup-remotes"):
        remote.checked("s3://team/x", "")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("OSError [Errno 28] No space left on device: 'a' -> 'b'", faults.FULL),
        ("HTTPError received 507 (Insufficient Storage)", faults.FULL),
        ("ClientError An error occurred (QuotaExceeded) when calling the PutObject operation", faults.FULL),
        ("401 files failed to upload", faults.UNKNOWN),
        ("LockError Unable to acquire lock", faults.BUSY),
        ("NoCredentialsError Unable to locate credentials", faults.LOGIN),
        ("NoSuchBucket An error occurred (NoSuchBucket) when calling ListObjectsV2", faults.ABSENT),
        ("OSError [Errno 30] Read-only file system: 'files'", faults.FORBIDDEN),
        ("RemoteMissingDepsError webdav://host/x", faults.PACKAGE),
        ("ImportError s3 is supported, but requires 'dvc-s3' to be installed", faults.PACKAGE),
    ],
)
def test_an_error_is_told_in_words(text: str, fault: faults.Fault) -> None:
    assert faults.advice(faults.OF_SHARE, [text], remote.KINDS["s3"]).startswith(f"{fault.meaning} {fault.action}")


def test_a_full_disk_is_the_one_that_is_written_to() -> None:
    full = ["OSError [Errno 28] No space left on device"]
    assert faults.HERE_FULL.meaning in faults.advice(faults.OF_PULL, full, remote.KINDS[""])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("PermissionError [Errno 13] Permission denied: '/srv/team/.dvc/cache/files/md5'", faults.HERE_FORBIDDEN),
        ("PermissionError [Errno 13] Access Denied: ClientError (AccessDenied) when calling", faults.FORBIDDEN),
        ("PermissionError [Errno 13] Permission denied: SFTPPermissionDenied Permission denied", faults.FORBIDDEN),
    ],
)
def test_who_forbids_a_pull_is_told_apart(text: str, fault: faults.Fault) -> None:
    assert fault.meaning in faults.advice(faults.OF_PULL, [text], remote.KINDS[""])


def test_the_manual_has_the_words_of_every_fault() -> None:
    manual = (REPOSITORY / "docs/team.md").read_text(encoding="utf-8")
    for fault in {*faults.OF_SHARE, *faults.OF_PULL, faults.UNKNOWN}:
        assert f"| {fault.meaning} | {fault.action.removesuffix(':')}" in manual


@pytest.mark.parametrize("kind", remote.KINDS.values(), ids=list(remote.KINDS))
def test_the_manual_has_the_options_of_every_secret(kind: remote.Kind) -> None:
    manual = (REPOSITORY / "docs/team.md").read_text(encoding="utf-8")
    for option in kind.secrets:
        assert f"`{option}`" in manual
