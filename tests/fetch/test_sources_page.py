"""docs/sources.md shows params that are valid as they stand, with every key of every source."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from ruamel.yaml import YAML

from stages.common import settings
from stages.fetch import archive, pack
from stages.fetch.__main__ import SOURCES
from stages.formats import manifest
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "sources.md").read_text(encoding="utf-8")
BLOCKS = [YAML(typ="safe").load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
SHOWN = [block["fetch"] for block in BLOCKS if "fetch" in block]
CLASSES = {
    get_args(model.model_fields["source"].annotation)[0]: model for model in get_args(get_args(settings.Photographs)[0])
}


def params(**changes: Any) -> dict[str, Any]:
    return {**YAML(typ="safe").load(REPOSITORY / "params.yaml"), **changes}


@pytest.mark.parametrize("fetch", SHOWN, ids=lambda fetch: fetch["source"])
def test_what_the_page_shows_is_valid_and_complete(fetch: dict[str, Any]) -> None:
    settings.check(params(fetch=fetch), "docs/sources.md")
    assert set(fetch) == set(CLASSES[fetch["source"]].model_fields)


def test_the_page_shows_every_source_and_every_source_can_be_fetched() -> None:
    assert {fetch["source"] for fetch in SHOWN} | {"bundled"} == set(CLASSES) == set(SOURCES)


def test_the_page_shows_a_valid_test_set() -> None:
    (sets,) = (block["test_sets"] for block in BLOCKS if "test_sets" in block)
    assert list(settings.check(params(test_sets=sets), "docs/sources.md").test_sets) == ["kodak"]


def test_inputs_that_are_modules_exist() -> None:
    modules = [fetch["inputs"] for fetch in SHOWN if fetch["inputs"].startswith("stages/")]
    assert len(modules) == 3
    assert all((REPOSITORY / module).is_file() for module in modules)


def test_the_page_tells_which_sources_have_the_keys_of_image_files() -> None:
    of_files = {"matte", "strict"}
    having = [name for name, model in CLASSES.items() if of_files & set(model.model_fields)]
    assert having == ["folder", "archive", "dvc"]
    assert "`matte` and `strict` belong to those that read image files: folder, archive and dvc." in PAGE


def test_the_page_tells_the_numbers_and_names_of_the_code() -> None:
    page = " ".join(PAGE.split())
    assert f"{archive.TIMEOUT:g} seconds of silence" in page
    assert archive.TRIES == 3
    assert "are tried three times" in page
    assert f"more than {archive.MAX_RATIO} times its size ({archive.SMALL >> 20} MiB are always allowed)" in page
    assert f"or {archive.MAX_UNPACKED >> 30} GiB" in page
    assert f"`{archive.CACHE}`" in page
    assert f"each ends at {pack.SHARD_BYTES >> 20} MiB of files, or at {pack.SHARD_ITEMS} of them" in page
    assert ", ".join(manifest.COLUMNS) in page
