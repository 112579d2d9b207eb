"""What people type to begin a script, and what the model reads."""

from collections.abc import Callable

import pytest
from support.elements import decode_elements

from scriptforge.errors import UsageError
from scriptforge.generation.cast import resolve_cast
from scriptforge.generation.grammar import Boundary, boundary_after
from scriptforge.generation.prompt import Drawn, Given, Prompt, build_prompt, parse_prime
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import Level, Vocabulary


def prompt_of(prime: str, vocabulary: Vocabulary, *, prime_open: bool = False) -> Prompt:
    """The prompt of a prime, of which nothing else is asked."""
    options = GenerateOptions(prime=prime, prime_open=prime_open)
    cast = resolve_cast(options, vocabulary)
    return build_prompt(options, cast, parse_prime(prime, cast, vocabulary), vocabulary)


def ids(parts: Prompt) -> list[int]:
    """The ids of parts that are all given."""
    given = [part for part in parts if isinstance(part, Given)]
    assert given == parts
    return [id_ for part in given for id_ in part.ids]


def says(speaker: str, text: str) -> Element:
    return Element("dialogue", text, speaker)


@pytest.mark.parametrize(
    ("prime", "elements"),
    [
        ("", []),
        (" \n ", []),
        ("ELAINE", [says("ELAINE", "")]),
        ("elaine", [says("ELAINE", "")]),
        ("Elaine:", [says("ELAINE", "")]),
        ("elaine : ", [says("ELAINE", "")]),
        ("uncle_leo", [says("Uncle Leo", "")]),
        ("elaine: what is", [says("ELAINE", "what is")]),
        ("elaine: what is ", [says("ELAINE", "what is")]),
        ("ELAINE: (softly) no", [says("ELAINE", "(softly) no")]),
        ("jerry: hello\nelaine: what", [says("Jerry", "hello"), says("ELAINE", "what")]),
        ("jerry: hello\n\nelaine", [says("Jerry", "hello"), says("ELAINE", "")]),
        ("elaine: verse one,\n    verse", [says("ELAINE", "verse one,\nverse")]),
        ("newman: hello", [says("newman", "hello")]),
        ("newman:", [says("newman", "")]),
        (
            "newman: hello\njerry: no\nnewman",
            [says("newman", "hello"), says("Jerry", "no"), says("newman", "")],
        ),
        ("(the door", None),
        ("(the door opens)", [Element("action", "(the door opens)")]),
        ("!what is", [Element("action", "what is")]),
        ("INT. DINER - NIGHT", [Element("heading", "INT. DINER - NIGHT")]),
        ("CUT TO:", [Element("transition", "CUT TO:")]),
    ],
)
def test_a_prime_becomes_elements_of_which_the_last_is_open(
    vocabulary: Vocabulary, prime: str, elements: list[Element] | None
) -> None:
    opening, *parts = prompt_of(prime, vocabulary)
    assert opening == Given((vocabulary.end,))
    if elements is None:
        assert vocabulary.decode(ids(parts[-1:])) == prime
    else:
        assert decode_elements(vocabulary, ids(parts)) == elements


HELLO = [says("Jerry", "hello"), says("ELAINE", "(softly) no")]
DINER = Element("heading", "INT. DINER - NIGHT")


@pytest.mark.parametrize(
    ("prime", "elements"),
    [
        ("Title: No\nAuthor: Who\n\nINT. DINER - NIGHT\n\nJERRY\nhello", [DINER, HELLO[0]]),
        ("JERRY\nhello\n\nELAINE\n(softly)\nno", HELLO),
        ("INT. DINER - NIGHT\n\nJERRY\nhello\n\nELAINE\n(softly)\nno", [DINER, *HELLO]),
        ("JERRY\nhello\n\nhello, newman.", [HELLO[0], Element("action", "hello, newman.")]),
        ("JERRY\nhello\n\nELAINE", [HELLO[0], says("ELAINE", "")]),
        ("JERRY\nhello\n\nNEWMAN (O.S.)", [HELLO[0], says("NEWMAN", "")]),
        ("JERRY\nhello\n\nINT. DINER - NIGHT", [HELLO[0], DINER]),
        (f"{' ' * 20}JERRY\n{' ' * 10}hello\n\n{' ' * 20}ELAINE\n{' ' * 12}(softly)\n{' ' * 10}no", HELLO),
        ("jerry:\nhello\n\nelaine:\n(softly) no\n\njerry:", [*HELLO, says("Jerry", "")]),
    ],
)
def test_lines_in_another_format_are_read_as_such(
    vocabulary_of: Callable[[Level], Vocabulary], prime: str, elements: list[Element]
) -> None:
    vocabulary = vocabulary_of("char")
    assert decode_elements(vocabulary, ids(prompt_of(prime, vocabulary)[1:])) == elements


@pytest.mark.parametrize(
    "prime",
    [
        "hello\nwhat is",
        "INT. DINER - NIGHT\n\nwhat is",
        "newman\nwhat is",
        "(the door opens)\nno! who",
        "Jerry: hello\n\nnewman.\n\nwho are you",
    ],
)
def test_the_last_of_several_free_lines_is_said_by_somebody(vocabulary: Vocabulary, prime: str) -> None:
    *_, speaker, line = prompt_of(prime, vocabulary)
    assert speaker == Drawn(tuple(vocabulary.speakers.values()))
    assert isinstance(line, Given)
    assert vocabulary.decode(line.ids).lower() == prime.splitlines()[-1].lower()


@pytest.mark.parametrize("words", ["what is", "hello", "no! who"])
def test_words_alone_begin_a_line_whose_speaker_is_drawn(vocabulary: Vocabulary, words: str) -> None:
    before, speaker, line = prompt_of(f"jerry: hello\n{words} ", vocabulary)[1:]
    assert decode_elements(vocabulary, ids([before])) == [says("Jerry", "hello")]
    assert speaker == Drawn(tuple(vocabulary.speakers.values()))
    assert vocabulary.decode(ids([line])) == words


def test_without_a_cast_words_alone_are_action() -> None:
    vocabulary = Vocabulary.train(["what is this?"], "char")
    parts = prompt_of("what is", vocabulary)
    assert decode_elements(vocabulary, ids(parts[1:])) == [Element("action", "what is")]


@pytest.mark.parametrize("prime", ["elane", "jery", "jerry: hello\nelane"])
def test_a_misspelled_name_is_told(vocabulary: Vocabulary, prime: str) -> None:
    with pytest.raises(UsageError) as raised:
        prompt_of(prime, vocabulary)
    assert ("ELAINE" if "lane" in prime else "Jerry") in raised.value.hint


@pytest.mark.parametrize(
    ("prime", "unknown", "suggested"),
    [
        ("elaine: whta is", "whta", "what"),
        ("whta is", "whta", "what"),
        ("helo", "helo", "hello"),
        ("xylophone", "xylophone", "train at"),
        ("kramer: hello", "kramer", "Jerry"),
        ("elane: hello", "elane", "ELAINE"),
        ("jerry: xyz\nelaine: what", "xyz", "train at"),
    ],
)
def test_unknown_words_are_told(
    vocabulary_of: Callable[[Level], Vocabulary], prime: str, unknown: str, suggested: str
) -> None:
    with pytest.raises(UsageError, match=unknown) as raised:
        prompt_of(prime, vocabulary_of("word"))
    assert suggested in raised.value.hint


@pytest.mark.parametrize("level", ["bpe", "char"])
def test_pieces_of_words_spell_anything(vocabulary_of: Callable[[Level], Vocabulary], level: Level) -> None:
    vocabulary = vocabulary_of(level)
    parts = prompt_of("老王: 你好, xylophone 🎷", vocabulary)
    assert decode_elements(vocabulary, ids(parts[1:])) == [says("老王", "你好, xylophone 🎷")]


@pytest.mark.parametrize("name", ["Elane", "kramer"])
def test_a_name_that_cannot_be_written_is_told(
    vocabulary_of: Callable[[Level], Vocabulary], name: str
) -> None:
    with pytest.raises(UsageError, match=f"“{name}”, and the model knows no such word") as raised:
        prompt_of(f"{name}: hello", vocabulary_of("word"))
    assert "bpe and char levels" in raised.value.hint


def test_a_colon_makes_a_cue_of_any_name(vocabulary_of: Callable[[Level], Vocabulary]) -> None:
    vocabulary = vocabulary_of("char")
    assert decode_elements(vocabulary, ids(prompt_of("Elane:", vocabulary)[1:])) == [says("Elane", "")]


def test_a_word_of_the_corpus_is_no_misspelled_name() -> None:
    vocabulary = Vocabulary.train(["merry"], "word", speakers=["Jerry"])
    assert vocabulary.decode(ids(prompt_of("merry", vocabulary)[-1:])) == "merry"


def test_a_plain_prime_is_taken_as_it_is(plain_vocabulary: Vocabulary) -> None:
    for prime in ("", "what is\n", *(["elane\n what "] if plain_vocabulary.level != "word" else [])):
        end, *rest = ids(prompt_of(prime, plain_vocabulary))
        assert end == plain_vocabulary.end
        assert plain_vocabulary.decode(rest) == prime.removesuffix(" ")  # which is asked for, not given


@pytest.mark.parametrize(
    ("prime", "boundary"),
    [
        ("elaine: what is", Boundary.WORD),
        ("what is", Boundary.WORD),
        ("INT. DINER", Boundary.LINE),
        ("jerry: no\nINT. DINER - NIGHT", Boundary.LINE),
        ("INT. DINER -", None),
        ("INT. DINER - ", Boundary.SPACE),
        ("elaine: what is ", Boundary.SPACE),
        ("what is ", Boundary.SPACE),
        ("elaine: what is\n", Boundary.LINE),
        ("what is\n", Boundary.LINE),
        ("elaine: no!", None),
        ("elaine", None),
        ("elaine: ", None),
        ("elaine\n", None),
        ("", None),
    ],
)
def test_a_word_or_a_heading_at_the_end_is_whole(
    vocabulary: Vocabulary, prime: str, boundary: Boundary | None
) -> None:
    last = prompt_of(prime, vocabulary)[-1]
    assert isinstance(last, Given)
    assert last.boundary == boundary
    (*_, last) = prompt_of(prime, vocabulary, prime_open=True)
    assert isinstance(last, Given) and last.boundary is None


@pytest.mark.parametrize(
    ("text", "boundary"),
    [("你好", None), ("ありがとう", None), ("ﾃﾚﾋﾞ", None), ("สวัสดี", None), ("naïveté", Boundary.WORD)],
)
def test_words_end_where_words_are_parted_by_spaces(text: str, boundary: Boundary | None) -> None:
    assert boundary_after(text) == boundary


def test_a_plain_word_that_is_unknown_is_told() -> None:
    vocabulary = Vocabulary.train(["what is this?"], "word", plain=True)
    with pytest.raises(UsageError, match="whta") as raised:
        prompt_of("whta is", vocabulary)
    assert "what" in raised.value.hint
