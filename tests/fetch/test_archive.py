"""Archives may hold anything at all: regular files come out, below one folder, and everything else is named."""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from stages.common.artifacts import ArtifactError
from stages.fetch import unpack
from stages.fetch.photograph import Photograph, Skipped
from stages.fetch.sources import archive
from stages.fetch.unpack import is_archive
from tests.fetch import files
from tests.fetch.server import pixels, png, sha256, tarred, zipped

KINDS = ("zip", "", "gz", "bz2", "xz")


def packed(kind: str, *members: Any) -> bytes:
    return zipped(*members) if kind == "zip" else tarred(*members, compression=kind)


GOOD = zipped(("a/1.png", png(1)), ("b/2.png", png(2)))
EACH_KIND = {kind: packed(kind, *((f"{seed}.png", png(seed)) for seed in range(8))) for kind in KINDS}


def settings(path: Path, content: bytes = GOOD) -> archive.Settings:
    return archive.Settings(source="archive", inputs=str(path), sha256=sha256(content))


def read(path: Path, content: bytes) -> tuple[dict[str, Photograph], dict[str, str]]:
    """What a local archive of that content gives: photographs, and the reasons of what was skipped, by name."""
    path.write_bytes(content)
    with tempfile.TemporaryDirectory() as keep:
        found = list(files.given(archive.plan(settings(path, content), Path(keep))))
    return (
        {item.name: item for item in found if isinstance(item, Photograph)},
        {item.name: item.reason for item in found if isinstance(item, Skipped)},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_zip_and_tar_are_told_by_their_content_not_their_name(tmp_path: Path, kind: str) -> None:
    found, skipped = read(tmp_path / "photographs.bin", packed(kind, ("set/1.png", png(1)), ("set/2.png", png(2))))
    assert list(found) == ["set/1.png", "set/2.png"]
    assert np.array_equal(found["set/2.png"].pixels, pixels(2))
    assert {(item.source, item.licence) for item in found.values()} == {("photographs.bin", "see the archive")}
    assert skipped == {}
    assert is_archive(tmp_path / "photographs.bin")
    (tmp_path / "1.png").write_bytes(png(1))
    assert not is_archive(tmp_path / "1.png")


def refused_content() -> dict[str, tuple[bytes, str]]:
    """What no archive is: content, and words of the message."""
    two = tarred(("1.png", png(1)), ("2.png", png(2)))
    damaged = bytearray(two)
    damaged[two.index(b"2.png")] ^= 1
    none = [b"", b"PK", png(1), b"\x1f\x8b no gzip", b"BZh91AY no bzip2"]
    return {
        **{f"none {number}": (content, "neither a zip nor a tar") for number, content in enumerate(none)},
        **{
            f"{kind} cut to {share}": (whole[: int(len(whole) * share)], "damaged")
            for kind, whole in EACH_KIND.items()
            for share in (0.3, 0.6)
        },
        "cut between members": (two[: two.index(b"2.png")], "without the mark of the end"),
        "a damaged header": (bytes(damaged), "header is damaged"),
    }


@pytest.mark.parametrize(("content", "words"), refused_content().values(), ids=refused_content())
def test_what_is_no_archive_or_cut_is_refused_whole(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        read(tmp_path / "archive", content)


def test_another_sha256_is_refused_before_the_archive_is_opened_and_a_missing_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "good.zip"
    path.write_bytes(b"PK and no more")
    with pytest.raises(ArtifactError, match=f"{sha256(b'PK and no more')[:12]}….*{sha256(GOOD)[:12]}"):
        archive.plan(settings(path), tmp_path / "keep")
    for other in (tmp_path / "nowhere.zip", tmp_path):
        with pytest.raises(ArtifactError, match="no such file"):
            archive.plan(settings(other), tmp_path / "keep")


# === Hostile and damaged members ===

UNSAFE = {  # beside the absolute name, which the test makes: whatever fails, it must stay below its own folder
    "../up.png": "leads out",
    "a/../../up.png": "leads out",
    "C:/windows.png": "is absolute",
    "a\\..\\up.png": "backslash",
    "two\n/../lines.png": "leads out",
}


@pytest.mark.parametrize("kind", ["zip", ""])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, kind: str) -> None:
    unpacked = tmp_path / "top" / "unpacked"
    unpacked.mkdir(parents=True)
    path = tmp_path / "archive"
    unsafe = {f"{tmp_path}/absolute.png": "is absolute", **UNSAFE}
    path.write_bytes(packed(kind, *[(name, png(1)) for name in unsafe], ("fine.png", png(2))))
    before = set(tmp_path.rglob("*"))
    skipped = {item.name: item.reason for item in unpack.unpack(path, unpacked, "archive")}
    assert set(tmp_path.rglob("*")) - before == {unpacked / "fine.png"}
    assert len(skipped) == len(unsafe)
    for name, words in unsafe.items():
        assert words in skipped[name.replace("\n", "\\n")]


def special(kind: bytes | int) -> bytes:
    """An archive of `fine.png` and of a member that is no regular file."""
    if isinstance(kind, int):
        entry = zipfile.ZipInfo("special.png")
        entry.external_attr = (kind | 0o644) << 16
        return zipped(("fine.png", png(1)), (entry, b"/etc/passwd"))
    member = tarfile.TarInfo("special.png")
    member.type, member.linkname = kind, "fine.png"
    return tarred(("fine.png", png(1)), (member, b""))


def patched(local: int, central: int, value: bytes) -> bytes:
    """A zip of one member with a field overwritten in both of its headers."""
    content = zipped(("x", png(1)))
    for signature, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = content.index(signature) + offset
        content = content[:at] + value + content[at + len(value) :]
    return content


def odd_members() -> dict[str, tuple[bytes, list[str], dict[str, str]]]:
    """What is skipped: an archive, the photographs it gives, and the other members with words of their reasons."""
    long = "x" * 300 + ".png"
    zero = tarfile.TarInfo("x")
    zero.pax_headers = {"path": "a\0b.png"}
    stored = bytearray(zipped(("1.png", png(1)), ("2.png", png(2)), compression=zipfile.ZIP_STORED))
    stored[stored.index(b"IDAT") + 40] ^= 1
    names = [("a", png(1)), ("a/b.png", png(2)), (long, png(3)), ("fine.png", png(4))]
    unfit = {"a": "no image", "a/b.png": "a file for a folder", long: "too long"}
    kinds: dict[bytes | int, str] = {
        tarfile.SYMTYPE: "symbolic link", tarfile.LNKTYPE: "hard link", tarfile.CHRTYPE: "device",
        tarfile.BLKTYPE: "device", tarfile.FIFOTYPE: "FIFO", stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "FIFO",
    }  # fmt: skip
    return {
        **{f"{kind!r}": (special(kind), ["fine.png"], {"special.png": words}) for kind, words in kinds.items()},
        "damaged": (bytes(stored), ["2.png"], {"1.png": "is damaged: its content is not what was packed"}),
        "unknown compression": (patched(8, 10, b"\x61\x00"), [], {"x": "compressed in a way that is not read"}),
        "no name": (patched(26, 28, b"\x00\x00\x01\x00"), [], {"": ""}),  # its byte counts as an extra field
        "zero byte": (tarred(("f.png", png(1)), (zero, png(2))), ["f.png"], {"a\\x00b.png": "holds a zero byte"}),
        "line break": (tarred(("two\nlines.png", png(1))), [], {"two\\x0alines.png": "control characters"}),
        "no UTF-8": (tarred(("caf\udce9.png", png(1))), [], {"caf\\xe9.png": "control characters or bytes"}),
        "zip: no disk holds it": (zipped(*names), ["fine.png"], unfit),
        "tar: no disk holds it": (tarred(*names), ["fine.png"], unfit),
    }


@pytest.mark.parametrize(("content", "photographs", "reasons"), odd_members().values(), ids=odd_members())
def test_a_member_that_is_no_readable_file_is_skipped_and_the_rest_kept(
    tmp_path: Path, content: bytes, photographs: list[str], reasons: dict[str, str]
) -> None:
    found, skipped = read(tmp_path / "archive", content)
    assert list(found) == photographs
    assert set(skipped) == set(reasons)
    assert [name for name, words in reasons.items() if words not in skipped[name]] == []


def test_a_link_is_no_way_out_for_a_later_member(tmp_path: Path) -> None:
    link = tarfile.TarInfo("door")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "outside")
    (tmp_path / "outside").mkdir()
    found, _ = read(tmp_path / "tar", tarred((link, b""), ("door/1.png", png(1))))
    assert list((tmp_path / "outside").iterdir()) == []
    assert list(found) == ["door/1.png"]  # in a folder of that name


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", ""])
def test_of_two_members_of_one_name_the_first_counts(tmp_path: Path, kind: str) -> None:
    found, skipped = read(tmp_path / "x", packed(kind, ("a.png", png(1)), ("./a.png", png(2)), ("a.png", png(3))))
    assert np.array_equal(found["a.png"].pixels, pixels(1))
    assert len(found) == 1
    assert set(skipped.values()) == {"is the second member of this name"}


def test_an_encrypted_member_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    (tmp_path / "2.png").write_bytes(png(2))
    subprocess.run(["zip", "-q", "-P", "secret", "set.zip", "1.png"], cwd=tmp_path, check=True)
    subprocess.run(["zip", "-q", "set.zip", "2.png"], cwd=tmp_path, check=True)
    found, skipped = read(tmp_path / "set.zip", (tmp_path / "set.zip").read_bytes())
    assert (list(found), skipped) == (["2.png"], {"1.png": "is encrypted"})


ZEROS = bytes(4 << 20)
BOMBS = {
    "zip": zipped(("bomb.bmp", ZEROS)),
    "gz": tarred(("bomb.bmp", ZEROS), compression="gz"),
    "xz": tarred(("bomb.bmp", ZEROS), compression="xz"),
    "after the end": gzip.compress(tarred(("1.png", png(1))) + ZEROS),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_an_archive_bomb_is_stopped(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "SMALL", 1 << 20)
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
    assert len(read(tmp_path / "zip", GOOD)[0]) == 2


def test_a_full_disk_is_said() -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(ArtifactError, match="can't unpack: No space left on device"):
        unpack._write(Full(), b"x")


@effort(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.sampled_from([*EACH_KIND.values()]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1),
)
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


# === After a kill ===


def test_what_was_unpacked_survives_a_kill_with_what_was_skipped(tmp_path: Path) -> None:
    path = tmp_path / "good.zip"
    content = zipped(("a.png", png(1)), ("../up.png", png(2)), ("b.png", png(3)))
    path.write_bytes(content)
    first = archive.plan(settings(path, content), tmp_path / "kept")
    path.unlink()  # a second unpacking would miss it
    again = archive.plan(settings(path, content), tmp_path / "kept")
    assert again.items == first.items == ["a.png", "b.png"]
    assert again.skipped == first.skipped == [Skipped("../up.png", "its name leads out of the archive")]


def test_a_half_unpacked_archive_is_unpacked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, kept = tmp_path / "good.zip", tmp_path / "kept"
    path.write_bytes(GOOD)
    copy, copied = unpack._copy, list[Any]()

    def killed(*arguments: Any) -> Any:
        if copied:
            raise KeyboardInterrupt
        copied.append(arguments)
        return copy(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # after a kill nobody tidies up
        patch.setattr(unpack, "_copy", killed)
        archive.plan(settings(path), kept)
    assert [file.name for file in kept.rglob("*.png")] == ["1.png"]
    assert archive.plan(settings(path), kept).items == ["a/1.png", "b/2.png"]
    assert len(list(kept.rglob("*.png"))) == 2
