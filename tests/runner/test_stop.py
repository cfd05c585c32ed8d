"""A signal ends a wait whenever it comes: also in the moment before the wait begins, and when another thread is given it."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The main thread is waiting, and another one gets the signal: so the wait itself is not interrupted, and only what the signal left ends it.
CODE = """
import os, signal, threading
from sympozium_core.runner.main import Signals
from sympozium_core.runner.stop import Stop, Stopped

stop = Stop()
Signals(stop)
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
try:
    WAIT
except Stopped as stopped:
    print(stopped)
"""


@pytest.mark.parametrize("wait", ["stop.sleep(600)", "stop.wait_readable(os.pipe()[0], 600)"])
def test_a_signal_that_interrupts_nothing_ends_the_wait(wait: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CODE.replace("WAIT", wait)], check=False, capture_output=True, text=True, timeout=30
    )
    assert ended.stdout == "the run was cancelled: signal SIGTERM\n", ended.stderr
