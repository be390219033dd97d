"""Receipts read again: which differences forbid a comparison."""

from __future__ import annotations

import pytest
from support.installed import catalogue

from ganforge.builtin.data.digits import Digits
from ganforge.builtin.data.images import Images
from ganforge.evaluation.receipts import (
    comparable_groups,
    describe_data,
    describe_entry,
    describe_reference,
    differing,
    format_entry,
)

ONE = {"seed": 0, "images_shown": 100, "fake": 500, "reference": "a" * 32, "reference-data": "digits", "warning": None}


def test_whose_samples_they_are_may_differ():
    other = ONE | {"seed": 7, "images_shown": 200, "samples-of": "b" * 32, "samples-data": "images a.zip"}
    assert differing(ONE, other) == ()


def test_a_reference_of_the_same_content_may_have_another_name():
    assert differing(ONE, ONE | {"reference-data": "images copy.zip"}) == ()
    assert differing(ONE, {key: value for key, value in ONE.items() if key != "reference-data"}) == ()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"fake": 400}, ("fake",)),
        ({"reference": "c" * 32, "reference-data": "images x.zip"}, ("reference",)),
        ({"truncation": 0.7}, ("truncation",)),
        ({"fake": 400, "warning": "too few"}, ("fake",)),
        ({"warning": "something else"}, ("warning",)),
    ],
)
def test_how_they_are_seen_may_not(change, found):
    assert differing(ONE, ONE | change) == found
    assert differing(ONE | change, ONE) == found


def test_the_most_frequent_receipt_is_the_one_that_others_differ_from():
    few = ONE | {"fake": 10}
    assert comparable_groups([few, ONE, None, ONE | {"seed": 3}]) == [1, 0, -1, 0]
    assert comparable_groups([few, ONE]) == [0, 1], "in a tie the first"
    assert comparable_groups([None]) == [-1]


def test_words():
    receipt = {"reference": "0123456789abcdef" * 2, "reference-data": "images x.zip, part test"}
    assert describe_entry("reference", receipt) == "reference images x.zip, part test (0123456789ab...)"
    assert describe_entry("reference", {"reference": "short"}) == "reference short"
    assert describe_entry("images_shown", {"images_shown": 12345}) == "images shown 12,345"
    assert [format_entry(value) for value in (None, True, 0.5, "plain text of more than thirty-two letters")] == [
        "not said", "yes", "0.5", "plain text of more than thirty-two letters",
    ]  # fmt: skip


def test_data_are_named_by_kind_path_and_part():
    assert catalogue()
    train, test = Digits(part="train"), Images(path="x.zip", part="test")
    assert describe_data(Digits()) == "digits"
    assert describe_data(test) == "images x.zip, part test"
    assert describe_reference(train, None) == "training data: digits, part train"
    assert describe_reference(train, test) == "images x.zip, part test"
