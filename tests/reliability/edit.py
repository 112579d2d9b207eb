"""Changes a draft as the page does, and says its revision then: `python -m reliability.edit DATABASE`."""

import sys
from pathlib import Path

from scriptforge.cli.errors import run_and_exit
from scriptforge.serve.changes import Change
from scriptforge.serve.drafts import Drafts


def edit() -> None:
    """Add an element to the only draft, or make one."""
    drafts = Drafts(Path(sys.argv[1]))
    found = drafts.summaries()
    draft = drafts.get(found[0]["id"]) if found else drafts.create("Draft", "", [])
    element = {"id": f"e{draft['revision']}", "kind": "action", "text": "It rains. " * 50, "origin": None}
    last = draft["elements"][-1]["id"] if draft["elements"] else None
    edits = [{"put": element, "after": last}]
    change = Change.model_validate(
        {"base": draft["revision"], "change": f"c{draft['revision']}", "edits": edits}
    )
    sys.stdout.write(f"{drafts.change(draft['id'], change)[0]}\n")
    drafts.close()


if __name__ == "__main__":
    run_and_exit(edit)
