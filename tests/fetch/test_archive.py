"""Regular files of an archive are copied below one folder; everything else is refused or skipped by name."""

import contextlib
import errno
import gzip
import shutil
import stat
import tarfile
import tempfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from stages.common.artifacts import ArtifactError
from stages.fetch import unpack
from stages.fetch.source import Photograph, Skipped
from stages.fetch.sources import archive
from tests.fetch import files
from tests.fetch.files import pixels, png, sha256, tarred, zipped

KINDS = ("zip", "", "gz", "bz2", "xz")


def packed(kind: str, *members: Any) -> bytes:
    return zipped(*members) if kind == "zip" else tarred(*members, compression=kind)


GOOD = zipped(("a/1.png", png(1)), ("b/2.png", png(2)))
EACH_KIND = {kind: packed(kind, *((f"{seed}.png", png(seed)) for seed in range(8))) for kind in KINDS}


def settings(path: Path, content: bytes) -> archive.Settings:
    return archive.Settings(source="archive", inputs=str(path), sha256=sha256(content))


def read(path: Path, content: bytes) -> tuple[dict[str, Photograph], dict[str, str]]:
    """Photographs, and the reasons for skipped files, by name."""
    path.write_bytes(content)
    with tempfile.TemporaryDirectory() as keep:
        found = list(files.given(archive.plan(settings(path, content), Path(keep))))
    return (
        {item.name: item for item in found if isinstance(item, Photograph)},
        {item.name: item.reason for item in found if isinstance(item, Skipped)},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_zip_and_tar_are_recognised_by_content(tmp_path: Path, kind: str) -> None:
    found, skipped = read(tmp_path / "photographs.bin", packed(kind, ("set/1.png", png(1)), ("set/2.png", png(2))))
    assert list(found) == ["set/1.png", "set/2.png"]
    assert np.array_equal(found["set/2.png"].pixels, pixels(2))
    assert {(item.source, item.licence) for item in found.values()} == {("photographs.bin", "see the archive")}
    assert skipped == {}


def refused_content() -> dict[str, tuple[bytes, str]]:
    """Content and words of the message, by name."""
    name = tarfile.TarInfo("x")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 512
    chain = gzip.compress((name.tobuf() + b"x" * 512) * 5000 + tarred(("1.png", png(1))))
    two = tarred(("1.png", png(1)), ("2.png", png(2)))
    damaged = bytearray(two)
    damaged[two.index(b"2.png")] ^= 1
    blocks = bytearray(tarred(("1.png", np.random.default_rng(0).bytes(2 << 20)), compression="bz2"))
    blocks[len(blocks) // 2] ^= 1
    none = [b"", b"PK", png(1), b"\x1f\x8b no gzip", b"BZh91AY no bzip2"]
    return {
        **{f"none {number}": (content, "neither a zip nor a tar") for number, content in enumerate(none)},
        **{f"{kind} cut": (whole[: int(len(whole) * 0.6)], "damaged") for kind, whole in EACH_KIND.items()},
        "a damaged block": (bytes(blocks), "or damaged: "),  # an OSError of reading, not of writing
        "cut between members": (two[: two.index(b"2.png")], "the end mark is missing"),
        "a damaged header": (bytes(damaged), "header is damaged"),
        "headers of headers": (chain, "damaged"),
    }


@pytest.mark.parametrize(("content", "words"), refused_content().values(), ids=refused_content())
def test_another_file_or_a_damaged_archive_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        read(tmp_path / "archive", content)


def test_another_sha256_is_refused_before_the_archive_is_opened_and_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "good.zip"
    path.write_bytes(b"PK and no more")
    another = f"{sha256(b'PK and no more')[:12]}….*{sha256(GOOD)[:12]}"
    for named, words in ((path, another), (tmp_path / "nowhere.zip", "no such file"), (tmp_path, "no such file")):
        with pytest.raises(ArtifactError, match=words):
            archive.plan(settings(named, GOOD), tmp_path / "keep")


# === Hostile and damaged members ===


@pytest.mark.parametrize("kind", ["zip", ""])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, kind: str) -> None:
    unpacked, path = tmp_path / "top" / "unpacked", tmp_path / "archive"
    unpacked.mkdir(parents=True)
    unsafe = {
        f"{tmp_path}/absolute.png": "is absolute",
        "../up.png": "leads out",
        "a/../../up.png": "leads out",
        "C:/windows.png": "is absolute",
        "a\\..\\up.png": "backslash",
        "two\n/../lines.png": "leads out",
    }
    path.write_bytes(packed(kind, *[(name, png(1)) for name in unsafe], ("fine.png", png(2))))
    before = set(tmp_path.rglob("*"))
    skipped = {item.name: item.reason for item in unpack.unpack(path, unpacked, "archive")}
    assert set(tmp_path.rglob("*")) - before == {unpacked / "fine.png"}
    assert len(skipped) == len(unsafe)
    assert [name for name, words in unsafe.items() if words not in skipped[name.replace("\n", "\\x0a")]] == []


def special(kind: bytes | int) -> bytes:
    """An archive of a special member, and of `special.png/1.png`, which must not be written through it."""
    below = ("special.png/1.png", png(1))
    if isinstance(kind, int):
        entry = zipfile.ZipInfo("special.png")
        entry.external_attr = (kind | 0o644) << 16
        return zipped((entry, b"/"), below)
    member = tarfile.TarInfo("special.png")
    member.type, member.linkname = kind, "/"
    return tarred((member, b""), below)


def patched(local: int, central: int, value: bytes) -> bytes:
    """A zip of one member with a field replaced in both headers (APPNOTE 4.3.7 and 4.3.12)."""
    content = zipped(("x", png(1)))
    for signature, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = content.index(signature) + offset
        content = content[:at] + value + content[at + len(value) :]
    return content


def odd_members() -> dict[str, tuple[bytes, list[str], dict[str, str]]]:
    """An archive, its photographs, and words of the reason for each other member, by name."""
    long = "x" * 300 + ".png"
    zero, holes = tarfile.TarInfo("x"), tarfile.TarInfo("holes.bmp")
    zero.pax_headers = {"path": "a\0b.png"}
    holes.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 30), "GNU.sparse.name": "holes.bmp"}
    sparse = tarred((holes, b"x"), ("1.png", png(1)))
    stored = bytearray(zipped(("1.png", png(1)), ("2.png", png(2)), compression=zipfile.ZIP_STORED))
    stored[stored.index(b"IDAT") + 40] ^= 1
    lie = zipped(("a.bmp", bytes(2 << 20))).replace((2 << 20).to_bytes(4, "little"), (1 << 10).to_bytes(4, "little"))
    names = [("a", png(1)), ("a/b.png", png(2)), (long, png(3)), ("1.png", png(4)), ("./1.png", b"another")]
    taken = "its name is too long, or taken by another member"
    unfit = {"a": "no image", "a/b.png": taken, long: taken, "./1.png": taken}
    reason = {"special.png": "no regular file"}
    kinds = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, stat.S_IFLNK, stat.S_IFIFO
    return {
        **{f"{kind!r}": (special(kind), ["special.png/1.png"], reason) for kind in kinds},
        "damaged": (bytes(stored), ["2.png"], {"1.png": "is damaged: its content is not what was packed"}),
        "more than it says": (lie, [], {"a.bmp": "is damaged"}),  # or it could exceed the limits
        "encrypted": (patched(6, 8, b"\x01\x00"), [], {"x": "is encrypted"}),
        "unknown compression": (patched(8, 10, b"\x61\x00"), [], {"x": "compressed in a way that is not read"}),
        "no name": (patched(26, 28, b"\x00\x00\x01\x00"), [], {"": ""}),  # its byte counts as an extra field
        "zero byte": (tarred(("f.png", png(1)), (zero, png(2))), ["f.png"], {"a\\x00b.png": "holds a zero byte"}),
        "name of ours": (zipped((".done.json/2.png", png(2)), ("1.png", png(1))), ["1.png"], {}),
        "holes": (sparse, ["1.png"], {"holes.bmp": "has holes, which may be of any size"}),
        "line break": (tarred(("two\nlines.png", png(1))), [], {"two\\x0alines.png": "control characters"}),
        "no UTF-8": (tarred(("caf\udce9.png", png(1))), [], {"caf\\xe9.png": "control characters or bytes"}),
        "zip: unfit names": (zipped(*names), ["1.png"], unfit),
        "tar: unfit names": (tarred(*names), ["1.png"], unfit),
    }


@pytest.mark.parametrize(("content", "photographs", "reasons"), odd_members().values(), ids=odd_members())
def test_an_unfit_member_is_skipped_and_the_others_are_read(
    tmp_path: Path, content: bytes, photographs: list[str], reasons: dict[str, str]
) -> None:
    found, skipped = read(tmp_path / "archive", content)
    assert list(found) == photographs
    assert set(skipped) == set(reasons)
    assert [name for name, words in reasons.items() if words not in skipped[name]] == []


ZEROS = bytes(8 << 20)


def hidden(kind: bytes) -> bytes:
    """A tar with zeros in a name, a comment, or a member that is skipped."""
    member = tarfile.TarInfo("../x.png" if kind == tarfile.REGTYPE else "x.png")
    member.type, member.size = kind, len(ZEROS)
    return gzip.compress(member.tobuf() + ZEROS + tarred(("1.png", png(1))))


LARGE, LONG = "unpacks to more than 1 MiB", "has a header of more than 1 MiB"
BOMBS = {
    "zip": (zipped(("bomb.bmp", ZEROS)), LARGE),
    "tar": (tarred(("bomb.bmp", ZEROS), compression="gz"), LARGE),
    "after the end": (gzip.compress(tarred(("1.png", png(1))) + ZEROS), LARGE),
    "skipped": (hidden(tarfile.REGTYPE), LARGE),
    "long name": (hidden(tarfile.GNUTYPE_LONGNAME), LONG),
    "comment": (hidden(tarfile.XHDTYPE), LONG),
    "comment on all": (hidden(tarfile.XGLTYPE), LONG),
}


@pytest.mark.parametrize(("content", "words"), BOMBS.values(), ids=BOMBS)
def test_an_archive_bomb_is_stopped(
    tmp_path: Path, content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "SMALL", 1 << 20)
    path, unpacked = tmp_path / "bomb", tmp_path / "unpacked"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ArtifactError, match=f"bomb: {words}"):
        list(unpack.unpack(path, unpacked, "bomb"))
    assert tracemalloc.get_traced_memory()[1] < 6 << 20  # bytes
    tracemalloc.stop()
    assert list(unpacked.rglob("*.bmp")) == []
    monkeypatch.setattr(unpack, "SMALL", 0)
    assert len(read(tmp_path / "photographs", GOOD)[0]) == 2


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_the_number_size_and_depth_of_members_are_limited(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MAX_MEMBERS", 20)
    monkeypatch.setattr(unpack, "MAX_MEMBER", 1 << 20)
    for number, names in enumerate((map(str, range(21)), (f"{name}/a/b/c/d" for name in range(5)))):
        with pytest.raises(ArtifactError, match="holds more than 20 files and folders"):
            read(tmp_path / f"many {number}", packed(kind, *((f"{name}.png", b"") for name in names)))
    found, skipped = read(
        tmp_path / "few", packed(kind, ("large.bmp", ZEROS), ("d/" * 40 + "1.png", b""), ("1.png", png(1)))
    )
    assert list(found) == ["1.png"]
    assert [reason[:14] for reason in skipped.values()] == ["has more than ", "lies in more t"]


def test_a_full_disk_is_not_reported_as_a_damaged_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(ArtifactError, match=r"1\.png can't be written: No space left on device"):
        read(tmp_path / "archive", GOOD)


@effort(max_examples=200)
@given(st.sampled_from([*EACH_KIND.values()]), st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1))
def test_a_randomly_damaged_archive_is_read_or_refused(content: bytes, changes: list[tuple[float, int]]) -> None:
    damaged = bytearray(content)
    for where, how in changes:
        damaged[int(where * (len(damaged) - 1))] ^= how
    with tempfile.TemporaryDirectory() as top:
        path, unpacked = Path(top) / "archive", Path(top) / "a" / "unpacked"
        path.write_bytes(damaged)
        with contextlib.suppress(ArtifactError):
            list(unpack.unpack(path, unpacked, "archive"))
        assert {found for found in Path(top).rglob("*") if found.is_file() and unpacked not in found.parents} == {path}


# === After a kill ===


def test_an_unpacked_archive_and_its_skipped_members_are_kept_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "good.zip"
    content = zipped(("a.png", png(1)), ("../up.png", png(2)), ("b/b.png", png(3)))
    path.write_bytes(content)
    first = archive.plan(settings(path, content), tmp_path / "kept")
    path.unlink()  # it is not unpacked again
    again = archive.plan(settings(path, content), tmp_path / "kept")
    assert again.items == first.items == ["a.png", "b/b.png"]
    assert again.skipped == first.skipped == [Skipped("../up.png", "its name leads out of the archive")]
    (tmp_path / "kept/archive/00000/files/b/b.png").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="no such file"):  # to unpack it again
        archive.plan(settings(path, content), tmp_path / "kept")
