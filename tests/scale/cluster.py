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
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY

RAY = str(Path(sys.executable).with_name("ray"))
CPUS = (2, 3)  # that Ray is told of; the second machine has more, so that one can ask for it
SMALL = ["--object-store-memory=100000000", "--disable-usage-stats"]  # bytes; Ray takes 75 MB or more
PORT, ADDRESSES = 6379, ("10.77.0.1", "10.77.0.2")


class Cluster:
    """Two machines, of which the second can be killed and replaced. Each is a network namespace.

    Attributes:
        address: of the head.
        environment: for a process that computes on the cluster: ENGINE, RAY_ADDRESS and the token.
        prefix: of a command, to run it on the head's machine.
    """

    def __init__(self, folder: Path, secret: dict[str, str]) -> None:
        name = f"ray{os.getpid()}"
        self.names = (f"{name}a", f"{name}b")
        self.folder, self.secret = folder, secret
        self.address = f"{ADDRESSES[0]}:{PORT}"
        self.environment = {**secret, "ENGINE": "ray", "RAY_ADDRESS": self.address}
        self.prefix = ["ip", "netns", "exec", self.names[0]]

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
        head = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        self._ray(0, *head)
        self.add_node()

    def start(self, *command: str, cwd: Path = REPOSITORY, **environment: Any) -> subprocess.Popen[str]:
        """Start a command on the head's machine, with the token and this Python first on the path."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.Popen(
            [*self.prefix, *command],
            cwd=cwd,
            env={**os.environ, "PATH": path, **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def add_node(self) -> None:
        """Let the second machine join; returns when it has."""
        self._ray(1, f"--address={self.address}")

    def kill_node(self) -> None:
        """Kill every process of the second machine."""
        kill(self._processes(1))

    def close(self) -> None:
        """Kill all processes, and take the machines away."""
        for machine, name in enumerate(self.names):
            with suppress(subprocess.CalledProcessError):  # one that was never made
                kill(self._processes(machine))
                ip("netns", "delete", name)

    def _ray(self, machine: int, *options: str) -> None:
        place = ["ip", "netns", "exec", self.names[machine], RAY, "start"]
        size = [f"--num-cpus={CPUS[machine]}", *SMALL]
        command = [*place, f"--node-ip-address={ADDRESSES[machine]}", *size, *options]
        run(command, {**os.environ, **self.secret})

    def _processes(self, machine: int) -> list[int]:
        return [int(line) for line in ip("netns", "pids", self.names[machine]).split()]


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


def may_have_namespaces() -> bool:
    """Is this root, with the right to change the network, which some containers withhold?"""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"ray{os.getpid()}"
    try:
        ip("netns", "add", name)
        ip("netns", "delete", name)
    except subprocess.CalledProcessError:
        return False
    return True


def ip(*words: str) -> str:
    """The output of the command `ip`."""
    return run(["ip", *words], dict(os.environ))


def run(command: list[str], environment: dict[str, str]) -> str:
    """The output of a command, which must succeed.

    To a file: Ray's daemons keep what they inherit open, so that a pipe would not end.
    """
    with tempfile.TemporaryFile("w+") as output:
        code = subprocess.run(command, env=environment, stdout=output, stderr=output, timeout=120).returncode
        output.seek(0)
        text = output.read()
    if code:
        raise subprocess.CalledProcessError(code, command, text)
    return text


def kill(processes: list[int]) -> None:
    """Kill processes, and wait until they are gone."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    assert wait_until(lambda: not any(map(runs, processes)))


def runs(process: int) -> bool:
    """Is there such a process, not yet dead?"""
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def wait_until(happened: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait for it; False if it did not happen in time."""
    deadline = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found
