"""The cluster that these tests share: one, because it takes seconds to come up."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.scale.cluster import Cluster, two_nodes


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    if subprocess.call(["sh", "-c", "ip netns add ray$$ && ip netns delete ray$$"]):
        pytest.skip("only root may make the two network namespaces that the cluster lives in")
    with two_nodes() as cluster:
        yield cluster
