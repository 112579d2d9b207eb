"""Incremental parsing of XML, which builds only the elements that a format wants.

Everything else is parsed and discarded, so a file may have any size. Entities cannot be declared, so nothing
expands and no other file is opened; a DOCTYPE that refers to a DTD is accepted, but the DTD is not fetched.
The encoding that a file declares is ignored, since the text is decoded already. This module knows no tags by
name.
"""

from collections.abc import Container, Iterable, Iterator
from html.entities import entitydefs
from itertools import chain
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers.expat import ErrorString, errors

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from scriptforge.characters import NOT_IN_XML
from scriptforge.screenplay.format import BrokenScript, LinePart

DEEPEST = 200
"""Maximum depth of nested elements; no script nests a tenth as deep."""

_LARGEST_ELEMENT = 300_000
"""Maximum number of elements in a wanted one, which is built whole; a paragraph or speech has a few."""

_LONGEST_TEXT = 4 << 20
"""Maximum number of characters in a wanted element, or between tags; a book's chapter has fifty thousand."""

_LONGEST_NAMESPACE = 2000
"""In characters. The parser puts it before each name, so that a long one would be copied again and again."""

_MAX_DEFAULTS = 100
"""Attributes for which a DTD declares a default, at most: the parser considers each at every element."""

_CHARACTERS_AT_ONCE = 1 << 14
_AT_THE_END = {
    errors.codes[reason]
    for reason in (
        errors.XML_ERROR_NO_ELEMENTS,
        errors.XML_ERROR_UNCLOSED_TOKEN,
        errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}
"""The parser errors that mean that a document breaks off."""


class Found(NamedTuple):
    """A wanted element, or text outside of all wanted elements.

    Attributes:
        path: the names of the elements around it, the outermost first.
        element: the element with its whole content. Text outside of the wanted elements comes as an element
            with the name of the one around it, and with nothing but that text.
    """

    path: tuple[str, ...]
    element: Element


def pull(lines: Iterable[str], wanted: Container[str], ignored: Container[str] = ()) -> Iterator[Found]:
    """Yield the outermost wanted elements of a document, each when it closes, and the text outside of them.

    Names are without namespaces and in lower case, in the arguments and in the results.

    Args:
        lines: the document, decoded, without line ends; a `LinePart` is continued by the next string.
        wanted: the names of the elements to build.
        ignored: the names of elements that are left out with their content, also inside wanted ones.

    Raises:
        BrokenScript: the text is not XML, is damaged or cut off, declares entities or far too many defaults
            of attributes, nests too deeply, has an overlong namespace, or far too many elements or too much
            text in a wanted one. The elements before that have been yielded.
    """
    builder = _Builder(wanted, ignored)
    parser = _Parser(builder)
    for text in chain(_chunks(lines, builder), [None]):
        problem = parser.feed(text)
        yield from builder.taken()
        if problem:
            raise problem


def in_parts(text: str) -> Iterator[str]:
    """Yield a whole document in parts, as lines for `pull`, since all of it may be one line."""
    for start in range(0, len(text), _CHARACTERS_AT_ONCE):
        yield LinePart(text[start : start + _CHARACTERS_AT_ONCE])


def root(lines: Iterable[str]) -> str:
    """Return the name of the root element; empty if the text does not begin as XML does."""
    return _begun(lines).root


def root_attributes(lines: Iterable[str]) -> dict[str, str]:
    """Return the attributes of the root element by name, without namespaces and in lower case."""
    return {_plain(key): value for key, value in _begun(lines).root_attributes.items()}


def attribute(element: Element, name: str) -> str:
    """Return an attribute by its name, without a namespace and in lower case; empty if there is none."""
    return next((value for key, value in element.items() if _plain(key) == name), "")


def _plain(name: str) -> str:
    return name.rpartition("}")[2].lower()


def _begun(lines: Iterable[str]) -> "_Builder":
    """Return a builder that has been given the text up to its root element, if there is one."""
    builder = _Builder((), ())
    parser = _Parser(builder)
    for text in chain(_chunks(lines, builder), [None]):
        if parser.feed(text) or builder.root:
            break
    return builder


def _chunks(lines: Iterable[str], builder: "_Builder") -> Iterator[str]:
    """Yield the text in chunks, each twice as long as the one before while the parser reports no events.

    Older versions of expat rescan an unfinished tag or comment from its beginning with every chunk: a comment
    of n equal chunks would cost scanning n² / 2 of them. With chunks that double, the total is linear in its
    length.
    """
    held: list[str] = []
    size, limit, seen, end = 0, _CHARACTERS_AT_ONCE, 0, ""
    for line in lines:
        held.append(end + line)
        end = "" if isinstance(line, LinePart) else "\n"
        size += len(line) + 1
        if size >= limit:
            yield NOT_IN_XML.sub("", "".join(held))
            limit = 2 * limit if builder.events == seen else _CHARACTERS_AT_ONCE
            held, size, seen = [], 0, builder.events
    yield NOT_IN_XML.sub("", "".join(held))


class _Builder:
    """The parser's target, which keeps the names of open elements and builds the wanted ones."""

    def __init__(self, wanted: Container[str], ignored: Container[str]) -> None:
        self.root = ""
        self.root_attributes: dict[str, str] = {}
        self.open: list[str] = []
        self.events = 0
        self._wanted = wanted
        self._ignored = ignored
        self._found: list[Found] = []
        self._loose: list[str] = []
        self._tree: TreeBuilder | None = None
        self._tree_depth = self._tree_size = self._text_size = 0
        self._ignored_depth = 0

    def taken(self) -> list[Found]:
        """Return the elements and texts found since the last call."""
        found, self._found = self._found, []
        return found

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.events += 1
        if self._loose:
            self._end_loose_text()
        printed = tag.rpartition("}")[2]
        name = printed.lower()
        if not self.root:
            self.root, self.root_attributes = name, attributes
        self.open.append(printed)
        if len(self.open) > DEEPEST:
            raise _TooDeepError
        if self._ignored_depth:
            return
        if name in self._ignored:
            self._ignored_depth = len(self.open)
            return
        if self._tree is None and name in self._wanted:
            self._tree, self._tree_depth, self._tree_size = TreeBuilder(), len(self.open), 0
            self._text_size = 0
        if self._tree is not None:
            self._tree_size += 1
            if self._tree_size > _LARGEST_ELEMENT:
                raise _TooLargeError
            self._tree.start(name, attributes)

    def data(self, text: str) -> None:
        self.events += 1
        if self._ignored_depth:
            return
        self._text_size += len(text)
        if self._text_size > _LONGEST_TEXT:
            raise _LongTextError
        if self._tree is not None:
            self._tree.data(text)
        else:
            self._loose.append(text)

    def end(self, tag: str) -> None:
        self.events += 1
        if self._loose:
            self._end_loose_text()
        depth = len(self.open)
        name = self.open.pop().lower()
        if self._ignored_depth:
            if self._ignored_depth == depth:
                self._ignored_depth = 0
        elif self._tree is not None:
            self._tree.end(name)
            if self._tree_depth == depth:
                self._find(self.open, self._tree.close())
                self._tree = None

    def close(self) -> None:
        """Do nothing: the parser calls this at the end, when everything has been taken."""

    def _end_loose_text(self) -> None:
        text, self._loose, self._text_size = "".join(self._loose), [], 0
        if text.strip():
            element = Element(self.open[-1].lower())
            element.text = text
            self._find(self.open[:-1], element)

    def _find(self, around: Iterable[str], element: Element) -> None:
        self._found.append(Found(tuple(map(str.lower, around)), element))


class _TooDeepError(Exception):
    """Elements are nested more deeply than `DEEPEST`."""


class _TooLargeError(Exception):
    """A wanted element contains more than `_LARGEST_ELEMENT` elements."""


class _LongTextError(Exception):
    """A wanted element, or what stands between tags, has more than `_LONGEST_TEXT` characters."""


class _LongNamespaceError(Exception):
    """A namespace has more than `_LONGEST_NAMESPACE` characters."""


class _ManyDefaultsError(Exception):
    """More than `_MAX_DEFAULTS` attributes have a default."""


def _refuse_long_namespace(prefix: str | None, namespace: str | None) -> None:
    if len(namespace or "") > _LONGEST_NAMESPACE:
        raise _LongNamespaceError


class _Parser:
    """A parser that feeds a builder, and returns errors as `BrokenScript` instead of raising them.

    So `pull` can yield the elements found before an error and then raise it.
    """

    def __init__(self, builder: _Builder) -> None:
        self._builder = builder
        self._parser: Any = XMLParser(target=builder)
        # The DTD that would declare entities is not fetched: those that HTML shares with TEI are known here.
        self._parser.entity.update(entitydefs)
        self._parser.parser.StartNamespaceDeclHandler = _refuse_long_namespace
        # The value of a declared attribute would be copied into every element.
        self._parser.parser.specified_attributes = True
        self._parser.parser.AttlistDeclHandler = self._count_default
        self._defaults = 0

    def _count_default(self, element: str, name: str, type: str, default: str | None, required: int) -> None:
        self._defaults += default is not None
        if self._defaults > _MAX_DEFAULTS:
            raise _ManyDefaultsError

    def feed(self, text: str | None) -> BrokenScript | None:
        """Parse more text, or None for the end; return the error in it, after which nothing can be fed.

        Newer versions of expat may hold text back until the end.
        """
        try:
            if text is None:
                self._parser.close()
            else:
                self._parser.feed(text)
        except ParseError as error:
            return self._explain(error)
        except DefusedXmlException:
            line = self._parser.parser.CurrentLineNumber
            return BrokenScript(
                f"declares entities of its own in line {line}, which may hide an attack and are not read",
                "Remove the <!ENTITY …> declarations if you trust the file.",
            )
        except _TooDeepError:
            return BrokenScript(
                f"nests its elements more than {DEEPEST} deep, too deep for a script", "Export it again."
            )
        except _TooLargeError:
            return BrokenScript(
                f"has an element with more than {_LARGEST_ELEMENT:,} others in it, too many for a script",
                "Export it again.",
            )
        except _LongTextError:
            return BrokenScript(
                f"has a text of more than {_LONGEST_TEXT >> 20} million characters in one element, "
                "too long for a script",
                "Export it again, with a paragraph for each speech.",
            )
        except _ManyDefaultsError:
            return BrokenScript(
                f"declares defaults for more than {_MAX_DEFAULTS} attributes, as no script does",
                "Remove the <!ATTLIST …> declarations if you trust the file.",
            )
        except _LongNamespaceError:
            return BrokenScript(
                f"has a namespace of more than {_LONGEST_NAMESPACE:,} characters, too long for a script",
                "Export it again.",
            )
        return None

    def _explain(self, error: ParseError) -> BrokenScript:
        line = error.position[0]
        if not self._builder.root:
            return BrokenScript(
                f"is not XML: there is no element up to line {line}",
                "Export the script again, or give it the suffix of the format that it is in.",
            )
        if error.code not in _AT_THE_END:
            reason = ErrorString(error.code)
            return BrokenScript(f"is damaged XML: {reason} in line {line}", "Save or export it again.")
        unclosed = f": <{self._builder.open[-1]}> is not closed" if self._builder.open else ""
        return BrokenScript(
            f"breaks off in line {line}{unclosed}", "Its end is missing: save, export or download it again."
        )
