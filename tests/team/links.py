"""A bad connection to a server: a TCP proxy on loopback that is slow, or goes silent after some bytes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.team.servers import HOST

BLOCK = 16 << 10  # bytes


@dataclass
class Link:
    """The way to a server's port, as a client gets it."""

    target: int  # port of the server
    rate: float = float("inf")  # bytes per second, of each connection and direction
    silent_after: float = float("inf")  # bytes to the server, after which nothing passes any more
    port: int = 0  # where clients connect
    sent: int = 0  # bytes that have passed to the server
    sockets: list[socket.socket] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        """Pair every connection with one to the server, until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.sockets.append(client)
                try:
                    server = socket.create_connection((HOST, self.target))
                except OSError:
                    client.close()
                    continue
                self.sockets.append(server)
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self.carry, args=(source, sink, sink is server), daemon=True).start()

    def carry(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        """Pass bytes on until one side ends the connection, then end it on both."""
        with suppress(OSError):
            while block := source.recv(BLOCK):
                self.sent += len(block) if up else 0
                while self.sent > self.silent_after:
                    time.sleep(0.1)
                time.sleep(len(block) / self.rate)
                sink.sendall(block)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def link(target: int, rate: float = float("inf"), silent_after: float = float("inf")) -> Iterator[Link]:
    """A way to port `target` of loopback; all its connections end with it."""
    with socket.create_server((HOST, 0)) as listener:
        way = Link(target, rate, silent_after, port=listener.getsockname()[1])
        threading.Thread(target=way.serve, args=(listener,), daemon=True).start()
        try:
            yield way
        finally:
            way.silent_after = float("inf")
            with suppress(OSError):  # macOS: a listener is not connected
                listener.shutdown(socket.SHUT_RDWR)
            for each in way.sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
