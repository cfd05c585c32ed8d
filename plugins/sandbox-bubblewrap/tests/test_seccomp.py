"""The filter of system calls, as the kernel reads it: each jump stays inside, each way ends in an answer."""

from __future__ import annotations

import errno
import platform
import struct

import pytest
from sympozium_sandbox_bubblewrap import seccomp

ALLOW = 0x7FFF0000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def decide(program: bytes, architecture: int, number: int, argument: int = 0) -> int:
    """Runs the filter as the kernel does (classic BPF over struct seccomp_data)."""
    data = struct.pack("<iIQQ", number, architecture, 0, argument)
    lines = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    at = value = 0
    while True:
        code, if_true, if_false, operand = lines[at]
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("<I", data, operand)
        elif code == 0x06:
            return int(operand)
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", sorted(ARCHITECTURES))
def test_decisions(machine: str) -> None:
    program = seccomp.program(machine)
    assert program is not None
    column = sorted(ARCHITECTURES, reverse=True).index(machine)
    architecture = ARCHITECTURES[machine]
    for name, numbers in seccomp._CALLS.items():
        number = numbers[column]
        if number is not None:
            assert decide(program, architecture, number) == 0x50000 | errno.EPERM, name
    clone, opened = ((56, 41), (220, 198))[column]
    assert decide(program, architecture, clone, 0x1200011) == ALLOW
    assert decide(program, architecture, clone, 0x3D0F00) == ALLOW
    assert decide(program, architecture, clone, 0x10000011) == 0x50000 | errno.EPERM
    assert decide(program, architecture, 435) == 0x50000 | errno.ENOSYS
    assert [decide(program, architecture, opened, family) for family in (1, 2, 10, 16)] == [ALLOW] * 4
    assert {decide(program, architecture, opened, family) for family in (17, 40, 38, 0)} == {0x50000 | errno.EAFNOSUPPORT}
    assert {decide(program, architecture, number) for number in (0, 1, 59, 63, 64)} == {ALLOW}
    assert decide(program, 0x40000003, 1) == 0x80000000
    if machine == "x86_64":
        assert decide(program, architecture, 0x40000000 | 101) == 0x50000 | errno.EPERM


def test_the_processor_of_this_machine_has_a_filter() -> None:
    if platform.machine() not in ARCHITECTURES:
        pytest.skip(f"no filter for {platform.machine()}: namespaces alone hold there")
    assert seccomp.program()
    assert seccomp.program("vax") is None
