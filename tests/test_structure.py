"""Limits on the structure of the package: the number and the size of its modules and functions."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "scriptforge"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
PLAIN = {name: path for name, path in MODULES.items() if path.name != "__init__.py"}
SMALL = 60
REGISTRIES = {"scriptforge.screenplay.formats", "scriptforge.documents.kinds"}
"""Registries whose entries are modules, as the commands are; nothing else imports these modules."""


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules of the package that a module imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("scriptforge"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


def importers() -> dict[str, set[str]]:
    """Return the importers of each module; in place of its package's `__init__`, the package's importers."""
    found = defaultdict(set)
    for name, path in MODULES.items():
        for imported in imports_of(path):
            if imported != name:
                found[imported].add(name)
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            for imported in imports_of(path):
                if imported.startswith(f"{name}."):
                    found[imported] = (found[imported] - {name}) | (found[name] - {imported})
    return found


def functions(where: str) -> Iterator[tuple[int, str]]:
    """Yield the length in lines and the name of each function, decorators not counted.

    A function of `cli` is counted from `def` on, with its docstring, which is the help; any other one from
    the first statement after its docstring.
    """
    for name, path in MODULES.items():
        if name.startswith("scriptforge.cli") != (where == "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                documentation = node.body[0]
                is_documented = ast.get_docstring(node) is not None
                first = node.body[1] if is_documented and len(node.body) > 1 else documentation
                lines = node.end_lineno - (first.lineno if where == "outside" else node.lineno) + 1
                yield lines, f"{name}.{node.name}"


def test_modules_are_few_for_their_lines_and_few_are_small() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in PLAIN.items()}
    assert sum(lengths.values()) / len(lengths) >= 200
    small = [name for name, lines in lengths.items() if lines <= SMALL]
    assert len(small) <= 9, small


def test_few_modules_have_one_importer() -> None:
    found = importers()
    single = [
        name
        for name in PLAIN
        if not name.startswith("scriptforge.cli") and len(found[name]) == 1 and not found[name] <= REGISTRIES
    ]
    assert len(single) / len(PLAIN) <= 25 / 112, sorted(single)


def test_no_module_is_longer_than_can_be_read_in_one_sitting() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in PLAIN.items()}
    assert not {name: lines for name, lines in lengths.items() if lines > 450}


def test_functions_are_short() -> None:
    assert not [(lines, name) for lines, name in functions("cli") if lines > 70]
    assert not [(lines, name) for lines, name in functions("outside") if lines > 50]


def modules_with(call: str) -> set[str]:
    """Return the modules in whose text a call occurs."""
    return {name for name, path in MODULES.items() if call in path.read_text(encoding="utf-8")}


def test_json_and_toml_from_elsewhere_are_parsed_in_one_place() -> None:
    """There, what is nested too deeply becomes an error that every reader expects."""
    assert modules_with("json.loads(") == {"scriptforge.workspace.files", "scriptforge.classroom"}
    assert modules_with("tomllib.load") == {"scriptforge.workspace.files"}


def test_what_a_person_names_is_written_in_one_place() -> None:
    """There, nothing is replaced that was not to be, and of two commands at once one is refused."""
    packages = (
        "scriptforge.cli.",
        "scriptforge.generation.",
        "scriptforge.exporting",
        "scriptforge.hub.space",
    )
    assert not {
        name for name in modules_with("atomic_") if name.startswith((*packages, "scriptforge.corpus.convert"))
    }
