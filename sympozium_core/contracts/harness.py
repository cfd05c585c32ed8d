"""A harness: the program in a run's agent container, which asks the model and has tools called, over files in `/ipc` and one HTTP address.

What it reads and writes is [the file protocol](../ipc.md#an-agent). It needs nothing else of Sympozium, in any language: the model is asked at an OpenAI-compatible
address, so a framework that takes a base URL and a key is an agent with some forty lines around it.

**A run that was interrupted** goes on with any harness, because what finished stays finished outside of its reach. The address answers a question that it has answered before
from the run's journal: equal questions are those whose body is equal, so a program that begins again with the same task asks the same and is told the same. A tool call whose
request has the id of one on record gets the recorded result; one that was begun and has none is answered ``unknown``. That holds only as long as the same task
makes the same requests, so no time, place or random number belongs into a question, and a call keeps the id that the model gave it. What goes beyond this is the ability ``resume``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

Ability = Literal["native-tools", "limits", "context", "targets", "parallel-calls", "progress", "resume"]
"""What a harness may do beyond what each does.

``native-tools``: does the tools of the server `native` itself, over files; one without is not offered any. ``limits``: ends by itself, with the reason ``BudgetExceeded``,
at `limits.maxTurns` and `limits.maxToolCalls`; without it the model's address refuses the next
question, which ends the run by the same reason, and the gate denies further calls. ``context``: keeps the conversation within `limits.contextBytes` and
what of one tool result is in it within `limits.toolResultBytes`; without it a long run may end with ``ModelError``. ``targets``: lets the model choose among the `servers` of a tool;
without it the first one is asked. ``parallel-calls``: calls of one answer to tool servers run at the same time. ``progress``: says what it is doing in ``output/stream-<n>.json``. ``resume``: goes on with the
conversation in `resume`, and tells the model what is unknown and what was lost; without it a run that is interrupted begins again, as said above.
"""
ALL_ABILITIES: frozenset[Ability] = frozenset(get_args(Ability))


class Harness:
    """Loaded by the control plane only, which asks it how the program is started; the program itself is a process of its own.

    The program finds its volumes at ``/ipc``, ``/workspace``, ``/tmp`` and ``/skills``, or where ``SYMPOZIUM_IPC``, ``SYMPOZIUM_WORKSPACE``, ``SYMPOZIUM_TMP`` and
    ``SYMPOZIUM_SKILLS`` say, starts in the workspace, and is told nothing of the run but ``/ipc/input/task.json``.
    """

    abilities: ClassVar[frozenset[Ability]] = frozenset()
    """What it can do; planning offers no more, and says to whom it matters what is missing."""

    def module(self) -> str:
        """The Python module to run on this machine, as ``python -m`` would, with the standard library and its own package. Empty where `command` says it, and for one
        that is a container image only."""
        return ""

    def command(self) -> Sequence[str]:
        """Command line on this machine, for a program that is no Python module, or that needs more than its own package. Empty where `module` says it."""
        return ()

    def image(self) -> str:
        """The container image with the program, for a cluster. Empty for one that runs on one machine only. It comes from where the run's policy lets images come from."""
        return ""

    def image_command(self) -> Sequence[str]:
        """Command line in the image; empty means the image's own."""
        return ()
