"""Which paper a docstring names."""

from __future__ import annotations

import pytest

from ganforge.api.component import Paper, first_paper


@pytest.mark.parametrize(
    ("text", "paper"),
    [
        ("Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1).", Paper("Kingma & Ba 2015", 2015, "arXiv:1412.6980")),
        (
            "R1 (Mescheder et al. 2018, eq. 9).\n\narXiv:1801.04406.",
            Paper("Mescheder et al. 2018", 2018, "arXiv:1801.04406"),
        ),
        ("Digits: Alpaydin and Kaynak 1998, UCI", Paper("Alpaydin and Kaynak 1998", 1998, "")),
        ("see arXiv:1912.04958", Paper("", 2019, "arXiv:1912.04958")),
        ("S\u00f8nderby et al. (2017)", Paper("S\u00f8nderby et al. 2017", 2017, "")),
        (
            "A first. Two (Karras et al. 2020, arXiv:1912.04958), three (Huang et al. 2024).",
            Paper("Karras et al. 2020", 2020, "arXiv:1912.04958"),
        ),
        (
            "RMSprop (Tieleman & Hinton 2012; centred: Graves 2013, arXiv:1308.0850)",
            Paper("Tieleman & Hinton 2012", 2012, ""),
        ),
        ("A network with 2048 units", None),
        ("The best of 2019", None),
    ],
)
def test_the_first_paper(text: str, paper: Paper | None):
    assert first_paper(text) == paper


def test_links():
    assert first_paper("arXiv:1912.04958").link == "https://arxiv.org/abs/1912.04958"
    assert first_paper("GAN, 10.1145/3422622.").link == "https://doi.org/10.1145/3422622"
    assert first_paper("Alpaydin and Kaynak 1998").link == ""
