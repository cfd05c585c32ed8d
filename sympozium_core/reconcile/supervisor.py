"""Keeps the named tasks of a process running: restarts what crashes, stops all when told, and says what cannot be mended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sympozium_core.backoff import Attempts, BackOff
from sympozium_core.errors import Permanent, SympoziumError

HEALTHY = 60.0
"""Seconds after which a task that crashes counts as having run well: its back-off starts anew."""

log = logging.getLogger(__name__)
Work = Callable[[], Awaitable[None]]


@dataclass
class TaskState:
    """Of one task, for readiness. `problem` is the last crash's one line, empty while it has run well since the start."""

    running: bool = False
    crashes: int = 0
    problem: str = ""


@dataclass
class _Task:
    name: str
    work: Work
    state: TaskState = field(default_factory=TaskState)


class Supervisor:
    """Add tasks, then `run`. A task that returns is done; one that raises is started again with back-off.

    A Permanent ends everything: trying again would give the same, and a process with half of its tasks is worse than one that says why it ends.
    """

    def __init__(self, *, back_off: BackOff | None = None) -> None:
        self._back_off = back_off or BackOff(first=0.1, longest=30.0)
        self._tasks: dict[str, _Task] = {}
        self._group: asyncio.TaskGroup | None = None
        self._kept: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()

    def add(self, name: str, work: Work) -> None:
        """`work` is called to start the task, and again after a crash. Also while running. Raises ValueError for a name that is taken."""
        if name in self._tasks:
            raise ValueError(f"a task named {name!r} exists")
        task = self._tasks[name] = _Task(name, work)
        if self._group is not None:
            self._start(self._group, task)

    def states(self) -> dict[str, TaskState]:
        return {name: task.state for name, task in self._tasks.items()}

    def stop(self) -> None:
        """Ends `run`: every task is cancelled and waited for."""
        self._stop.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the tasks beside the block. A Permanent that ends them is raised when the block is left."""
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            self.stop()
            await task

    async def run(self) -> None:
        """Returns after `stop`, or when every task is done. Raises the Permanent that ended it."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for task in self._tasks.values():
                    self._start(group, task)
                if self._kept:
                    await self._stop.wait()
                for kept in self._kept:
                    kept.cancel()
        except BaseExceptionGroup as errors:
            fatal = permanent_in(errors)
            if fatal is None:
                raise
            raise fatal from None
        finally:
            self._group = None

    def _start(self, group: asyncio.TaskGroup, task: _Task) -> None:
        kept = group.create_task(self._keep(task), name=task.name)
        self._kept.add(kept)
        kept.add_done_callback(self._ended)

    def _ended(self, kept: asyncio.Task[None]) -> None:
        self._kept.discard(kept)
        if not self._kept:
            self._stop.set()

    async def _keep(self, task: _Task) -> None:
        attempts = Attempts(self._back_off)
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            task.state.running = True
            try:
                await task.work()
                return
            except (Exception, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and _told_to_stop():
                    raise
                fatal = permanent_in(error)
                if fatal is not None:
                    task.state.problem = str(fatal)
                    log.error("task %s cannot go on: %s", task.name, fatal)
                    raise fatal from (error if error is not fatal else error.__cause__)
                self._crashed(task, error)
            finally:
                task.state.running = False
            if loop.time() - began >= HEALTHY:
                attempts.succeeded()
            await asyncio.sleep(attempts.failed())

    def _crashed(self, task: _Task, error: BaseException) -> None:
        task.state.crashes += 1
        task.state.problem = f"{type(error).__name__}: {error}"[:300]
        bug = not isinstance(error, SympoziumError)
        log.warning("task %s ended: %s; starting it again", task.name, task.state.problem, exc_info=error if bug else None)


def _told_to_stop() -> bool:
    """Whether the task itself was cancelled, rather than something that it awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def permanent_in(error: BaseException) -> Permanent | None:
    """The first Permanent that this is or, as a group of exceptions, contains."""
    if isinstance(error, Permanent):
        return error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((found for each in inner if (found := permanent_in(each)) is not None), None)
