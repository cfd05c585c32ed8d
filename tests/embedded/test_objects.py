from __future__ import annotations

import uuid

from sympozium_core.embedded.objects import new_uid


def test_uids_sort_by_the_time_of_creation() -> None:
    start = 1_790_000_000.0
    made = [new_uid(start + step * 1e-5) for step in range(2000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_uid_is_a_uuid_of_version_7_with_its_time() -> None:
    found = uuid.UUID(new_uid(1_790_000_000.25))
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == 1_790_000_000_250


def test_uids_of_one_moment_differ() -> None:
    assert len({new_uid(1_790_000_000.0) for _ in range(1000)}) == 1000
