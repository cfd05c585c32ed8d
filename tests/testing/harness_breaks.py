"""Ways to break a sound harness, by the check that has to find each: a change of the template's program, or of the runner for what the template cannot do."""

from __future__ import annotations

Changes = tuple[tuple[str, str], ...]

_WAIT = "        self.wait(result.exists)\n"
_RUN = "    begin, deadline, run = "
_RESPONSE = "run.answer()[:LONGEST]"
_INIT = "        self.tools = {"

PROGRAM: dict[str, tuple[str, Changes]] = {
    "leaves-without-task": ("it_waits_for_its_task", (("        if signals:\n            return 0\n", "        return 0\n"),)),
    "only-new": (
        "a_task_from_before_it_came_up_is_found",
        (
            ('    path = IPC / "input/task.json"\n', '    path = IPC / "input/task.json"\n    before = path.exists()\n'),
            ("while not path.exists():", "while before or not path.exists():"),
        ),
    ),
    "reads-hidden": (
        "a_task_that_is_not_there_yet_is_left_alone",
        (('    path = IPC / "input/task.json"\n', '    path = next(IPC.glob("input/*task*"), IPC / "input/task.json")\n'),),
    ),
    "believes-environment": (
        "what_the_environment_says_of_models_does_not_count",
        (("build_opener(urllib.request.ProxyHandler({}))", "build_opener()"),),
    ),
    "knows-all-fields": (
        "fields_that_it_does_not_know_are_ignored",
        ((_INIT, f'        if "later" in task:\n            raise ValueError("later")\n{_INIT}'),),
    ),
    "needs-all-fields": (
        "fields_that_may_be_left_out_are_not_needed",
        (('for each in task.get("skills") or []]', 'for each in task["skills"]]'),),
    ),
    "dies-of-a-task": (
        "a_task_that_cannot_be_read_has_a_result_that_says_so",
        (("    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:", "    except OSError as error:"),),
    ),
    "never-polls": (
        "it_works_where_nobody_tells_of_files",
        ((_RUN, f'    assert "SYMPOZIUM_IPC_POLLING" not in os.environ\n{_RUN}'),),
    ),
    "no-token": (
        "it_asks_the_address_with_the_token_for_the_model",
        ((""", "Authorization": f"Bearer {self.model.get('token') or ''}\"""", ""),),
    ),
    "other-task": ("the_task_is_what_the_user_says", (('"content": task["task"]}', '"content": task["task"].upper()}'),)),
    "no-system-prompt": ("the_system_prompt_comes_first", (('task.get("systemPrompt") or "You', '"You'),)),
    "no-sections": ("sections_of_the_prompt_are_told", (('*(task.get("promptSections") or []), ', ""),)),
    "no-path-of-skills": ("skills_are_told_with_where_they_are", ((" ({each['path']})", ""),)),
    "first-word": (
        "what_the_model_says_last_is_the_result",
        (("return str(text)", 'return str(next(m["content"] for m in self.messages if m["role"] == "assistant"))'),),
    ),
    "ascii": (
        "text_comes_through_unchanged[umlauts]",
        ((_RESPONSE, 'run.answer().encode("ascii", "replace").decode()'),),
    ),
    "one-line": ("text_comes_through_unchanged[lines]", ((_RESPONSE, '" ".join(run.answer().split())'),)),
    "basic-plane": (
        "text_comes_through_unchanged[beyond-the-basic-plane]",
        ((_RESPONSE, '"".join(c for c in run.answer() if ord(c) < 65536)'),),
    ),
    "no-backslash": ("text_comes_through_unchanged[of-code]", ((_RESPONSE, 'run.answer().replace(chr(92), "")'),)),
    "tells-the-time": (
        "equal_tasks_ask_equally",
        (('{"role": "user", "content": task["task"]},', '{"role": "user", "content": task["task"]}, {"role": "user", "content": str(time.time())},'),),
    ),
    "asks-once": ("a_failure_that_may_pass_is_asked_again", (("(0.1, 0.4, 1.6, 3.2, 6.4)", "(0.1,)"),)),
    "takes-refusals": (
        "a_refusal_ends_the_run",
        (('return Ended("ModelError", f"the model refuses', 'return {"content": "no"} or Ended("ModelError", f"the model refuses'),),
    ),
    "takes-anything": (
        "an_answer_that_is_none_ends_the_run[html]",
        (('return Ended("ModelError", f"the model\'s answer', 'return {"content": "?"} or Ended("ModelError", f"the model\'s answer'),),
    ),
    "takes-half": ("half_an_answer_is_no_answer", (("            return str(error)\n", '            return {"content": "There are"}\n'),)),
    "no-deadline": ("a_model_that_is_silent_ends_with_the_runs_time", (("if self.deadline and time.time()", "if not self.deadline and time.time()"),)),
    "needs-no-model": ("an_address_where_nobody_answers_ends_typed", (("            return str(error)\n", '            return {"content": "x"}\n'),)),
    "unbounded": ("a_very_long_answer_ends_in_a_result_that_is_taken", (("[:LONGEST]", ""),)),
    "prints-all": ("the_token_is_told_nobody", (("        deadline = run.deadline\n", "        deadline = run.deadline\n        print(run.model)\n"),)),
    "no-schemas": ("tools_on_offer_are_offered_to_the_model", (('("name", "description", "parameters")', '("name", "description")'),)),
    "empty-offer": ("without_tools_none_are_offered", (('**({"tools": offer} if offer else {})', '"tools": offer'),)),
    "own-ids": (
        "a_call_becomes_a_request_with_the_models_own_id",
        (("if not CALL_ID.fullmatch(name) or name in self.used:", "if name:"),),
    ),
    "request-in-place": ("a_request_is_written_and_then_renamed", (('path.with_name(f".{path.name}")', "path"),)),
    "one-server": ("each_tool_is_asked_of_its_server", (('self.tools[name]["server"]', 'next(iter(self.tools.values()))["server"]'),)),
    "tells-nothing": ("a_result_is_told_to_the_model", (('content, most = result.get("content") or "",', 'content, most = "",'),)),
    "one-call": (
        "calls_of_one_answer_are_all_made",
        (('enumerate(message.get("tool_calls") or [])', 'enumerate((message.get("tool_calls") or [])[:1])'),),
    ),
    "forgets": ("calls_of_later_turns_are_made", (('"assistant", "content": text,', '"assistant", "content": "",'),)),
    "any-id": ("an_id_that_cannot_name_a_file_is_replaced", (("not CALL_ID.fullmatch(name) or name in self.used", "name in self.used"),)),
    "same-id": ("an_id_is_used_once", (("not CALL_ID.fullmatch(name) or name in self.used", "not CALL_ID.fullmatch(name)"),)),
    "few-arguments": ("arguments_come_through_unchanged", (('"arguments": given}', '"arguments": {"text": given.get("text")}}'),)),
    "half-arguments": (
        "arguments_that_are_no_object_are_told[half]",
        (("except ValueError as error:\n            return", "except KeyError as error:\n            return"),),
    ),
    "any-arguments": ("arguments_that_are_no_object_are_told[list]", (("if not isinstance(given, dict):", "if given is None:"),)),
    "any-tool": ("a_tool_that_is_not_on_offer_is_told", (("if name not in self.tools:", "if not name:"),)),
    "hides-denials": ("how_a_call_ended_is_told[denied]", (('if result["status"] != "ok":', 'if result["status"] not in ("ok", "denied"):'),)),
    "hides-exit-codes": ("an_exit_code_is_told", (('if result.get("exitCode"):', 'if result.get("exit_code"):'),)),
    "hides-cuts": ("a_result_that_was_cut_is_said_to_be", (('if result.get("truncated"):', 'if result.get("cut"):'),)),
    "needs-content": ("a_call_without_output_has_a_result_too", (('result.get("content") or "",', 'result["content"],'),)),
    "last-bytes": ("a_large_result_does_no_harm", (("content[:most]", "content[-most:]"),)),
    "reads-hidden-results": (
        "a_result_that_is_not_there_yet_is_left_alone",
        ((_WAIT, '        self.wait(lambda: any(server.glob(f"results/*{call}.json*")))\n        result = next(server.glob(f"results/*{call}.json*"))\n'),),
    ),
    "reads-all-results": (
        "junk_among_the_results_does_no_harm",
        ((_WAIT, '        self.wait(lambda: any(json.loads(each.read_bytes())["id"] == call for each in server.glob("results/*")))\n'),),
    ),
    "dies-of-a-result": (
        "a_result_that_cannot_be_read_is_told",
        (("        except (OSError, ValueError, AttributeError, TypeError):", "        except OSError:"),),
    ),
    "waits-for-ever": (
        "a_call_that_is_never_answered_ends_with_the_runs_time",
        ((_WAIT, "        while not result.exists():\n            time.sleep(LOOK)\n"),),
    ),
    "wrong-shape": ("a_result_is_of_the_protocol", (('"toolCalls": calls,', '"toolCalls": "many",'),)),
    "result-in-place": ("a_result_is_written_and_then_renamed", (('path.with_name(f".{path.name}")', "path"),)),
    "leaves-at-once": ("it_stays_until_its_result_is_acknowledged", (("and not signals and time.time() < end:", "and time.time() < 0:"),)),
    "any-acknowledgement": (
        "it_stays_until_its_result_is_acknowledged",
        (('while not (IPC / "output/result.ack").exists()', 'while not any(IPC.glob("output/*result.ack*"))'),),
    ),
    "says-it-by-its-code": (
        "it_ends_with_0_once_its_failure_is_acknowledged",
        (("    return 0\n\n\nif __name__", '    return int(result["status"] == "error")\n\n\nif __name__'),),
    ),
    "goes-on-asking": ("a_run_that_asks_its_model_is_cancelled", (('if signals or (IPC / "control/cancel").exists():', "if signals:"),)),
    "goes-on-waiting": (
        "a_run_that_waits_for_a_tool_is_cancelled",
        ((_WAIT, "        while not result.exists():\n            time.sleep(LOOK)\n"),),
    ),
    "idle-for-ever": ("a_signal_ends_it_before_it_has_a_task", (("        if signals:\n            return 0\n", ""),)),
    "deaf": ("a_signal_ends_a_run", (("lambda number, frame: signals.append(number)", "signal.SIG_IGN"),)),
    "stays": ("a_signal_ends_the_wait_for_the_acknowledgement", (("and not signals and time.time() < end:", "and time.time() < end:"),)),
    "leaves-a-process": (
        "it_leaves_no_process",
        ((_RUN, f'    __import__("subprocess").Popen(["sleep", "60"], start_new_session=True)\n{_RUN}'),),
    ),
    "writes-home": ("it_writes_nowhere_but_in_its_places", ((_RUN, f'    (Path.home() / ".agent").touch()\n{_RUN}'),)),
    "writes-beside": ("it_writes_nowhere_but_in_its_places", ((_RUN, f'    (IPC / "notes").touch()\n{_RUN}'),)),
    "leaves-half": ("it_leaves_nothing_half_written", (("    hidden.replace(path)\n", "    hidden.replace(path)\n    hidden.touch()\n"),)),
    "endless-turns": ("turns_are_bounded", (('if self.turns >= self.limits.get("maxTurns", 50):', "if self.turns >= 50:"),)),
    "endless-calls": ("tool_calls_are_bounded", (('if len(self.used) > self.limits.get("maxToolCalls", 200):', "if len(self.used) > 200:"),)),
    "half-resumes": (
        "without_it_an_earlier_attempt_changes_no_question",
        (("        self.deadline = float", '        self.messages = (task.get("resume") or {}).get("messages") or self.messages\n        self.deadline = float'),),
    ),
}  # fmt: skip

RUNNER: dict[str, tuple[str, str]] = {
    "whole-results": (
        "what_of_a_result_the_model_is_told_is_bounded",
        "from sympozium_core.runner import loop as m; old = m.tool_message; m.tool_message = lambda result, limit: old(result, 1 << 30)",
    ),
    "never-compacts": (
        "the_conversation_is_bounded",
        "from sympozium_core.runner.conversation import Conversation as m; m.compact = lambda self, budget: None",
    ),
    "first-server": (
        "the_model_chooses_among_servers",
        "from sympozium_core.runner import toolbox as m; m._route = lambda tool, arguments: (tool.server, arguments)",
    ),
    "any-server": (
        "a_server_that_is_no_choice_is_told",
        "from sympozium_core.runner import toolbox as m; m._route = lambda tool, arguments: (tool.server, {})",
    ),
    "one-by-one": ("calls_run_at_the_same_time", "from sympozium_core.runner import toolbox as m; m.PARALLEL = 1"),
    "own-events": (
        "progress_is_of_the_protocol",
        "from sympozium_core.runner.progress import Progress as m; m.begin_turn = lambda self, turn: self._say({'type': 'thinking', 'turn': turn})",
    ),
    "silent-calls": (
        "progress_tells_of_turns_calls_and_text",
        "from sympozium_core.runner.progress import Progress as m; m.tool = lambda self, *words: None",
    ),
    "progress-in-place": (
        "progress_is_written_and_then_renamed",
        "import json\n"
        "from sympozium_core.ipc.files import Root\n"
        "old = Root.write_json\n"
        "def write(self, path, value, **more):\n"
        "    if 'stream-' not in path:\n"
        "        return old(self, path, value, **more)\n"
        "    with open(os.environ['SYMPOZIUM_IPC'] + '/' + path, 'w') as file:\n"
        "        json.dump(value, file)\n"
        "Root.write_json = write\n",
    ),
    "bare-natives": (
        "native_tools_are_offered_with_their_parameters",
        "from sympozium_core.runner import toolbox as m; m._definition = lambda tool: tool.definition",
    ),
    "pretends": (
        "native_tools_work_on_the_workspace",
        "from sympozium_core.runner.tools.native import NATIVE; object.__setattr__(NATIVE['write_file'], 'run', lambda fields, roots: 'Wrote.')",
    ),
    "dies-of-a-tool": (
        "a_native_tool_that_fails_is_told",
        "from sympozium_core.runner.tools.native import NATIVE; object.__setattr__(NATIVE['read_file'], 'run', lambda fields, roots: os._exit(3))",
    ),
    "calls-again": (
        "it_goes_on_with_the_conversation",
        "from sympozium_core.runner.loop import Loop as m; m._recorded = lambda self, calls, resume: {}",
    ),
    "repeats": (
        "a_call_of_which_nobody_knows_is_told_and_not_made_again",
        "from sympozium_core.runner.loop import Loop as m; m._recorded = lambda self, calls, resume: {}",
    ),
    "gives-up-calls": (
        "a_call_that_was_not_begun_is_made",
        "from sympozium_core.runner.loop import Loop as m, ToolResult\n"
        "m._recorded = lambda self, calls, resume: {call.id: ToolResult(call.id, 'unknown', '?') for call in calls}",
    ),
    "hides-losses": (
        "that_the_workspace_was_lost_is_told",
        "from sympozium_core.runner.loop import Loop as m; m._tell_what_is_lost = lambda self, resume: None",
    ),
}
