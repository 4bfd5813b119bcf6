"""S3, SSH and WebDAV servers on loopback, with their data in a folder of the test."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import asyncssh
import pytest

HOST = "127.0.0.1"
WITHIN = 60  # seconds, to be ready, and to stop
SFTP = """
import asyncio, sys, asyncssh

async def serve(host, port, folder):
    keys = {"server_host_keys": [f"{folder}/host"], "authorized_client_keys": f"{folder}/team.pub"}
    await (await asyncssh.listen(host, int(port), sftp_factory=True, **keys)).wait_closed()

asyncio.run(serve(*sys.argv[1:]))
"""


@dataclass(frozen=True)
class Server:
    """How to start a server, and how to set up its remote by docs/team.md."""

    command: list[str]
    ready: Callable[[], bool]
    make_arguments: list[str]  # of `make remote`
    secrets: dict[str, str]  # by option of `dvc remote modify --local team`


@contextmanager
def served(kind: str, folder: Path) -> Iterator[Server]:
    """A running server of a kind with its data in `folder`; it is started again if a port was taken meanwhile."""
    for attempt in range(3):
        place = folder / f"{kind}-{attempt}"
        place.mkdir()
        server = KINDS[kind](place)
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(server.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + WITHIN
            while process.poll() is None and time.monotonic() < deadline:
                if server.ready():
                    yield server
                    return
                time.sleep(0.05)
        finally:
            process.terminate()  # not kill: SeaweedFS would leave sockets in /tmp
            process.wait(WITHIN)
    pytest.fail(f"{' '.join(server.command)}\n{(place / 'log').read_text(errors='replace')[-4000:]}")


def s3(folder: Path) -> Server:
    """SeaweedFS with the bucket `dvc`."""
    credentials = [{"accessKey": "team-key", "secretKey": "team-secret"}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identities = [{"name": "team", "credentials": credentials, "actions": actions}]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    services = ("master", "volume", "filer", "s3", "admin")
    options = [f"{service}.port{protocol}" for service in services for protocol in ("", ".grpc")]
    ports = dict(zip(options, free_ports(len(options)), strict=True))
    settings = {
        **ports,
        "dir": folder / "data",
        "ip": HOST,
        "ip.bind": HOST,  # not on all interfaces
        "bucket": "dvc",
        "s3.config": folder / "s3.json",
        "s3.localSocket": folder / "s3.sock",  # not in /tmp
        "master.telemetry": "false",
        "admin.ui": "false",
        "webdav": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
    }
    return Server(
        command=["weed", "mini", *(f"-{option}={value}" for option, value in settings.items())],
        ready=lambda: listens(ports["s3.port"]) and answers(ports["filer.port"], "/buckets/dvc/"),
        make_arguments=["URL=s3://dvc/grayscale", f"ENDPOINT=http://{HOST}:{ports['s3.port']}"],
        secrets={"access_key_id": "team-key", "secret_access_key": "team-secret"},
    )


def ssh(folder: Path) -> Server:
    """SFTP for one key."""
    for name in ("host", "team"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
    (folder / "objects").mkdir()
    [port] = free_ports(1)
    return Server(
        command=[sys.executable, "-c", SFTP, HOST, str(port), str(folder)],
        ready=lambda: listens(port),
        make_arguments=[f"URL=ssh://{HOST}:{port}{folder / 'objects'}"],
        secrets={"user": "team", "keyfile": str(folder / "team")},
    )


def webdav(folder: Path) -> Server:
    """wsgidav on cheroot with a user and a password."""
    (folder / "objects").mkdir()
    [port] = free_ports(1)
    settings = {
        "host": HOST,
        "port": port,
        "server": "cheroot",
        "provider_mapping": {"/dvc": str(folder / "objects")},
        "simple_dc": {"user_mapping": {"*": {"team": {"password": "team-password"}}}},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "logging": {"enable": True},
    }
    (folder / "wsgidav.json").write_text(json.dumps(settings))
    return Server(
        command=[sys.executable, "-m", "wsgidav.server.server_cli", "--config", str(folder / "wsgidav.json")],
        ready=lambda: listens(port),
        make_arguments=[f"URL=webdav://{HOST}:{port}/dvc"],
        secrets={"user": "team", "password": "team-password"},
    )


KINDS: dict[str, Callable[[Path], Server]] = {"s3": s3, "ssh": ssh, "webdav": webdav}


def free_ports(count: int) -> list[int]:
    """Distinct unused TCP ports of loopback."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def listens(port: int) -> bool:
    """Whether a port of loopback accepts connections."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def answers(port: int, path: str) -> bool:
    """Whether a GET of the path succeeds, without a proxy."""
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
