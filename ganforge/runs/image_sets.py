"""Sets of samples that are compared: what is there, and at which size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganforge.api.component import classes_of
from ganforge.api.data import Source
from ganforge.api.families import Dataset
from ganforge.errors import DataError, RecipeError, argument
from ganforge.plugins.catalogue import Catalogue
from ganforge.recipes.fragments import Fragment, read_data
from ganforge.storage.layout import RunLayout


def named(entry: Fragment | Dataset, catalogue: Catalogue) -> Dataset:
    """Return the data that an entry names: a folder or ZIP of images, a kind of data set, a table, or the component.

    Raises:
        RecipeError: there is nothing of that name.
    """
    if not isinstance(entry, str):
        return read_data(entry, catalogue)
    path, classes = Path(entry).expanduser(), classes_of(catalogue, Dataset)
    kinds = ", ".join(sorted(classes))
    if RunLayout(path).recipe.is_file():
        raise RecipeError(
            f"{entry} is the folder of a run, and samples are compared with real ones or with files; write its samples "
            f"to files first, with `ganforge sample {entry}`"
        )
    if entry.lstrip().startswith("{") or (not path.exists() and entry in classes):
        return read_data(entry, catalogue)
    if not path.exists() and "/" not in entry and not path.suffix:
        raise RecipeError(f"there is no folder or ZIP '{entry}', and no data set of that kind (kinds: {kinds})")
    found = next((data for cls in classes.values() if (data := cls.of_path(entry)) is not None), None)
    if found is None:
        raise RecipeError(f"no installed kind of data set reads '{entry}' (kinds: {kinds})")
    return found


def sized(data: Dataset, resolution: int, channels: int | None) -> Dataset:
    """Return data at a resolution, and with so many channels, unless they say another."""
    wanted: dict[str, Any] = {"resolution": resolution, "channels": channels}
    said = {name: getattr(data, name) for name in data.model_fields_set}
    free = {name: value for name, value in wanted.items() if value is not None and name in type(data).model_fields}
    return type(data).model_validate({**free, **said})


def describe_resolution(data: Dataset, sizes: Mapping[tuple[int, int], int] | None) -> tuple[int | None, str]:
    """Return the resolution of data (None where nothing says one), and its size in words.

    Args:
        data: an image set.
        sizes: how many of its images have which width and height; None = the data have no size of their own.

    Raises:
        DataError: images are not square, or not all of one size.
    """
    if sizes is None:
        return dict(data).get("resolution"), f"{dict(data).get('resolution')} pixels"
    if not sizes:
        return None, "nothing"
    most = sorted(sizes, key=lambda size: -sizes[size])
    said = ", ".join(f"{sizes[width, height]:,} of {width}x{height}" for width, height in most[:3])
    width, height = most[0]
    if len(sizes) > 1:
        raise DataError(
            f"{_name_of(data)} holds images of {len(sizes)} sizes ({said}{' ...' if len(sizes) > 3 else ''}); cut them "
            f"all to a square and resize them, such as with {argument('resolution', min(width, height))}"
        )
    if width != height:
        raise DataError(
            f"{_name_of(data)} holds images of {width}x{height}, and squares are compared; cut their middle out with "
            f"{argument('resolution', min(width, height))}"
        )
    return width, f"{width}x{height}"


def open_pair(
    samples: Dataset, against: Dataset, resolution: int | None, cache: Path, notify: Callable[[str], None]
) -> tuple[Dataset, Source, Dataset, Source]:
    """Open two sets at one resolution, both grey or both in colour.

    Args:
        samples: whose quality is asked for.
        against: what they are compared with.
        resolution: of both; None = that of the files, which must be the same.
        cache: a folder for decoded data.
        notify: is told what a person should know of them.

    Returns:
        Both sets as they were opened, each before its source.

    Raises:
        DataError: they are not of one size or shape, or cannot be read.
    """
    if resolution is None:
        own_sizes, other_sizes = (
            None if "resolution" in data.model_fields_set else data.image_sizes(cache) for data in (samples, against)
        )
        own, said = describe_resolution(samples, own_sizes)
        other, said_other = describe_resolution(against, other_sizes)
        free = other_sizes is None and "resolution" not in against.model_fields_set  # it comes in any size
        if own is not None and other is not None and own != other and not free:
            raise DataError(
                f"the samples are {said} and those they are compared with {said_other}, and resizing one side alone "
                f"changes what metrics see; resize both with {argument('resolution', min(own, other))}"
            )
        resolution = own or other
    sides = [data if resolution is None else sized(data, resolution, None) for data in (samples, against)]
    sources = [data.open(cache) for data in sides]
    shapes = [source.spec.shape for source in sources]
    if sorted(shape[0] for shape in shapes) == [1, 3] and all(len(shape) == 3 for shape in shapes):
        sides = [sized(data, shapes[0][1], 3) for data in sides]
        sources = [data.open(cache) for data in sides]
    for source in sources:
        for notice in source.notices:
            notify(notice)
    one, two = (list(source.spec.shape) for source in sources)
    if one != two:
        raise DataError(f"samples of shape {one} cannot be compared with others of {two}")
    return sides[0], sources[0], sides[1], sources[1]


def _name_of(data: Dataset) -> str:
    return f"'{dict(data).get('path', data.kind)}'"
