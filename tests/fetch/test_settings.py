"""docs/sources.md agrees with the code, and invalid settings are refused by name."""

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.common.settings import Photographs, SettingsError
from stages.fetch import download, pack, unpack
from stages.fetch.source import find, known, read
from stages.formats import manifest
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "sources.md").read_text(encoding="utf-8")
BLOCKS = [YAML(typ="safe").load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
SHOWN = [block["fetch"] for block in BLOCKS if "fetch" in block]
HASH = "0" * 64


def settings(key: str = "fetch", **changes: Any) -> Any:
    return read(key, Photographs(**{"source": "folder", "inputs": "photos", **changes}))


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown["source"])
def test_the_examples_of_the_page_are_valid(shown: dict[str, Any]) -> None:
    assert settings(**shown).split is not None
    assert not shown["inputs"].startswith("stages/") or (REPOSITORY / shown["inputs"]).is_file()


def test_the_page_shows_every_source_and_a_test_set() -> None:
    assert {shown["source"] for shown in SHOWN} | {"bundled"} == set(known())
    (sets,) = (block["test_sets"] for block in BLOCKS if "test_sets" in block)
    assert settings("test_sets.kodak", **sets["kodak"]).split is None


def test_the_defaults_are_those_of_the_page() -> None:
    found = settings(strict=None)  # a key without a value counts as left out
    assert found.model_dump() == {
        "source": "folder", "inputs": "photos", "domain": "everyday", "matte": [255, 255, 255], "strict": False,
        "split": {"by": "hash", "validation": 0.15, "test": 0.15},
    }  # fmt: skip
    having = [name for name in known() if {"matte", "strict"} & set(find(name).Settings.model_fields)]
    assert having == ["archive", "dvc", "folder"]


@pytest.mark.parametrize(
    ("key", "changes", "words"),
    [
        ("fetch", {"source": "flickr"}, "fetch.source: unknown source 'flickr'; known are archive, bundled, dvc"),
        ("fetch", {"source": "settings"}, "fetch.source: unknown source"),  # a module, but no source
        ("fetch", {"mate": [0, 0, 0]}, "fetch.mate: unknown key"),
        ("fetch", {"matte": [0, 0, 256]}, "fetch.matte.2: Input should be less than or equal to 255"),
        ("fetch", {"split": {"tests": 0.2}}, "fetch.split.tests: unknown key"),
        ("fetch", {"split": {"validation": 0.5, "test": 0.5}}, "fetch.split: validation (0.5) and test (0.5) leave"),
        ("fetch", {"source": "bundled", "split": {}}, "fetch: `inputs` lists each photograph with its split"),
        ("fetch", {"source": "archive"}, "fetch.sha256: missing; it has no default"),
        ("fetch", {"source": "archive", "sha256": HASH, "urls": ["ftp://x"]}, "fetch.urls.0: String should match"),
        ("fetch", {"source": "dvc", "url": "x", "path": "y", "rev": "main"}, "fetch.rev: String should match"),
        ("test_sets.kodak", {"split": {}}, "test_sets.kodak.split: all of a test set is for testing; leave it out"),
        ("test_sets.kodak", {"source": "flickr"}, "test_sets.kodak.source: unknown source"),
    ],
)
def test_invalid_settings_are_refused_by_name(key: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(key, **changes)
    assert str(caught.value).startswith(f"params.yaml: {words}")


def test_the_page_has_the_numbers_and_names_of_the_code() -> None:
    page = " ".join(PAGE.split())
    assert f"{download.TIMEOUT:g} seconds without data" in page
    assert download.TRIES == 3
    assert f"more than {unpack.MAX_RATIO} times its size ({unpack.SMALL >> 20} MiB are always allowed)" in page
    assert f"or to {unpack.MAX_UNPACKED >> 30} GiB" in page
    assert f"`{download.CACHE}`" in page
    assert f"each ends at {pack.SHARD_BYTES >> 20} MiB of files, or at {pack.SHARD_ITEMS} of them" in page
    assert ", ".join(manifest.COLUMNS) in page
