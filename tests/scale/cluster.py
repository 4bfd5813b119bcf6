"""A real Ray cluster of two machines, as far as Ray can tell, that leaves nothing behind.

They are network namespaces, joined by a cable that leads nowhere else, which only root may lay. On a loopback address
no second process can join: Ray puts the address of the machine in its place, where others could reach it.
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
CPUS = (2, 3)  # that Ray is told of; the second machine has more, so that one can ask for it
SMALL = ["--object-store-memory=100000000", "--disable-usage-stats"]  # bytes; Ray takes 75 MB or more
PORT, ADDRESSES = 6379, ("10.77.0.1", "10.77.0.2")


class Cluster:
    """Two machines, of which the second can be killed and replaced. Each is a network namespace.

    Attributes:
        address: of the head.
        environment: for a process that computes on the cluster: ENGINE, RAY_ADDRESS and the token.
    """

    def __init__(self, folder: Path, secret: dict[str, str]) -> None:
        name = f"ray{os.getpid()}"
        self.names = (f"{name}a", f"{name}b")
        self.folder, self.secret = folder, secret
        self.address = f"{ADDRESSES[0]}:{PORT}"
        self.environment = {**secret, "ENGINE": "ray", "RAY_ADDRESS": self.address}

    def open(self) -> None:
        """Lay the cable, and start Ray on both machines."""
        for name in self.names:
            ip("netns", "add", name)
        first, second = self.names  # the ends of the cable are called like the machines
        ip("link", "add", first, "netns", first, "type", "veth", "peer", "name", second, "netns", second)
        for name, address in zip(self.names, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", name)
            for device in ("lo", name):
                ip("-n", name, "link", "set", device, "up")
        self._ray(0, "--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self.folder}")
        self.add_node()

    def start(self, *command: str, cwd: Path = REPOSITORY, **environment: Any) -> subprocess.Popen[str]:
        """Start a command on the head's machine, with the token."""
        prefix = ["ip", "netns", "exec", self.names[0]]
        return Workspace(cwd).start(*prefix, *command, **{**self.environment, **environment})

    def add_node(self) -> None:
        """Let the second machine join; returns when it has."""
        self._ray(1, f"--address={self.address}")

    def kill_node(self) -> None:
        """Kill every process of the second machine."""
        self._kill_all(1)

    def close(self) -> None:
        """Kill all processes, and take the machines away."""
        for machine, name in enumerate(self.names):
            with suppress(subprocess.CalledProcessError):  # one that was never made
                self._kill_all(machine)
                ip("netns", "delete", name)

    def _ray(self, machine: int, *options: str) -> None:
        place = ["ip", "netns", "exec", self.names[machine], RAY, "start"]
        size = [f"--node-ip-address={ADDRESSES[machine]}", f"--num-cpus={CPUS[machine]}", *SMALL]
        with tempfile.TemporaryFile() as output:  # which Ray's daemons keep open: a pipe would not end
            streams: dict[str, Any] = {"stdout": output, "stderr": output}
            code = subprocess.call([*place, *size, *options], env={**os.environ, **self.secret}, timeout=120, **streams)
            output.seek(0)
            assert code == 0, output.read().decode()

    def _kill_all(self, machine: int) -> None:
        def gone() -> bool:
            processes = ip("netns", "pids", self.names[machine]).split()
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
