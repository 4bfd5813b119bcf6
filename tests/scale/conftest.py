"""The cluster that these tests share: one, because it takes seconds to come up."""

from collections.abc import Iterator

import pytest

from tests.scale.cluster import Cluster, may_have_namespaces, two_nodes


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    if not may_have_namespaces():
        pytest.skip("only root may make the two network namespaces that the cluster lives in")
    with two_nodes() as cluster:
        yield cluster
