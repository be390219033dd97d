"""The words that errors share."""

from __future__ import annotations

import pytest

from ganforge.errors import format_bytes


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (12, "12 bytes"),
        (1000, "1000 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1000 * 2**10, "1000 KiB"),
        (2**20 - 1, "1 MiB"),  # not 1024 KiB
        (5 * 2**20, "5 MiB"),
        (5 * 2**29, "2.5 GiB"),
        (5_501_853_696, "5.12 GiB"),
        (139 * 2**30, "139 GiB"),
        (2**60, "1 EiB"),
        (2**71, "2048 EiB"),
    ],
)
def test_bytes_as_people_read_them(count: int, said: str) -> None:
    assert format_bytes(count) == said
