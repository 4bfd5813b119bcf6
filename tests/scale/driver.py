"""Runs tasks on the cluster: `python -m tests.scale.driver <folder>`; writes the results to found.json.

It waits where the tests kill or add a node.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import stages
from stages.common import engine, shards
from stages.common.artifacts import ArtifactError, sha256_of
from stages.common.stage import StageError
from tests import tasks
from tests.scale.cluster import ADDRESSES, CPUS
from tests.tasks import wait_until

SHARDS = 12


def main() -> None:
    folder = Path(sys.argv[1])
    where = engine.load()
    found: dict[str, Any] = {"split": on_both_nodes(where)}
    found["killed worker"] = sha256s(tasks.noise_or_kill, folder / "worker", where)
    (folder / "node").mkdir()
    found["killed node"] = sha256s(noise_on_the_head, folder / "node", where)  # the test kills the other node
    for name, function, jobs in (
        ("fault", fault_beside_others, range(4)),
        ("killed always", tasks.killed_always, [(number, str(folder / "tries")) for number in range(6)]),
    ):
        try:
            list(engine.run(function, jobs, where))  # type: ignore[arg-type]
        except (ArtifactError, StageError) as error:
            found[name] = [type(error).__name__, str(error)]
    found["wide"] = next(engine.run(tasks.square, [3], where, cpus=64))[0]
    (folder / "alone").touch()
    assert wait_until((folder / "joined").exists)
    found["joined"] = on_both_nodes(where)
    engine.LOOK_AFTER = 1.0
    try:
        next(engine.run(tasks.endless, [str(folder / "last")], where, cpus=CPUS[1]))
    except StageError as error:
        found["deserted"] = str(error)
    (folder / "found.json").write_text(json.dumps(found))


def on_both_nodes(where: engine.Engine) -> list[tuple[int, str, str]]:
    """A map; repeated until both nodes took part, since one may be slow to start."""
    for _ in range(20):
        found = list(engine.run(on_node, range(SHARDS), where))
        if len({node for _, node, _ in found}) == 2:
            break
    return found


def sha256s(work: shards.Work, folder: Path, where: engine.Engine) -> list[Any]:
    """Facts and the sha256 of each shard, in order."""
    found = shards.run(work, range(SHARDS), folder / "kept", where)
    return [[shard.facts, sha256_of(shard.folder / "noise.npy")] for shard in found]


def on_node(number: int) -> tuple[int, str, str]:
    """The square of a number, the node of this process, and the file of its code."""
    import ray

    time.sleep(0.2)
    return number**2, ray.get_runtime_context().get_node_id(), str(stages.__file__)


def fault_beside_others(number: int) -> int:
    """Task 1 fails; later ones occupy processors for longer than a test."""
    if number > 1:
        time.sleep(600)
    return tasks.faulty(3 * number)


def noise_on_the_head(seed: int, folder: Path) -> dict[str, Any]:
    """A shard that only the head finishes: the other node hangs until killed, so its shards are always repeated."""
    import ray

    facts, stuck = tasks.noise(seed, folder), folder.parent.parent / "stuck"
    if ray.util.get_node_ip_address() != ADDRESSES[0]:
        tasks.endless(str(stuck))
    assert wait_until(stuck.exists)
    return facts


if __name__ == "__main__":
    main()
