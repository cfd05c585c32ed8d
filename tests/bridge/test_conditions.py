"""Rules with conditions, at the gate: what was judged is what runs, and nothing that an agent writes changes that."""

from __future__ import annotations

import pytest

from sympozium_core.contracts.plan import ToolServer
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule

KUBECTL = ToolRule("execute_command", "allow", "policy p: a rule", "argv[0] == 'kubectl'")
LISTED = ToolPolicy("deny", "policy p: toolGating.defaultAction is deny", (KUBECTL,))
NO_RM = ToolPolicy("allow", "", (ToolRule("execute_command", "deny", "policy p: no rm", "argv[0] == 'rm'"),))


async def ask(world, policy, *commands, **more):
    """The statuses of one call for each command, and what the sidecar was asked."""
    world.plan = world.make_plan(tools=policy)
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    await pod.carry()
    results = []
    for number, command in enumerate(commands):
        pod.request("shell", f"c{number}", arguments={"command": command}, **more)
        results.append(await pod.result("shell", f"c{number}"))
    return pod, tools, results


async def test_a_conditional_tool_is_offered_and_runs_by_its_words(world):
    pod, tools, results = await ask(world, LISTED, "kubectl get 'a  b'", "kubectl get x; rm -rf /", "rm -rf /")
    assert [tool["name"] for tool in await pod.offered()] == ["execute_command"]
    assert [result["status"] for result in results] == ["ok", "denied", "denied"]
    (asked,) = tools.asked
    assert asked.argv == ("kubectl", "get", "a  b")
    assert asked.arguments == {"command": "kubectl get 'a  b'"}
    assert "it may be called when argv[0] == 'kubectl'" in results[2]["content"]
    assert "this command has no argv" in results[1]["content"]
    assert "this command has no argv" not in results[2]["content"]


async def test_the_words_are_the_bridges_and_the_line_is_quoted_for_servers_that_have_a_shell(world):
    _, tools, results = await ask(world, LISTED, "kubectl   get\t\"a=b\" 'x;y'", argv=["rm", "-rf", "/"])
    assert results[0]["status"] == "ok"
    (asked,) = tools.asked
    assert asked.argv == ("kubectl", "get", "a=b", "x;y")
    assert asked.arguments == {"command": "kubectl get a=b 'x;y'"}


async def test_words_of_an_agents_own_do_not_reach_a_server(world):
    _, tools, results = await ask(world, ToolPolicy(), "true; echo $HOME", argv=["rm", "-rf", "/"])
    assert results[0]["status"] == "ok"
    assert tools.asked[0].argv == ()
    assert tools.asked[0].arguments == {"command": "true; echo $HOME"}


async def test_a_denial_that_looked_at_the_words_binds_what_passes_it(world):
    _, tools, results = await ask(world, NO_RM, "ls -l", "rm x", "ls; true")
    assert [result["status"] for result in results] == ["ok", "denied", "denied"]
    assert [asked.argv for asked in tools.asked] == [("ls", "-l")]


async def test_the_record_says_which_rule_it_was_and_of_what(world):
    pod, _, _ = await ask(world, LISTED, "kubectl get pods", "rm x")
    requested, denied = await world.entry("tool.requested"), await world.entry("tool.denied")
    assert requested["rule"] == {"tool": "execute_command", "action": "allow", "when": "argv[0] == 'kubectl'"}
    assert (requested["because"], requested["argv"]) == ("policy p: a rule", ["kubectl", "get", "pods"])
    assert (denied["server"], denied["arguments"]) == ("shell", {"command": "rm x"})
    assert "toolGating.defaultAction is deny" in denied["because"]
    pod.request("shell", "long", arguments={"command": "rm " + "x" * 5000})
    await pod.result("shell", "long")
    assert (await world.entry("tool.denied", 2))["arguments"] == {"": "5018 bytes"}


async def test_conditions_on_the_server_and_on_arguments(world):
    rules = (
        ToolRule("deploy", "allow", "staging", "server == 'kube' && args.namespace == 'staging'"),
        ToolRule("deploy", "deny", "the rest"),
    )
    world.plan = world.make_plan(tools=ToolPolicy(rules=rules), servers=(ToolServer("kube"), ToolServer("other")))
    pod = world.pod()
    schema = {"type": "object", "properties": {"namespace": {}}}
    for server in ("kube", "other"):
        pod.serve(server, "deploy", parameters=schema)
    await pod.carry()
    statuses = {}
    for number, (server, namespace) in enumerate(
        [("kube", "staging"), ("kube", "prod"), ("other", "staging"), ("kube", ["staging"])]
    ):
        pod.request(server, f"c{number}", "deploy", {"namespace": namespace})
        statuses[number] = (await pod.result(server, f"c{number}"))["status"]
    assert list(statuses.values()) == ["ok", "denied", "denied", "denied"]


@pytest.mark.parametrize(
    "arguments",
    [{"command": "kubectl get x", "pad": "x" * 70_000}, {"command": "kubectl\0 get x"}, {"command": "kubectl get \ud800"}],
)
async def test_what_cannot_be_told_is_not_let_through(world, arguments):
    world.plan = world.make_plan(tools=LISTED)
    pod = world.pod()
    tools = pod.serve("shell", "execute_command")
    await pod.carry()
    pod.request("shell", "c1", arguments=arguments)
    assert (await pod.result("shell", "c1"))["status"] in ("denied", "error")
    assert not tools.asked
