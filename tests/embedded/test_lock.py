from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sympozium_core.embedded.lock import DataDir, DataDirBusy, DataDirUnusable, Holder

HOLD = """
import sys, time
from sympozium_core.embedded.lock import DataDir
DataDir(sys.argv[1]).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_it_makes_a_directory_of_its_own(tmp_path: Path) -> None:
    with DataDir(tmp_path / "deep" / "data") as data:
        assert data.path.stat().st_mode & 0o777 == 0o700
        assert (data.path / "lock").stat().st_mode & 0o777 == 0o600
        assert data.holder() == Holder(os.getpid(), str(data.socket))


def test_it_closes_a_directory_that_stood_open(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir(mode=0o755)
    with DataDir(path):
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    with DataDir(tmp_path), pytest.raises(DataDirBusy, match=f"process {os.getpid()}.*api.sock") as refused:
        DataDir(tmp_path).acquire(timeout=0)
    assert refused.value.holder == Holder(os.getpid(), str(tmp_path / "api.sock"))


def test_it_can_be_held_again_after_release(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    for _ in range(3):
        with data:
            assert data.held
        assert data.holder() is None


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    assert DataDir(tmp_path / "nothing").holder() is None


def test_a_broken_note_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("{garbage")
    with DataDir(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
        with pytest.raises(DataDirBusy):
            DataDir(tmp_path).acquire(timeout=0)


def test_the_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"held\n"
        data = DataDir(tmp_path)
        assert data.holder() == Holder(process.pid, str(data.socket))
        with pytest.raises(DataDirBusy, match=f"process {process.pid}"):
            data.acquire(timeout=0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert data.holder() is None
        with data:
            assert data.held


def test_the_socket_of_a_killed_holder_is_not_taken_for_ours(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(data.socket))
    with data:
        assert not data.socket.exists()


def test_probes_do_not_keep_a_holder_out(tmp_path: Path) -> None:
    """Whoever looks takes the lock for a moment; `acquire` outlasts that."""
    stop = threading.Event()

    def probe() -> None:
        while not stop.is_set():
            DataDir(tmp_path).holder()

    threads = [threading.Thread(target=probe) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            with DataDir(tmp_path) as data:
                assert data.held
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataDirUnusable, match="SYMPOZIUM_DATA_DIR"):
        DataDir(tmp_path / "data").acquire()
