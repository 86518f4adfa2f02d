"""Events from the callback plugin become typed values; what is not an event is ignored."""

from __future__ import annotations

import pytest

from kprov.engine.converge import Converged
from kprov.engine.events import parse_event
from kprov.engine.problems import module_warnings
from kprov.engine.run import Outcome
from kprov.errors import Problem


def test_event_with_unknown_fields_keeps_them_apart() -> None:
    event = parse_event('{"event": "ok", "host": "n1", "changed": true, "changes": ["/etc/x"], "new_field": 1}')
    assert event
    assert (event.event, event.host, event.changed, event.changes) == ("ok", "n1", True, ("/etc/x",))
    assert event.extra == {"new_field": 1}


def test_what_a_module_reports_as_data_gets_to_the_command() -> None:
    event = parse_event('{"event": "ok", "report": {"removed": ["a"]}}')
    assert event and event.report == {"removed": ["a"]}
    other = parse_event('{"event": "ok"}')
    assert other and other.report == {}


@pytest.mark.parametrize("line", ["", "not json", '{"event": ', "[]", "3", '{"no": "event"}'])
def test_line_that_is_no_event_is_ignored(line: str) -> None:
    assert parse_event(line) is None


def outcome(*lines: str) -> Outcome:
    result = Outcome()
    for line in lines:
        event = parse_event(line)
        assert event
        result.add(event)
    return result


def test_module_calls_count_where_the_module_really_ran() -> None:
    result = outcome(
        '{"event": "ok", "host": "w1", "module_calls": 2}',
        '{"event": "ok", "host": "w1", "delegate": "cp1", "module_calls": 1, "changed": true}',
        '{"event": "ok", "host": "w1", "module_calls": 0}',
    )
    assert result.calls == {"w1": 2, "cp1": 1}
    assert result.changed == {"cp1"}


def test_failed_task_counts_its_calls_and_gives_up_on_the_host() -> None:
    result = outcome('{"event": "failed", "host": "w1", "module_calls": 1, "msg": "no"}')
    assert result.failed_hosts == {"w1"}
    assert result.calls == {"w1": 1}


def test_ignored_failure_is_none() -> None:
    assert not outcome('{"event": "failed", "host": "w1", "ignored": true}').failures


def test_phase_is_finished_when_its_record_was_written() -> None:
    result = outcome(
        '{"event": "ok", "host": "w1", "phase": "os", "module": "kprov_kernel"}',
        '{"event": "ok", "host": "w1", "phase": "os", "module": "kprov_units", "recorded": true}',
    )
    assert result.finished == {("os", "w1")}


def test_warnings_of_kprovs_own_modules_reach_the_result_once_and_those_of_others_do_not() -> None:
    said = '{"event": "ok", "host": "w1", "phase": "os", "module": "%s", "warnings": ["vm.x: this kernel has it not"]}'
    done = Converged()
    done.add(outcome(said % "kprov_kernel", said % "kprov_kernel", said % "ansible.builtin.command"))
    assert module_warnings(done.warnings) == [Problem("warning", "os", "vm.x: this kernel has it not", host="w1")]
