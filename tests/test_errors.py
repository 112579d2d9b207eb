"""Names that are not known, and those that are suggested for them."""

import pytest

from scriptforge.errors import nearest, unknown_name

CAST = ["Men", "Moe Szyslak", "Homer Simpson", "Marge Simpson", "Mrs. Krabappel"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("moe", ["Moe Szyslak", "Men"]),
        ("KRABAPEL", ["Mrs. Krabappel"]),
        ("homer simson", ["Homer Simpson", "Marge Simpson"]),
        ("simpson", ["Homer Simpson", "Marge Simpson"]),
        ("zzz", []),
        ("", []),
    ],
)
def test_a_word_of_a_name_is_like_the_name(name: str, expected: list[str]) -> None:
    assert nearest(name, CAST) == expected


def test_no_more_than_asked_for_are_suggested_and_none_twice() -> None:
    names = [f"size_{letter}_size" for letter in "abcdef"]
    assert nearest("size", names) == names[:3]


def test_all_are_listed_where_none_is_like_it() -> None:
    assert unknown_name("speaker", "zzz", ["B", "A"]).hint == "Known: A, B."
    assert unknown_name("speaker", "zzz", []).hint == "There are none yet."
