"""The monitor that docs/diagnosis.md shows works as it stands there."""

from __future__ import annotations

import re
from typing import Any

from support.paths import DOCS

from ganforge import LogLine, Plan

PAGE = (DOCS / "diagnosis.md").read_text(encoding="utf-8")


def shown() -> dict[str, Any]:
    """What the block of the page defines."""
    found = re.search(r"<!-- test: monitor -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    namespace: dict[str, Any] = {"__name__": "shown_monitor"}
    exec(compile(found[1], "diagnosis.md", "exec", dont_inherit=True), namespace)
    return namespace


def test_the_monitor_of_the_page_speaks_when_the_run_is_slow_and_not_before() -> None:
    (cls,) = shown()["ganforge_components"]()
    watcher = cls().build(Plan({"run": {"precision": "fp32"}}))
    speeds = [3.0, 4.0, 4.0, 4.0, 2.1, 2.0, 3.0]  # 2.0 is half of the best
    lines = [LogLine.of(100 * n, n, {"speed/images_per_second": speed}) for n, speed in enumerate(speeds)]
    found = [watcher.look(line) for line in lines]
    assert [bool(findings) for findings in found] == [False] * 5 + [True, False]
    ((finding,),) = [findings for findings in found if findings]
    assert finding.evidence == "2.0 images/s now, 4.0 at best"
    assert finding.remedies == ('run.precision="bf16"',)
    assert finding.severity == "warning"


def test_the_call_of_the_page_gives_a_list() -> None:
    (call,) = re.findall(r"feeding it lines: `(.+)`", PAGE)
    assert eval(call, {**shown(), "Plan": Plan, "LogLine": LogLine}) == []
