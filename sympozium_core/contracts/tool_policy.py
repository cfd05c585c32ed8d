"""What a run's tools may be called for: rules in the order of their policies, and the one place where they are evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal, Protocol

Action = Literal["allow", "ask", "deny"]


class CallFacts(Protocol):
    """What a decision may depend on besides the tool: one call. `call_conditions.examined` has the real one."""

    def holds(self, when: str) -> bool | None:
        """Whether a rule's condition is true of the call; None where that cannot be told. The same answer each time."""


class UntoldCall:
    """A call whose arguments nobody sees who could stop it: of no condition can be told whether it holds."""

    def holds(self, when: str) -> bool | None:
        return None


@dataclass(frozen=True)
class ToolRule:
    tool: str
    action: Action
    because: str
    """Which policy and field says so, for the message that a denied call gets."""
    when: str = ""
    """CEL over the arguments (`call_conditions.expression`): the rule is for the calls of which it is true. Empty for all of them."""


STRICTNESS: Mapping[Action, int] = MappingProxyType({"allow": 0, "ask": 1, "deny": 2})


@dataclass(frozen=True)
class ToolPolicy:
    """The effective decision on each call: the first rule that fits it, else the default; what narrows it can only be stricter."""

    default: Action = "allow"
    because: str = ""
    rules: tuple[ToolRule, ...] = ()
    narrowed_by: tuple[ToolPolicy, ...] = ()
    """Further policies that all have a say (the run's own toolPolicy, a mandatory policy): of several answers the strictest holds."""

    def decide(self, tool: str, call: CallFacts | None = None) -> ToolRule:
        """The decision on `call`, a call of `tool`, and why; without one, the most that a call of the tool can get. The one place where tool
        policies are evaluated, for planning, bridge and command line alike."""
        reached = self.reached(tool)
        if call is None:
            decision = min(reached, key=lambda rule: STRICTNESS[rule.action])
        else:
            decision = max(reversed(_possible(reached, call)), key=lambda rule: STRICTNESS[rule.action])
        for policy in self.narrowed_by:
            other = policy.decide(tool, call)
            if STRICTNESS[other.action] > STRICTNESS[decision.action]:
                decision = other
        return decision

    def reached(self, tool: str) -> tuple[ToolRule, ...]:
        """The rules of this policy alone that can decide on a call of `tool`, in order: those with a condition, then the first without one, or
        the default."""
        found = []
        for rule in self.rules:
            if fnmatchcase(tool, rule.tool):
                found.append(rule)
                if not rule.when:
                    return tuple(found)
        return (*found, ToolRule("*", self.default, self.because))

    def all_parts(self) -> Iterator[ToolPolicy]:
        """This one and all that narrow it, each of which decides by itself."""
        yield self
        for policy in self.narrowed_by:
            yield from policy.all_parts()

    @property
    def conditional(self) -> bool:
        """Whether a decision can depend on the arguments of a call."""
        return any(rule.when for part in self.all_parts() for rule in part.rules)


def _possible(reached: tuple[ToolRule, ...], call: CallFacts) -> list[ToolRule]:
    """Those of the rules that may be the one that decides: the first whose condition holds, and those before it of which that cannot be told.
    The strictest of them counts, so whatever makes a condition fail opens nothing."""
    found = []
    for rule in reached:
        told = call.holds(rule.when) if rule.when else True
        if told is not False:
            found.append(rule)
        if told:
            break
    return found
