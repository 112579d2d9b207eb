"""`scriptforge doctor`: what this machine offers, what is missing, and what to do about it."""

from typing import TYPE_CHECKING

import typer

from scriptforge.characters import redact
from scriptforge.cli.message import with_program_name
from scriptforge.cli.output import Output
from scriptforge.cli.parameters import AsJSON, Quiet, WorkspacePath
from scriptforge.cli.tables import table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scriptforge.doctor import Finding

_MARKS = {"ok": "ok", "advice": "hint", "unusable": "broken"}


def doctor(workspace_path: WorkspacePath = None, as_json: AsJSON = False, quiet: Quiet = False) -> None:
    """Check this machine: versions, memory, accelerator, disk, caches and login."""
    output = Output(as_json, quiet)

    from dataclasses import asdict, replace

    from scriptforge.doctor import examine, is_usable
    from scriptforge.workspace import Workspace

    found = examine(Workspace.find(workspace_path))
    findings = [replace(finding, found=redact(finding.found)) for finding in found]
    usable = is_usable(findings)
    document = {"usable": usable, "findings": [asdict(finding) for finding in findings]}
    output.result(document, lambda: _table(findings))
    if not usable:
        raise typer.Exit(1)


def _table(findings: "list[Finding]") -> "RenderableType":
    return table(
        ("check", "", "found", "what to do"),
        [
            (each.check, _MARKS[each.state], each.found, with_program_name(each.remedy or ""))
            for each in findings
        ],
    )
