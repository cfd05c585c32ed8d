"""The backend `sqlite` keeps the contract of memory backends."""

from __future__ import annotations

from sympozium_memory_sqlite.notes import SqliteMemory

from sympozium_core.testing.memory import MemoryContract


class TestSqlite(MemoryContract):
    memory_class = SqliteMemory
    entry_point = "sqlite"
