"""What the operating system refuses, in words that say what to do about it."""

from __future__ import annotations

import errno
import os

from sympozium_core.errors import Permanent, SympoziumError, Temporary

_TEMPORARY = {
    errno.ENOSPC: "free space on this disk, or move the data directory to another",
    errno.EDQUOT: "free space within the user's quota, or move the data directory to another disk",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or run fewer pods at once",
    errno.ENFILE: "this machine has too many files open; end something",
    errno.EAGAIN: "too many processes run; raise the limit (ulimit -u), or run fewer pods at once",
    errno.ENOMEM: "this machine is out of memory; end something, or run fewer pods at once",
    errno.EIO: "the disk reports an error; look at the kernel's log",
}
_PERMANENT = {
    errno.ENOENT: "install it, or correct the path",
    errno.EACCES: "give this user the right to it",
    errno.EPERM: "give this user the right to it",
    errno.EROFS: "move the data directory to a disk that can be written",
    errno.ENAMETOOLONG: "choose a data directory with a shorter path",
    errno.ENOEXEC: "it needs a #! line, or is made for another processor",
    errno.E2BIG: "make the container's environment and command shorter",
}


def from_os_error(doing: str, error: OSError) -> SympoziumError:
    """Temporary where room or time can mend it, Permanent where a person must. `doing` completes "cannot …"."""
    number = error.errno or errno.EIO
    where = f" {error.filename}" if error.filename and str(error.filename) not in doing else ""
    message = f"cannot {doing}: {os.strerror(number)}{where}"
    if number in _PERMANENT:
        return Permanent(message, reason="InfrastructureError", hint=_PERMANENT[number])
    return Temporary(message, hint=_TEMPORARY.get(number, ""))
