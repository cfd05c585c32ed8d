"""The system prompt: who the agent is, how its tools behave, which instructions it may read. It claims no right that the run may not have."""

from __future__ import annotations

from sympozium_core.ipc.task import Task
from sympozium_core.names import NATIVE_TOOLS, Tool

_FILES = frozenset(str(tool) for tool in NATIVE_TOOLS)

PERSONA = "You are an agent that works on its own on one task. Do the task, then answer with the result."

TOOLS = """\
# Tools

You reach the world only through the tools on offer. What they return is true; what you have not seen through them, you do not know.
Calls that do not depend on each other belong into one answer: they run at the same time.
A call that fails says why: read it, change what is wrong, and do not repeat the same call.
A call may be denied by policy: then find another way or say what is missing.
Long results are cut in the middle, and say so: ask for a part of the file, or narrow the command.
When the task is done, answer in plain text without a tool call. That answer is the result of the run."""

FILES = """\
Files: work in /workspace (read and write); /tmp is for what nobody needs later. Paths are absolute, or relative to /workspace."""

COMMANDS = """\
Commands run in a process of their own, each from a fresh shell in /workspace; nothing but files stays from one command to the next."""

NO_TOOLS = "You have no tools. Answer from what you know, and say what you cannot know."


def system_prompt(task: Task) -> str:
    """Equal tasks give equal prompts: no time, no host, no id is in it."""
    names = {tool.definition.name for tool in task.tools}
    parts = [task.system_prompt.strip() or PERSONA]
    if names:
        guidance = [TOOLS]
        if names & _FILES:
            guidance.append(FILES)
        if Tool.EXECUTE_COMMAND in names:
            guidance.append(COMMANDS)
        parts.append("\n".join(guidance))
    else:
        parts.append(NO_TOOLS)
    if task.skills:
        parts.append(_skills(task, readable=Tool.READ_FILE in names))
    parts += [section.strip() for section in task.prompt_sections if section.strip()]
    return "\n\n".join(parts)


def _skills(task: Task, *, readable: bool) -> str:
    how = "Read the file of a skill with read_file before you use it." if readable else "Their files are under /skills."
    lines = [f"- {' '.join(skill.name.split())}: {' '.join(skill.description.split())} ({skill.path})" for skill in task.skills]
    return "\n".join(["# Skills", "", f"Instructions for particular kinds of work. {how}", "", *lines])
