"""Labels as people write them: classes by index or by name, conditions by their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganforge.api.data import DataSpec
from ganforge.errors import RecipeError, argument, did_you_mean

Label = int | tuple[float, ...]  # a class, or a continuous condition


def read_labels(text: str, spec: DataSpec) -> list[Label]:
    """Return the labels that `text` names.

    Classes are indices or names with commas between; continuous conditions are K numbers with commas between, and
    semicolons between one condition and the next.

    Raises:
        RecipeError: the data have no labels, or none such.
    """
    if spec.conditions:
        return [_condition(part, spec.conditions) for part in text.split(";")]
    _check_labelled(spec)
    if text.strip() in spec.class_names:  # a name may hold commas
        return [spec.class_names.index(text.strip())]
    return [_label(part.strip(), spec) for part in text.split(",")]


def check_labels(labels: Sequence[Label | str], spec: DataSpec) -> list[Label]:
    """Return labels given one by one, which may be names of classes, checked as those in a text are.

    Raises:
        RecipeError: there are none, the data have no labels, or none such.
    """
    if not len(labels):
        raise RecipeError(f"{argument('labels')} is empty; leave it out for all classes evenly")
    if not spec.conditions:
        _check_labelled(spec)
        return [_label(str(label), spec) for label in labels]
    return [
        _condition(",".join(map(str, label)) if isinstance(label, tuple | list) else str(label), spec.conditions)
        for label in labels
    ]


def _check_labelled(spec: DataSpec) -> None:
    if not spec.classes and not spec.conditions:
        raise RecipeError(
            f"labels were asked for, and this run was trained on data without labels; leave {argument('labels')} out"
        )


def _condition(text: str, size: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != size or not all(math.isfinite(number) and abs(number) <= 1 for number in numbers):
        example = ",".join(["0.5", "-0.1", "0"][index % 3] for index in range(size))
        raise RecipeError(
            f"there is no condition {text.strip()!r}: expected {size} number{'s' * (size > 1)} from -1 to 1, such as "
            f"{argument('labels', example)} (a semicolon stands before the next condition)"
        )
    return numbers


def _label(text: str, spec: DataSpec) -> int:
    if text in spec.class_names:
        return spec.class_names.index(text)
    if text.isdecimal() and int(text) < spec.classes:
        return int(text)
    wanted = f"0 to {spec.classes - 1}"
    if not spec.class_names:
        raise RecipeError(f"there is no class {text!r}: expected {wanted}")
    hint = "" if text.isdecimal() else did_you_mean(text, spec.class_names)
    some = ", ".join(spec.class_names[:10]) + (", ..." if spec.classes > 10 else "")
    raise RecipeError(f"there is no class {text!r}{hint}; expected {wanted}, or a name of: {some}")
