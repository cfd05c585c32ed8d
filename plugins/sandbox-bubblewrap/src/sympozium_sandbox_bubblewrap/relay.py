"""A container's way to the bridge, for models and for what its policy lists: a port on the loopback of a network namespace that has nothing else,
pumped to a Unix socket.

Run as ``python -I -S relay.py <port> <socket> <command…>``. It listens before it starts the command, passes signals on to it, and ends as the
command ends. It is on the way of every start, so until the command runs it uses built-in modules alone: `socket`, `signal` and `typing` cost 10 ms.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_BACKLOG = 128
_FORWARDED = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGUSR1, _signal.SIGUSR2)


def main() -> NoReturn:
    port, path, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(_BACKLOG)
    # Until they are forwarded they wait: a signal that came meanwhile is for the command.
    blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, (*_FORWARDED, _signal.SIGCHLD))
    pid = os.fork()
    if pid == 0:
        _execute(argv, blocked)
    _serve(listener.detach(), path, pid, blocked)


def _execute(argv: list[str], blocked: set[int]) -> NoReturn:
    try:
        _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
        _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"cannot start {argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _serve(descriptor: int, path: str, pid: int, blocked: set[int]) -> NoReturn:
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from sympozium_sandbox_bubblewrap.command import Command  # Now there is time.
    from sympozium_sandbox_bubblewrap.pump import Relay

    command = Command(pid, _FORWARDED)
    relay = Relay(descriptor, path, command.ended)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
    relay.run()
    command.end_alike()


if __name__ == "__main__":
    main()
