"""Who somebody on this machine is to the store: the user of the process, as the kernel names it."""

from __future__ import annotations

import pwd

from sympozium_core.contracts.cluster import User


def local_user(uid: int) -> User:
    """``local:<login>``; the number where the machine has no name for it."""
    try:
        login = pwd.getpwuid(uid).pw_name
    except KeyError:
        login = str(uid)
    return User(f"local:{login}", ("system:masters", "system:authenticated"))
