"""Numbers that change with the images shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ganforge.api.schedule import Ramp, value_at


def test_a_constant_stays():
    assert value_at(0.3, 0) == value_at(0.3, 10**9) == 0.3


@pytest.mark.parametrize(("shape", "middle"), [("linear", 5.5), ("cosine", 5.5), ("exponential", math.sqrt(10.0))])
def test_ends_and_middle(shape: str, middle: float):
    ramp = Ramp(start=1.0, end=10.0, images=300, after_images=100, shape=shape)
    assert [ramp.at(images) for images in (0, 100)] == [1.0, 1.0]
    assert value_at(ramp, 200) == pytest.approx(middle)
    assert [ramp.at(images) for images in (300, 10**9)] == pytest.approx([10.0, 10.0])


def test_closed_forms_at_a_quarter():
    quarter = {shape: Ramp(start=2.0, end=1.0, images=400, shape=shape).at(100) for shape in ("linear", "cosine")}
    assert quarter["linear"] == pytest.approx(1.75)
    assert quarter["cosine"] == pytest.approx(2 - (1 - math.cos(math.pi / 4)) / 2)
    assert Ramp(start=16.0, end=1.0, images=400, shape="exponential").at(100) == pytest.approx(8.0)


@given(
    st.floats(0.1, 10), st.floats(0.1, 10), st.integers(0, 100), st.sampled_from(["linear", "cosine", "exponential"])
)
def test_it_never_leaves_its_ends_nor_turns_back(start: float, end: float, images: int, shape: str):
    ramp = Ramp(start=start, end=end, images=100, shape=shape)
    one, two = ramp.at(images), ramp.at(images + 1)
    assert min(start, end) - 1e-9 <= one <= max(start, end) + 1e-9
    assert (two - one) * (end - start) >= -1e-9


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"images": 10, "after_images": 10}, "ends .* before it begins"),
        ({"shape": "exponential", "end": 0.0}, "one sign"),
        ({"shape": "exponential", "end": -1.0}, "one sign"),
        ({"images": 0}, "greater than 0"),
        ({"start": math.nan}, "finite"),
    ],
)
def test_ramps_that_make_no_sense(fields: dict[str, float], words: str):
    with pytest.raises(ValidationError, match=words):
        Ramp(**{"start": 1.0, "end": 2.0, "images": 100, **fields})
