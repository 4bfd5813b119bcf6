"""Archives come from a disk or from a server that may fail in any way, and may hold anything at all."""

from __future__ import annotations

import contextlib
import io
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from stages.common.artifacts import ArtifactError
from stages.fetch import download, unpack
from stages.fetch.download import CACHE
from stages.fetch.photograph import Photograph, Skipped
from stages.fetch.sources import archive
from stages.fetch.sources.archive import Settings
from stages.fetch.unpack import is_archive
from tests.fetch import files
from tests.fetch.server import Handler, Server, pixels, png, serving, sha256, tarred, zipped

GOOD = zipped(("a/1.png", png(1)), ("b/2.png", png(2)))
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    """A server that nobody has asked anything, an empty cache, no wait between tries, no proxy."""
    for name in (*PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(download, "WAIT", 0.0)
    running.asked.clear()
    running.routes = {"/good.zip": lambda handler: handler.give(GOOD)}
    return running


def settings(inputs: str = "unused", urls: tuple[str, ...] = (), content: bytes = GOOD, **changes: Any) -> Settings:
    fields = {"inputs": inputs, "urls": list(urls), "sha256": sha256(content), "domain": "everyday"}
    return Settings(source="archive", matte=[255, 255, 255], strict=False, **{**fields, **changes})


def photographs(what: Settings) -> list[Photograph | Skipped]:
    """All that an archive gives to a stage that keeps nothing of an earlier run."""
    with tempfile.TemporaryDirectory() as keep:
        return list(files.given(archive.plan(what, Path(keep))))


def read(path: Path, content: bytes) -> tuple[dict[str, Photograph], dict[str, str]]:
    """What a local archive of that content gives: photographs, and the reasons of what was skipped, by name."""
    path.write_bytes(content)
    found = photographs(settings(str(path), content=content))
    return (
        {item.name: item for item in found if isinstance(item, Photograph)},
        {item.name: item.reason for item in found if isinstance(item, Skipped)},
    )


def refusal(what: Settings) -> str:
    with pytest.raises(ArtifactError) as caught:
        photographs(what)
    return str(caught.value)


def names(what: Settings) -> list[str]:
    return [found.name for found in photographs(what)]


# === Local ===


@pytest.mark.parametrize("compression", ["zip", "", "gz", "bz2", "xz"])
def test_zip_and_tar_are_told_by_their_content_not_their_name(tmp_path: Path, compression: str) -> None:
    members = [("set/1.png", png(1)), ("set/2.png", png(2))]
    content = zipped(*members) if compression == "zip" else tarred(*members, compression=compression)
    found, skipped = read(tmp_path / "photographs.bin", content)
    assert list(found) == ["set/1.png", "set/2.png"]
    assert np.array_equal(found["set/2.png"].pixels, pixels(2))
    assert {(item.source, item.licence) for item in found.values()} == {("photographs.bin", "see the archive")}
    assert skipped == {}
    assert is_archive(tmp_path / "photographs.bin")


def test_a_local_archive_with_another_sha256_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "good.zip"
    path.write_bytes(b"PK and no more")
    message = refusal(settings(str(path)))
    assert sha256(b"PK and no more")[:12] in message
    assert sha256(GOOD)[:12] in message


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    assert "nowhere.zip: no such file" in refusal(settings(str(tmp_path / "nowhere.zip")))
    assert "no such file" in refusal(settings(str(tmp_path)))


@pytest.mark.parametrize("content", [b"", b"PK", png(1), b"\x1f\x8b no gzip", b"BZh91AY no bzip2"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photographs.zip"
    path.write_bytes(content)
    assert "photographs.zip: neither a zip nor a tar" in refusal(settings(str(path), content=content))


def test_images_are_not_taken_for_archives(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    assert not is_archive(tmp_path / "1.png")


@pytest.mark.parametrize("cut", [0.3, 0.6])
@pytest.mark.parametrize("compression", ["zip", "", "gz", "bz2", "xz"])
def test_a_cut_archive_is_refused_whole(tmp_path: Path, compression: str, cut: float) -> None:
    members = [(f"{seed}.png", png(seed)) for seed in range(8)]
    whole = zipped(*members) if compression == "zip" else tarred(*members, compression=compression)
    content = whole[: int(len(whole) * cut)]
    path = tmp_path / "cut"
    path.write_bytes(content)
    assert "damaged" in refusal(settings(str(path), content=content))


def test_a_tar_that_is_cut_between_members_is_refused(tmp_path: Path) -> None:
    whole = tarred(("1.png", png(1)), ("2.png", png(2)))
    content = whole[: whole.index(b"2.png")]  # a tar by all signs, only that its end is missing
    path = tmp_path / "cut.tar"
    path.write_bytes(content)
    assert "without the mark of the end" in refusal(settings(str(path), content=content))


def test_a_tar_with_a_damaged_header_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    content = bytearray(tarred(("1.png", png(1)), ("2.png", png(2))))
    content[content.index(b"2.png")] ^= 1
    path = tmp_path / "damaged.tar"
    path.write_bytes(content)
    assert "header is damaged" in refusal(settings(str(path), content=bytes(content)))


# === Hostile and damaged members ===

UNSAFE = {  # beside the absolute name, which the test makes: whatever fails, it must stay below its own folder
    "../up.png": "leads out",
    "a/../../up.png": "leads out",
    "C:/windows.png": "is absolute",
    "a\\..\\up.png": "backslash",
    "two\n/../lines.png": "leads out",
}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, pack: Any) -> None:
    unpacked = tmp_path / "top" / "unpacked"
    unpacked.mkdir(parents=True)
    path = tmp_path / "archive"
    unsafe = {f"{tmp_path}/absolute.png": "is absolute", **UNSAFE}
    path.write_bytes(pack(*[(name, png(1)) for name in unsafe], ("fine.png", png(2))))
    before = set(tmp_path.rglob("*"))
    skipped = {item.name: item.reason for item in unpack.unpack(path, unpacked, "archive")}
    assert set(tmp_path.rglob("*")) - before == {unpacked / "fine.png"}
    assert len(skipped) == len(unsafe)
    for name, words in unsafe.items():
        assert words in skipped[name.replace("\n", "\\n")]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "FIFO"),
    ],
)
def test_a_tar_gives_regular_files_only(tmp_path: Path, kind: bytes, words: str) -> None:
    special = tarfile.TarInfo("special.png")
    special.type, special.linkname = kind, "fine.png"
    found, skipped = read(tmp_path / "tar", tarred(("fine.png", png(1)), (special, b"")))
    assert list(found) == ["fine.png"]
    assert words in skipped["special.png"]


@pytest.mark.parametrize(("kind", "words"), [(stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "FIFO")])
def test_a_zip_gives_regular_files_only(tmp_path: Path, kind: int, words: str) -> None:
    special = zipfile.ZipInfo("special.png")
    special.external_attr = (kind | 0o644) << 16
    found, skipped = read(tmp_path / "zip", zipped(("fine.png", png(1)), (special, b"/etc/passwd")))
    assert list(found) == ["fine.png"]
    assert words in skipped["special.png"]


def test_a_link_is_no_way_out_for_a_later_member(tmp_path: Path) -> None:
    link = tarfile.TarInfo("door")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "outside")
    (tmp_path / "outside").mkdir()
    found, _ = read(tmp_path / "tar", tarred((link, b""), ("door/1.png", png(1))))
    assert list((tmp_path / "outside").iterdir()) == []
    assert list(found) == ["door/1.png"]  # in a folder of that name


def test_folders_are_no_news_and_dots_are_tidied(tmp_path: Path) -> None:
    top = tarfile.TarInfo("./set")
    top.type = tarfile.DIRTYPE
    found, skipped = read(tmp_path / "tar", tarred((top, b""), ("./set/1.png", png(1))))
    assert (list(found), skipped) == (["set/1.png"], {})


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_of_two_members_of_one_name_the_first_counts(tmp_path: Path, pack: Any) -> None:
    found, skipped = read(tmp_path / "archive", pack(("a.png", png(1)), ("./a.png", png(2)), ("a.png", png(3))))
    assert np.array_equal(found["a.png"].pixels, pixels(1))
    assert len(found) == 1
    assert set(skipped.values()) == {"is the second member of this name"}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_that_no_disk_can_hold_are_skipped(tmp_path: Path, pack: Any) -> None:
    long = "x" * 300 + ".png"
    members = [("a", png(1)), ("a/b.png", png(2)), ("a/b/c.png", png(2)), (long, png(3)), ("fine.png", png(4))]
    found, skipped = read(tmp_path / "archive", pack(*members))
    assert "fine.png" in found
    assert "a file for a folder" in skipped["a/b.png"]
    assert "a file for a folder" in skipped["a/b/c.png"]
    assert "too long" in skipped[long]


def test_a_damaged_member_of_a_zip_is_skipped_and_the_rest_kept(tmp_path: Path) -> None:
    content = bytearray(zipped(("1.png", png(1)), ("2.png", png(2)), compression=zipfile.ZIP_STORED))
    content[content.index(b"IDAT") + 40] ^= 1
    found, skipped = read(tmp_path / "zip", bytes(content))
    assert list(found) == ["2.png"]
    assert skipped == {"1.png": "is damaged: its content is not what was packed"}


def patched(content: bytes, local: int, central: int, value: bytes) -> bytes:
    """A zip of one member with a field overwritten in both of its headers."""
    for signature, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = content.index(signature) + offset
        content = content[:at] + value + content[at + len(value) :]
    return content


def test_an_unknown_compression_is_skipped(tmp_path: Path) -> None:
    wavpack = patched(zipped(("1.png", png(1))), 8, 10, b"\x61\x00")
    found, skipped = read(tmp_path / "zip", wavpack)
    assert found == {}
    assert skipped == {"1.png": "is compressed in a way that is not read"}


def test_a_member_without_a_name_is_skipped(tmp_path: Path) -> None:
    nameless = patched(zipped(("x", png(1))), 26, 28, b"\x00\x00\x01\x00")  # its byte counts as an extra field
    found, skipped = read(tmp_path / "zip", nameless)
    assert (found, list(skipped)) == ({}, [""])


@pytest.mark.parametrize("name", ["caf\udce9.png", "two\nlines.png"])  # Latin-1 bytes are no UTF-8
def test_a_name_that_no_table_can_hold_is_skipped(tmp_path: Path, name: str) -> None:
    found, skipped = read(tmp_path / "tar", tarred((name, png(1)), ("\u540d\u3000\u00a0.png", png(2))))
    assert list(found) == ["\u540d\u3000\u00a0.png"]
    assert all(skipped_name.encode() and "\n" not in skipped_name for skipped_name in skipped)
    assert len(skipped) == 1


def test_a_zero_byte_in_a_name_is_no_reason_to_stop(tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    member.pax_headers = {"path": "a\0b.png"}
    found, skipped = read(tmp_path / "tar", tarred(("fine.png", png(1)), (member, png(2))))
    assert list(found) == ["fine.png"]
    assert skipped == {"a\\x00b.png": "its name holds a zero byte"}


def test_an_encrypted_member_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    (tmp_path / "2.png").write_bytes(png(2))
    subprocess.run(["zip", "-q", "-P", "secret", "set.zip", "1.png"], cwd=tmp_path, check=True)
    subprocess.run(["zip", "-q", "set.zip", "2.png"], cwd=tmp_path, check=True)
    found, skipped = read(tmp_path / "set.zip", (tmp_path / "set.zip").read_bytes())
    assert (list(found), skipped) == (["2.png"], {"1.png": "is encrypted"})


@pytest.mark.parametrize("pack", ["zip", "gz", "xz", "after the end"])
def test_an_archive_bomb_is_stopped(tmp_path: Path, pack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "SMALL", 1 << 20)
    zeros = bytes(4 << 20)
    if pack == "zip":
        content = zipped(("bomb.bmp", zeros))
    elif pack == "after the end":
        import gzip

        content = gzip.compress(tarred(("1.png", png(1))) + zeros)
    else:
        content = tarred(("bomb.bmp", zeros), compression=pack)
    path, unpacked = tmp_path / "bomb", tmp_path / "unpacked"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="bomb: unpacks to more than 1 MiB"):
        list(unpack.unpack(path, unpacked, "bomb"))
    assert sum(file.stat().st_size for file in unpacked.rglob("*.bmp")) == 0


def test_a_zip_that_lies_about_its_sizes_is_no_way_around_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MAX_UNPACKED", 1 << 20)
    content = zipped(("a.bmp", bytes(2 << 20)))
    lie = content.replace((2 << 20).to_bytes(4, "little"), (1 << 10).to_bytes(4, "little"))
    assert lie != content
    found, skipped = read(tmp_path / "lie.zip", lie)
    assert found == {}
    assert "is damaged" in skipped["a.bmp"]  # no more than it said was unpacked


def test_incompressible_photographs_are_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "SMALL", 0)
    found, _ = read(tmp_path / "zip", GOOD)
    assert len(found) == 2


def test_a_full_disk_is_said() -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(ArtifactError, match="can't unpack: No space left on device"):
        unpack._write(Full(), b"x")


def test_what_was_unpacked_survives_a_kill_with_what_was_skipped(tmp_path: Path) -> None:
    path = tmp_path / "good.zip"
    content = zipped(("a.png", png(1)), ("../up.png", png(2)), ("b.png", png(3)))
    path.write_bytes(content)
    first = archive.plan(settings(str(path), content=content), tmp_path / "kept")
    path.unlink()  # a second unpacking would miss it
    again = archive.plan(settings(str(path), content=content), tmp_path / "kept")
    assert again.items == first.items == ["a.png", "b.png"]
    assert again.skipped == first.skipped == [Skipped("../up.png", "its name leads out of the archive")]
    assert [item.name for item in files.given(again)] == ["../up.png", "a.png", "b.png"]


def test_a_half_unpacked_archive_is_unpacked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, kept = tmp_path / "good.zip", tmp_path / "kept"
    path.write_bytes(GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # after a kill nobody tidies up
        patch.setattr(unpack, "_copy", interrupted_after(1, unpack._copy))
        with pytest.raises(KeyboardInterrupt):
            archive.plan(settings(str(path)), kept)
    assert [file.name for file in kept.rglob("*.png")] == ["1.png"]
    assert archive.plan(settings(str(path)), kept).items == ["a/1.png", "b/2.png"]
    assert len(list(kept.rglob("*.png"))) == 2


def interrupted_after(times: int, work: Any) -> Any:
    """`work`, but the call after so many raises what Ctrl-C does."""
    left = iter(range(times))

    def once_more(*arguments: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return work(*arguments)

    return once_more


def test_an_archive_that_can_not_be_unpacked_leaves_nothing(tmp_path: Path) -> None:
    content = GOOD[: len(GOOD) // 2]
    (tmp_path / "cut.zip").write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged"):
        archive.plan(settings(str(tmp_path / "cut.zip"), content=content), tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


ARCHIVES = [GOOD, *(tarred(("a/1.png", png(1)), ("b/2.png", png(2)), compression=c) for c in ("", "gz", "bz2", "xz"))]


@effort(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.sampled_from(ARCHIVES), changes=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1))
def test_whatever_is_damaged_the_archive_is_read_or_refused(
    tmp_path: Path, content: bytes, changes: list[tuple[float, int]]
) -> None:
    damaged = bytearray(content)
    for where, how in changes:
        damaged[int(where * (len(damaged) - 1))] ^= how
    with tempfile.TemporaryDirectory(dir=tmp_path) as top:
        path, unpacked = Path(top) / "archive", Path(top) / "a" / "unpacked"
        path.write_bytes(damaged)
        with contextlib.suppress(ArtifactError):
            list(unpack.unpack(path, unpacked, "archive"))
        assert {found for found in Path(top).rglob("*") if found.is_file() and unpacked not in found.parents} == {path}


# === Download ===


def test_an_archive_is_downloaded_once_and_named_by_its_publisher(server: Server, tmp_path: Path) -> None:
    what = settings(urls=(server.url("/good.zip?token=secret"),))
    found = photographs(what)
    assert [item.name for item in found] == ["a/1.png", "b/2.png"]
    assert {item.source for item in found if isinstance(item, Photograph)} == {"good.zip"}
    assert names(what) == ["a/1.png", "b/2.png"]
    assert server.asked == {"/good.zip": 1}
    assert [file.name for file in (tmp_path / "cache").iterdir()] == [sha256(GOOD)]


def test_a_damaged_file_in_the_cache_is_downloaded_again(server: Server, tmp_path: Path) -> None:
    what = settings(urls=(server.url("/good.zip"),))
    names(what)
    (tmp_path / "cache" / sha256(GOOD)).write_bytes(b"PK damaged")
    assert names(what) == ["a/1.png", "b/2.png"]
    assert server.asked["/good.zip"] == 2


def test_a_file_put_into_the_cache_by_hand_needs_no_server(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / sha256(GOOD)).write_bytes(GOOD)
    assert len(names(settings(urls=("http://127.0.0.1:1/x.zip",)))) == 2  # port 1 refuses


def test_mirrors_are_asked_in_order_and_the_rest_left_alone(server: Server) -> None:
    first, second, third = (server.url(path) for path in ("/gone.zip", "/good.zip", "/never.zip"))
    found = photographs(settings(urls=(first, second, third)))
    assert list(server.asked) == ["/gone.zip", "/good.zip"]
    assert {item.source for item in found if isinstance(item, Photograph)} == {"gone.zip"}  # whichever answers


def after(times: int, fault: Any) -> Any:
    """A route that answers with `fault` that many times, then well."""

    def route(handler: Handler) -> None:
        path = handler.path.partition("?")[0]
        fault(handler) if handler.server.asked[path] <= times else handler.give(GOOD)

    return route


def server_error(handler: Handler) -> None:
    handler.send_error(500)


def closes_early(handler: Handler) -> None:
    handler.give(GOOD[:100], length=len(GOOD))


def says_nothing(handler: Handler) -> None:
    handler.server.over.wait(5)


def falls_silent(handler: Handler) -> None:
    handler.give(GOOD[:100], length=len(GOOD))
    handler.wfile.flush()
    handler.server.over.wait(5)


@pytest.mark.parametrize("fault", [server_error, closes_early, says_nothing, falls_silent])
def test_what_may_pass_is_tried_again(server: Server, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 1.0)
    server.routes["/at last.zip"] = server.routes["/at%20last.zip"] = after(1, fault)
    assert names(settings(urls=(server.url("/at%20last.zip"),))) == ["a/1.png", "b/2.png"]
    assert server.asked["/at%20last.zip"] == 2


@pytest.mark.parametrize(
    ("answer", "tries", "words"),
    [
        (lambda h: h.send_error(404), 1, "404 Not Found"),
        (lambda h: h.send_error(403), 1, "403 Forbidden"),
        (lambda h: h.send_error(429), 3, "429 Too Many Requests"),
        (server_error, 3, "500 Internal Server Error"),
        (closes_early, 3, "connection closed early"),
        (says_nothing, 3, "silent for 1 s"),
        (falls_silent, 3, "silent for 1 s"),
        (lambda h: h.connection.close(), 3, "Remote end closed connection"),
        (lambda h: h.give(b"\n <!DOCTYPE html><p>Log in", "text/html"), 1, "is an HTML page, not an archive"),
        (lambda h: h.give(b"PK another"), 1, f"sha256 is {sha256(b'PK another')[:12]}…"),
    ],
)
def test_a_failed_download_says_which_url_gave_what_and_leaves_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, tries: int, words: str
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 1.0)
    server.routes["/bad.zip"] = answer
    message = refusal(settings(urls=(server.url("/gone.zip"), server.url("/bad.zip"))))
    gone, bad = message.splitlines()[1:3]
    assert "/gone.zip: 404 Not Found" in gone
    assert "/bad.zip: " in bad
    assert words in bad
    assert sha256(GOOD)[:12] in message
    assert server.asked == {"/gone.zip": 1, "/bad.zip": tries}
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_redirect_is_followed(server: Server) -> None:
    def moved(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/good.zip")
        handler.end_headers()

    server.routes["/moved.zip"] = moved
    assert len(names(settings(urls=(server.url("/moved.zip"),)))) == 2


def test_the_proxy_of_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://photographs.invalid/good.zip"  # a name that no resolver knows (RFC 6761)
    server.routes[url] = lambda handler: handler.give(GOOD)
    monkeypatch.setenv("http_proxy", server.url(""))
    assert len(names(settings(urls=(url,)))) == 2


def test_no_message_holds_a_password(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    pooch.get_logger().setLevel("INFO")  # as it is at first
    pooch.get_logger().addHandler(caplog.handler)
    missing = server.url("/gone.zip?token=secret").replace("://", "://me:secret@")
    refusing = "http://me:secret@127.0.0.1:1/x.zip"  # nobody listens on port 1
    malformed = "http://me:secret@/x.zip"  # requests repeats it
    message = refusal(settings(urls=(missing, refusing, malformed)))
    assert "/gone.zip: 404" in message
    assert "refused" in message
    assert "No host supplied" in message
    assert "secret" not in message + caplog.text
    pooch.get_logger().removeHandler(caplog.handler)
