"""Values on one line of TOML read back, by Python's own reader, to what was written."""

from __future__ import annotations

import datetime
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganforge.api.plan import Plan
from ganforge.api.schedule import Ramp
from ganforge.api.toml import toml_key, toml_value

texts = st.text() | st.text(alphabet="\"'\\\n\r\t\b\f\x00\x1b\x7f\x85 .=#[]{}é\U0001f600")
plain = (
    texts
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC))
)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


@settings(max_examples=400, deadline=None)
@given(values)
def test_what_is_written_reads_back(value):
    line = toml_value(value)
    assert "\n" not in line
    read = tomllib.loads(f"value = {line}")["value"]
    assert read == value
    assert type(read) is type(value)


@settings(max_examples=200, deadline=None)
@given(texts, texts)
def test_keys_read_back_whatever_is_in_them(outer, inner):
    assert tomllib.loads(f"[{toml_key(outer)}]\n{toml_key(inner)} = 1") == {outer: {inner: 1}}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('a"b', r'"a\"b"'),
        ("C:\\new", r'"C:\\new"'),
        ("\x1b\x7f", r'"\u001b\u007f"'),
        (9_999, "9999"),
        (50_000, "50_000"),
        (-50_000, "-50_000"),
        (1e-5, "1e-05"),
        (math.inf, "inf"),
        (True, "true"),
        (Path("a/b"), '"a/b"'),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        ((1, 0.5), "[1, 0.5]"),
        ({}, "{}"),
        ({"kind": "r1", "gamma": 1.0}, '{ kind = "r1", gamma = 1.0 }'),
        ({"a.b": {"c d": None, "é": 1}}, '{ "a.b" = { "é" = 1 } }'),
        (
            Ramp(start=1.0, end=0.0, images=10),
            '{ start = 1.0, end = 0.0, images = 10, after_images = 0, shape = "linear" }',
        ),
    ],
)
def test_forms(value, said):
    assert toml_value(value) == said


@pytest.mark.parametrize("value", [None, [1, None], {"a": [None]}])
def test_none_has_no_word(value):
    with pytest.raises(TypeError, match="None cannot be written in TOML"):
        toml_value(value)


def test_overrides_are_escaped():
    plan = Plan({"data": {"path": "x"}, "metrics": []})
    override = plan.changed("data.path", 'a "b"\\c')
    assert override is not None
    key, _, value = override.partition("=")
    assert (key, tomllib.loads(f"v = {value}")["v"]) == ("data.path", 'a "b"\\c')
    assert plan.added("metrics", "fid", note='"') == r'metrics.0={ kind = "fid", note = "\"" }'


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(1e-3), np.int64(12_000), np.uint8(7)])
def test_numbers_of_numpy_are_numbers(number):
    read = tomllib.loads(f"value = {toml_value(number)}")["value"]
    assert read == number.item()
    assert type(read) is type(number.item())
