"""The filter of system calls: a classic BPF program (seccomp(2)), written by hand for the two processors that laptops have.

Namespaces keep things apart only as far as the kernel is right. What an agent never needs and exploits often do is refused here: making or
joining namespaces, mounting, tracing, loading code into the kernel, and sockets of families that no network namespace holds (vsock reaches
the hypervisor). Refused calls fail as for an ordinary user, so a program that merely asks goes on.
"""

from __future__ import annotations

import errno
import platform
import struct

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Offsets in struct seccomp_data; of an argument the low half, little-endian."""
_X32 = 0x40000000
_NAMESPACE_FLAGS = 0x7E020080
"""CLONE_NEW* of clone(2): user, mount, pid, network, IPC, UTS, cgroup, time."""
_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: those that a network namespace keeps apart."""

_CALLS = {
    # name: (x86_64, aarch64); None where the processor has no such call. From asm/unistd_64.h and asm-generic/unistd.h.
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
_CLONE3 = 435
_CLONE, _SOCKET = (56, 220), (41, 198)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def program(machine: str = "") -> bytes | None:
    """The filter as the kernel takes it, 8 bytes an instruction; None for a processor that the table does not know."""
    found = _MACHINES.get(machine or platform.machine())
    if found is None:
        return None
    column, architecture = found
    refuse = _ERROR | errno.EPERM
    lines = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_EQUAL, architecture, 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD, _NUMBER),
        _line(_AT_LEAST, _X32, 0, 1),
        _line(_RETURN, refuse),
        # Its flags lie in memory, where a filter cannot look; the C library goes on with clone.
        _line(_EQUAL, _CLONE3, 0, 1),
        _line(_RETURN, _ERROR | errno.ENOSYS),
    ]
    for numbers in _CALLS.values():
        number = numbers[column]
        if number is not None:
            lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, refuse)]
    lines += [
        _line(_EQUAL, _CLONE[column], 0, 4),
        _line(_LOAD, _FIRST_ARGUMENT),
        _line(_ANY_BIT, _NAMESPACE_FLAGS, 0, 1),
        _line(_RETURN, refuse),
        _line(_RETURN, _ALLOW),
        _line(_EQUAL, _SOCKET[column], 0, 2 + len(_FAMILIES)),
        _line(_LOAD, _FIRST_ARGUMENT),
    ]
    lines += [_line(_EQUAL, family, len(_FAMILIES) - index, 0) for index, family in enumerate(_FAMILIES)]
    lines += [_line(_RETURN, _ERROR | errno.EAFNOSUPPORT), _line(_RETURN, _ALLOW)]
    return b"".join(lines)


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; the jumps count the instructions to leave out."""
    return struct.pack("<HBBI", code, if_true, if_false, value)
