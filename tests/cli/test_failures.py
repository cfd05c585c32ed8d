from __future__ import annotations

import pytest

from sympozium_core.cli.failures import Exit, exit_code, explain
from sympozium_core.contracts.cluster import AlreadyExists, BadRequest, Conflict, Forbidden, Invalid, NotFound, Unavailable
from sympozium_core.errors import Cause, Permanent, Refused, SympoziumError, Temporary
from sympozium_core.resources.kinds import UnknownKind

CAUSES = (Cause("spec.a", "is missing", "such as 1"), Cause("spec.b", "is 7"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("x"), Exit.NOT_FOUND),
        (Invalid("x"), Exit.INVALID),
        (BadRequest("x"), Exit.INVALID),
        (Conflict("x"), Exit.INVALID),
        (AlreadyExists("x"), Exit.INVALID),
        (UnknownKind("x"), Exit.INVALID),
        (Forbidden("x"), Exit.REFUSED),
        (Refused([Cause("", "no")]), Exit.REFUSED),
        (Unavailable("x"), Exit.UNAVAILABLE),
        (Temporary("x"), Exit.UNAVAILABLE),
        (Permanent("x"), Exit.ERROR),
    ],
)
def test_codes(error: SympoziumError, code: Exit) -> None:
    assert exit_code(error) == code


def test_each_cause_is_said_once() -> None:
    message = 'AgentRun "x" is invalid: ' + "; ".join(map(str, CAUSES))
    assert explain(Invalid(message, causes=list(CAUSES))) == (
        'error: AgentRun "x" is invalid\n  - spec.a: is missing (such as 1)\n  - spec.b: is 7'
    )
    of_a_real_server = "x is invalid: [" + ", ".join(map(str, CAUSES)) + "]"
    assert explain(Invalid(of_a_real_server, causes=list(CAUSES))).startswith("error: x is invalid\n  - spec.a: ")
    assert explain(Refused(CAUSES)) == "error: 2 problems\n  - spec.a: is missing (such as 1)\n  - spec.b: is 7"
    assert explain(Refused(CAUSES[:1])) == "error: spec.a: is missing (such as 1)"
    assert explain(NotFound("gone", hint="look elsewhere")) == "error: gone (look elsewhere)"


def test_messages_do_not_steer_the_terminal() -> None:
    assert "\x1b" not in explain(Permanent("a\x1b[2J"))
    assert "\x9b" not in explain(Refused([Cause("f", "a\x9b2J"), Cause("g", "b")]))
