"""Every package and module is in the contracts that import-linter enforces."""

import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
NEEDS_TORCH = {
    "api", "classroom", "doctor", "evaluation", "hub", "llm_plugin", "models",
    "training", "training_runs", "tuning",
}  # fmt: skip
COMMAND_LINE = {"__main__", "cli"}


def parts() -> set[str]:
    package = REPOSITORY / "scriptforge"
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
    return modules | {path.parent.name for path in package.glob("*/__init__.py")}


def held(name: str) -> set[str]:
    """Return the packages and modules that a contract restricts."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (each for each in settings["tool"]["importlinter"]["contracts"] if each["name"] == name)
    return {module.removeprefix("scriptforge.") for module in contract["source_modules"]}


def test_every_part_without_need_of_torch_is_held_to_know_nothing_of_it() -> None:
    assert held("Reading, writing and text need no torch") == parts() - NEEDS_TORCH - COMMAND_LINE


def test_every_part_but_the_command_line_is_held_not_to_draw() -> None:
    assert held("Only the command line draws") == parts() - COMMAND_LINE
