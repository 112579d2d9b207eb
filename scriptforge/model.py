"""A model in a program of one's own: load it, let it write, share it.

import scriptforge

model = scriptforge.load("owner/name")
print(model.generate("elaine:", lines=12))
"""

from collections.abc import Sequence
from pathlib import Path

from scriptforge.generation import generate
from scriptforge.hub import PushResult, find_run, push
from scriptforge.options import GenerateOptions, PushOptions
from scriptforge.run.run import Run
from scriptforge.workspace import Workspace


def load(name: str | None = None, *, workspace: Path | None = None) -> "Model":
    """A trained model, by the name of its run, by its folder, or as `OWNER/NAME` on the Hub.

    Args:
        name: which one; None is the latest run.
        workspace: the folder of runs; None is that of `SCRIPTFORGE_WORKSPACE`, or the current one.

    Raises:
        ScriptforgeError: there is none, or it cannot be used.
    """
    place = Workspace.find(workspace)
    folder, _ = find_run(place, name)
    return Model(Run(folder), place)


class Model:
    """A trained model.

    Args:
        run: where it is from.
        workspace: where what it was trained on may be.
    """

    def __init__(self, run: Run, workspace: Workspace) -> None:
        self.run = run
        self._workspace = workspace

    def generate(
        self,
        prime: str = "",
        *,
        lines: int | None = None,
        turns: int | None = None,
        length: int | None = None,
        cast: Sequence[str] = (),
        seed: int = GenerateOptions.seed,
        **sampling: float,
    ) -> str:
        """Writes one script; the same arguments give the same text, and that of the command line.

        Args:
            prime: how it begins: a speaker, `speaker: words`, or words.
            lines: so many lines. Where none of `lines`, `turns` and `length` is given, 20.
            turns: so many lines of dialogue.
            length: about so many tokens, to the end of a line.
            cast: only these speak; anybody if empty.
            seed: decides what is drawn.
            sampling: as of `scriptforge.options.GenerateOptions`: `temperature`, `top_p`, …

        Raises:
            UsageError: this model cannot write that, or a value is out of its range.
        """
        options = GenerateOptions(
            prime=prime,
            lines=lines,
            turns=turns,
            length=length,
            seed=seed,
            cast=tuple(cast),
            **sampling,  # type: ignore[arg-type]  # its fields say which are whole
        )
        (written,) = generate(self.run.model, self.run.vocabulary, options)
        return written.text

    def push(self, repository: str, *, private: bool = False, create_pr: bool = False) -> PushResult:
        """Shares it on the Hub, as `scriptforge push` does.

        Args:
            repository: where to, `OWNER/NAME`.
            private: if the repository is made now, whether for its owner alone.
            create_pr: propose it in a pull request.

        Raises:
            HubError: it cannot be result.
        """
        options = PushOptions(repository=repository, private=private, create_pr=create_pr)
        (result,) = push(self._workspace, self.run, options)
        return result
