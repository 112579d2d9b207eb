"""What is held of a text is bounded, even if it has nothing but blank lines; they take memory, too."""

import tracemalloc
from collections.abc import Iterator
from itertools import chain, islice, repeat

from scriptforge.screenplay import chat_log, subtitles
from scriptforge.screenplay.fountain_markup import without_boneyards

MESSAGE = "[12/03/2021, 9:14:05] Ida: Is that the tram?"


def is_over(lines: Iterator[str]) -> bool:
    return next(lines, None) is None


def test_a_message_ends_though_only_blank_lines_follow() -> None:
    lines = chain([MESSAGE], islice(repeat(""), 300_000))
    parsed = next(chat_log.FORMAT.parse(lines))
    assert parsed.element.speaker == "Ida" and not is_over(lines)


def test_a_comment_of_blank_lines_that_never_ends_is_text() -> None:
    lines = chain(["/* Ida"], islice(repeat(""), 1_500_000))
    assert next(without_boneyards(lines)) == "/* Ida"
    assert not is_over(lines)


def test_comments_in_line_after_line_are_not_one_line_without_end() -> None:
    lines = chain(["/*"], islice(repeat("*/ a tram /*"), 300_000))
    cut = next(without_boneyards(lines))
    assert cut.startswith(" a tram  a tram ") and not is_over(lines)


def test_blank_lines_below_a_caption_are_not_held() -> None:
    lines = chain(["00:00:01,000 --> 00:00:02,000", "IDA: Rain."], islice(repeat(" "), 500_000))
    tracemalloc.start()
    [parsed] = subtitles.FORMAT.parse(lines)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert parsed.element.text == "Rain."
    assert peak < 2_000_000
