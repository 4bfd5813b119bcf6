"""Downloads from a real server, which may fail."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pooch
import pytest

from stages.common.artifacts import ArtifactError
from stages.fetch import download
from stages.fetch.download import CACHE, downloaded
from tests.fetch.files import Handler, Server, png, serving, sha256, zipped

GOOD = zipped(("a/1.png", png(1)), ("b/2.png", png(2)))
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    """A server without past requests, an empty cache, no wait between tries, no proxy."""
    for name in (*PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(download, "WAIT", 0.0)
    running.asked.clear()
    running.routes = {"/good.zip": lambda handler: handler.give(GOOD)}
    return running


def got(*urls: str) -> bytes:
    return downloaded(urls, sha256(GOOD)).read_bytes()


def test_mirrors_are_tried_in_order_and_the_cache_is_checked_at_each_use(server: Server, tmp_path: Path) -> None:
    urls = [server.url(f"{path}?token=secret") for path in ("/gone.zip", "/good.zip", "/never.zip")]
    assert got(*urls) == GOOD
    assert server.asked == {"/gone.zip": 1, "/good.zip": 1}
    assert [file.name for file in (tmp_path / "cache").iterdir()] == [sha256(GOOD)]
    assert got("http://127.0.0.1:1/x.zip") == GOOD  # port 1 refuses
    (tmp_path / "cache" / sha256(GOOD)).write_bytes(b"PK damaged")
    assert got(*urls) == GOOD
    assert server.asked["/good.zip"] == 2


def falls_silent(handler: Handler) -> None:
    handler.give(GOOD[:100], length=len(GOOD))
    handler.wfile.flush()
    handler.server.over.wait(5)


def test_temporary_failures_are_retried(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    answers = iter([lambda handler: handler.send_error(500), falls_silent, lambda handler: handler.give(GOOD)])
    server.routes["/at%20last.zip"] = lambda handler: next(answers)(handler)
    assert got(server.url("/at%20last.zip")) == GOOD
    assert server.asked["/at%20last.zip"] == 3


@pytest.mark.parametrize(
    ("answer", "tries", "words"),
    [
        (lambda h: h.send_error(404), 1, "404 Not Found"),
        (lambda h: h.send_error(429), 3, "429 Too Many Requests"),
        (lambda h: h.send_error(500), 3, "500 Internal Server Error"),
        (lambda h: h.give(GOOD[:100], length=len(GOOD)), 3, "IncompleteRead"),
        (falls_silent, 3, "timed out"),
        (lambda h: h.connection.close(), 3, "Remote end closed connection"),
        (lambda h: h.give(b"PK another"), 1, "SHA256 hash of downloaded file"),
    ],
)
def test_a_failed_download_says_what_each_url_gave_and_leaves_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, tries: int, words: str
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    server.routes["/bad.zip"] = answer
    with pytest.raises(ArtifactError) as caught:
        got(server.url("/gone.zip"), server.url("/bad.zip"))
    first, gone, bad, _ = str(caught.value).splitlines()
    assert sha256(GOOD)[:12] in first
    assert "/gone.zip: 404 Not Found" in gone
    assert f"/bad.zip: {words}" in bad
    assert server.asked == {"/gone.zip": 1, "/bad.zip": tries}
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_message_contains_a_password(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    pooch.get_logger().setLevel("INFO")  # as it is at first
    pooch.get_logger().addHandler(caplog.handler)
    missing = server.url("/gone.zip?token=secret").replace("://", "://me:secret@")
    refusing = "http://me:secret@127.0.0.1:1/x.zip"  # nobody listens on port 1
    malformed = "http://me:secret@/x.zip"  # requests repeats the URL
    with pytest.raises(ArtifactError) as caught:
        got(missing, refusing, malformed)
    pooch.get_logger().removeHandler(caplog.handler)
    message = str(caught.value)
    assert [words for words in ("/gone.zip: 404", "refused", "No host supplied") if words not in message] == []
    assert "secret" not in message + caplog.text
