"""Carries connections from the relay's port to the model's Unix socket: one thread, bounded buffers, half-closed connections kept so."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable

BUFFER = 65536
PATIENCE = 10.0
"""Seconds for which a connection waits for the model endpoint to come up."""
_RETRY = 0.02


class Pump:
    """One direction of one connection: what `source` gives goes to `target`; at its end `target` is told."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source = source
        self.target = target
        self.pending = b""
        self.ended = False
        self.told = False

    @property
    def reading(self) -> bool:
        return not self.ended and not self.pending

    def read(self) -> None:
        try:
            self.pending = self.source.recv(BUFFER)
        except BlockingIOError:
            return
        self.ended = not self.pending
        self.write()

    def write(self) -> None:
        if self.pending:
            try:
                self.pending = self.pending[self.target.send(self.pending) :]
            except BlockingIOError:
                return
        if self.ended and not self.pending and not self.told:
            self.told = True
            self.target.shutdown(socket.SHUT_WR)


class Connection:
    def __init__(self, client: socket.socket, model: socket.socket) -> None:
        for each in (client, model):
            each.setblocking(False)
        self.sockets = (client, model)
        self.pumps = (Pump(client, model), Pump(model, client))

    @property
    def done(self) -> bool:
        return all(pump.told for pump in self.pumps)

    def wanted(self, each: socket.socket) -> int:
        """Events to be told of for one of the sockets."""
        events = 0
        for pump in self.pumps:
            if pump.source is each and pump.reading:
                events |= selectors.EVENT_READ
            if pump.target is each and pump.pending:
                events |= selectors.EVENT_WRITE
        return events

    def step(self, each: socket.socket, events: int) -> None:
        for pump in self.pumps:
            if pump.target is each and events & selectors.EVENT_WRITE:
                pump.write()
            if pump.source is each and events & selectors.EVENT_READ and pump.reading:
                pump.read()


class Relay:
    def __init__(self, listener: int, path: str, child_ended: Callable[[], bool]) -> None:
        """`listener` is the descriptor of a listening socket."""
        self._listener = socket.socket(fileno=listener)
        self._path = path
        self._child_ended = child_ended
        self._selector = selectors.DefaultSelector()
        self._waiting: list[tuple[float, socket.socket]] = []
        """Accepted connections that the model endpoint does not take yet, each with when to give up."""
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def run(self) -> None:
        """Returns when the command has ended."""
        while not self._child_ended():
            for key, events in self._selector.select(_RETRY if self._waiting else None):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, Connection):
                    self._step(key.data, key.fileobj, events)  # type: ignore[arg-type]
                else:
                    os.read(self._wake, 4096)
            if self._waiting:
                self._connect()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            time.sleep(_RETRY)  # Out of descriptors: the agent's own doing, and it may close some.
            return
        self._waiting.append((time.monotonic() + PATIENCE, client))

    def _connect(self) -> None:
        waiting, self._waiting = self._waiting, []
        for until, client in waiting:
            model = socket.socket(socket.AF_UNIX)
            try:
                model.setblocking(False)
                model.connect(self._path)
            except OSError:
                model.close()
                if time.monotonic() < until:
                    self._waiting.append((until, client))
                else:
                    client.close()
                continue
            connection = Connection(client, model)
            for each in connection.sockets:
                self._selector.register(each, selectors.EVENT_READ, connection)

    def _step(self, connection: Connection, each: socket.socket, events: int) -> None:
        if each.fileno() < 0:
            return  # Closed by the other socket's turn.
        registered = self._selector.get_map()
        try:
            connection.step(each, events)
        except OSError:
            return self._close(connection)
        if connection.done:
            return self._close(connection)
        for one in connection.sockets:
            wanted = connection.wanted(one)
            if one in registered and wanted:
                self._selector.modify(one, wanted, connection)
            elif one in registered:
                self._selector.unregister(one)
            elif wanted:
                self._selector.register(one, wanted, connection)

    def _close(self, connection: Connection) -> None:
        for one in connection.sockets:
            if one in self._selector.get_map():
                self._selector.unregister(one)
            one.close()
