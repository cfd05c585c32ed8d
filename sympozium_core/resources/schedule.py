"""SympoziumSchedule: runs that start by the clock.

Normal form: the v0.8.0 spelling, and `timezone`. What else `spelling` brings into it: `agentRef` (to `instanceRef`) and `input` (to `task`).
"""

from __future__ import annotations

from typing import Literal

from sympozium_core.resources.conditions import Condition
from sympozium_core.resources.fields import CronLine, ObjectName, Text, Time, TimeZone
from sympozium_core.resources.strictness import Loose, Resource, Strict


class ScheduleSpec(Strict):
    instance_ref: ObjectName
    """The SympoziumInstance that runs, in the same namespace."""
    schedule: CronLine
    task: Text
    timezone: TimeZone = "UTC"
    """In which `schedule` is read."""
    type: Literal["heartbeat", "scheduled", "sweep"] = "scheduled"
    """What the runs are for; a label, all types fire alike."""
    suspend: bool = False
    concurrency_policy: Literal["Forbid", "Allow", "Replace"] = "Forbid"
    """When a run is due and the one before still runs: skip it, run both, or cancel the old one."""
    include_memory: bool = True


class ScheduleStatus(Loose):
    phase: str | None = None
    """Active, Suspended or Error."""
    last_run_time: Time | None = None
    next_run_time: Time | None = None
    last_run_name: str | None = None
    total_runs: int | None = None
    conditions: list[Condition] | None = None


class SympoziumSchedule(Resource):
    """Runs that start by the clock."""

    spec: ScheduleSpec
    status: ScheduleStatus | None = None
