"""The cluster that these tests share: one, because it takes seconds to come up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scale.cluster import Cluster, two_nodes


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    with two_nodes() as cluster:
        yield cluster
