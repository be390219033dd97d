"""Classes as people write them: by index or by name."""

from __future__ import annotations

import difflib

from ganforge.data import DataSpec
from ganforge.errors import RecipeError


def read_labels(text: str, spec: DataSpec) -> list[int]:
    """Return the classes that `text` names: indices or names, with commas between.

    Raises:
        RecipeError: the data have no classes, or none of that name or index.
    """
    if not spec.classes:
        raise RecipeError("labels were asked for, and this run was trained on data without labels; leave --labels out")
    if text.strip() in spec.class_names:  # a name may hold commas
        return [spec.class_names.index(text.strip())]
    return [_label(part.strip(), spec) for part in text.split(",")]


def _label(text: str, spec: DataSpec) -> int:
    if text in spec.class_names:
        return spec.class_names.index(text)
    if text.isdecimal() and int(text) < spec.classes:
        return int(text)
    wanted = f"0 to {spec.classes - 1}"
    if not spec.class_names:
        raise RecipeError(f"there is no class {text!r}: expected {wanted}")
    near = [] if text.isdecimal() else difflib.get_close_matches(text, spec.class_names, 1, 0.5)
    some = ", ".join(spec.class_names[:10]) + (", ..." if spec.classes > 10 else "")
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise RecipeError(f"there is no class {text!r}{hint}; expected {wanted}, or a name of: {some}")
