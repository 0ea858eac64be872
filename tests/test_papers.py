"""What is said of papers: each by one title and year, and each figure in docs with its place."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    *sorted((ROOT / "src").rglob("*.py")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "recipes").glob("*.yaml")),
]


@pytest.mark.parametrize(
    ("author", "title", "year"),
    [
        ("R. Whitell", "content-based music recommendation using deep learning", 2019),
        ("H. Singh", "using deep learning to recommend punjabi music", 2018),
        (
            "N. Chen",
            "high-level music descriptor extraction algorithm based on combination of multi-channel cnns",
            2017,
        ),
        ("K. Asthana", "music genre classification", 2024),
    ],
)
def test_a_paper_has_one_title_and_one_year(author, title, year):
    """Paper 003 bears its year; the latest that 004 cites was read on 6 May 2019, and its repository ends in 2019."""
    places = [(file, m) for file in FILES for m in re.finditer(re.escape(author), file.read_text("utf-8"))]
    assert places
    for file, found in places:
        said = " ".join(found.string[found.start() : found.start() + 260].split()).lower()
        assert title in said, (file, said)
        assert re.search(r"\b(19|20)\d\d\b", said)[0] == str(year), (file, said)


def test_the_citation_of_a_paper_has_its_year():
    text = (ROOT / "src/ostinato/datasets/artist_metadata.py").read_text()
    assert re.findall(r"whitell(\d{4})|year = \{(\d{4})\}", text) == [("2019", ""), ("", "2019")]
