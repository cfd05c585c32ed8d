"""Each refusal of the operating system says what was tried, what is wrong and what to do."""

from __future__ import annotations

import errno
import os

import pytest
from sympozium_sandbox_process.failures import from_os_error

from sympozium_core.errors import Permanent, SympoziumError, Temporary


@pytest.mark.parametrize(
    ("number", "family", "hint"),
    [
        (errno.ENOSPC, Temporary, "free space"),
        (errno.EDQUOT, Temporary, "quota"),
        (errno.EMFILE, Temporary, "ulimit -n"),
        (errno.EAGAIN, Temporary, "ulimit -u"),
        (errno.ENOENT, Permanent, "path"),
        (errno.EACCES, Permanent, "right"),
        (errno.EROFS, Permanent, "data directory"),
    ],
)
def test_family_and_remedy(number: int, family: type[SympoziumError], hint: str) -> None:
    error = from_os_error("make the folder of pod p", OSError(number, os.strerror(number), "/some/where"))
    assert isinstance(error, family)
    assert hint in error.hint
    assert error.message.startswith("cannot make the folder of pod p: ")
    assert "/some/where" in error.message
