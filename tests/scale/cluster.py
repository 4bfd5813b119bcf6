"""A Ray cluster of two nodes in network namespaces, which only root may make.

On loopback no second node could join: Ray replaces that address by the machine's own, where others could reach it.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY, Workspace
from tests.tasks import wait_until

RAY = str(Path(sys.executable).with_name("ray"))
CPUS = (2, 3)  # of the nodes; tasks for 3 run on the second alone
SMALL = ["--object-store-memory=100000000", "--disable-usage-stats"]  # bytes; Ray takes 75 MB or more
PORT, ADDRESSES = 6379, ("10.77.0.1", "10.77.0.2")


class Cluster:
    """A head and a second node, which can be killed and replaced; `environment` connects a process to it."""

    def __init__(self, folder: Path, secret: dict[str, str]) -> None:
        name = f"ray{os.getpid()}"
        self.names = (f"{name}a", f"{name}b")
        self.folder, self.secret = folder, secret
        self.address = f"{ADDRESSES[0]}:{PORT}"
        self.environment = {**secret, "ENGINE": "ray", "RAY_ADDRESS": self.address}

    def open(self) -> None:
        """Connect the namespaces, and start Ray in both."""
        for name in self.names:
            ip("netns", "add", name)
        first, second = self.names
        ip("link", "add", first, "netns", first, "type", "veth", "peer", "name", second, "netns", second)
        for name, address in zip(self.names, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", name)
            for device in ("lo", name):
                ip("-n", name, "link", "set", device, "up")
        self._ray(0, "--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self.folder}")
        self.add_node()

    def start(self, *command: str, cwd: Path = REPOSITORY, **environment: Any) -> subprocess.Popen[str]:
        """Start a command beside the head, with the token."""
        prefix = ["ip", "netns", "exec", self.names[0]]
        return Workspace(cwd).start(*prefix, *command, **{**self.environment, **environment})

    def add_node(self) -> None:
        """Start the second node; returns when it has joined."""
        self._ray(1, f"--address={self.address}")

    def kill_node(self) -> None:
        """Kill every process of the second node."""
        self._kill_all(1)

    def close(self) -> None:
        """Kill all processes, and delete the namespaces."""
        for node, name in enumerate(self.names):
            with suppress(subprocess.CalledProcessError):  # it was never made
                self._kill_all(node)
                ip("netns", "delete", name)

    def _ray(self, node: int, *options: str) -> None:
        place = ["ip", "netns", "exec", self.names[node], RAY, "start"]
        size = [f"--node-ip-address={ADDRESSES[node]}", f"--num-cpus={CPUS[node]}", *SMALL]
        with tempfile.TemporaryFile() as output:  # Ray's daemons would keep a pipe open
            streams: dict[str, Any] = {"stdout": output, "stderr": output}
            code = subprocess.call([*place, *size, *options], env={**os.environ, **self.secret}, timeout=120, **streams)
            output.seek(0)
            assert code == 0, output.read().decode()

    def _kill_all(self, node: int) -> None:
        def gone() -> bool:
            processes = ip("netns", "pids", self.names[node]).split()
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            return not processes

        assert wait_until(gone)


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    """A cluster while the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # short: a Unix socket's path has at most 107 bytes
    token = secrets.token_hex(32)
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_USAGE_STATS_ENABLED": "0"}
    cluster = Cluster(folder, secret)
    try:
        cluster.open()
        yield cluster
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)


def ip(*words: str) -> str:
    """The output of the command `ip`."""
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout
