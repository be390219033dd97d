"""Labels as people write them: classes, and continuous conditions."""

from __future__ import annotations

import re

import pytest
import torch

from ganforge.api.data import DataSpec
from ganforge.errors import RecipeError
from ganforge.runs.labels import check_labels, read_labels

SPEC = DataSpec((1, 8, 8), conditions=2)


def test_conditions_are_numbers_with_commas_and_semicolons_between():
    assert read_labels("0.1,-0.5", SPEC) == [(0.1, -0.5)]
    assert read_labels(" -1, 1 ; 0,0.25", SPEC) == [(-1.0, 1.0), (0.0, 0.25)]
    assert read_labels("0.5", DataSpec((2,), conditions=1)) == [(0.5,)]
    assert torch.tensor(read_labels("0.1,1", SPEC)).dtype == torch.float32


@pytest.mark.parametrize("text", ["0.1", "0.1,0.2,0.3", "0.1,1.5", "0.1,nan", "a,b", "", "0.1,0.2;"])
def test_other_conditions_are_refused_with_an_example(text: str):
    with pytest.raises(RecipeError, match=re.escape("expected 2 numbers from -1 to 1, such as labels '0.5,-0.1'")):
        read_labels(text, SPEC)


def test_classes_are_read_as_before():
    spec = DataSpec((2,), 3, ("cat", "dog", "tree, old"))
    assert read_labels("dog,2", spec) == [1, 2]
    assert read_labels("tree, old", spec) == [2]
    with pytest.raises(RecipeError, match="did you mean 'cat'"):
        read_labels("cta", spec)


def test_labels_given_one_by_one_are_checked_alike():
    classes = DataSpec((2,), 3, ("cat", "dog", "tree, old"))
    assert check_labels([2, "dog", "tree, old"], classes) == [2, 1, 2]
    assert check_labels([(0.1, -0.5), [1, 0]], SPEC) == [(0.1, -0.5), (1.0, 0.0)]


@pytest.mark.parametrize(
    ("labels", "spec", "text"),
    [
        ([3], DataSpec((2,), 3), "no class '3': expected 0 to 2"),
        ([-1], DataSpec((2,), 3), "no class '-1': expected 0 to 2"),
        ([1.5], DataSpec((2,), 3), "no class '1.5'"),
        ([], DataSpec((2,), 3), "is empty"),
        ([(0.1,)], SPEC, "expected 2 numbers from -1 to 1"),
        ([0.5], SPEC, "expected 2 numbers from -1 to 1"),
        ([0], DataSpec((2,)), "data without labels"),
    ],
)
def test_no_other_label_given_one_by_one_is_taken(labels, spec, text: str):
    with pytest.raises(RecipeError, match=re.escape(text)):
        check_labels(labels, spec)
