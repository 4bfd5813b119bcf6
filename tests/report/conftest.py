"""The results that `made.write` makes up, collected once in a module."""

from collections.abc import Iterator

import pytest

from stages.report import collect
from tests.report import made


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[collect.Results]:
    """In the folder that holds them; tests change nothing in it."""
    folder = tmp_path_factory.mktemp("report")
    made.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield collect.collect(list(made.VARIANTS), [])
