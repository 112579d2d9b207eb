"""Training in a workspace, as `scriptforge train` and `scriptforge.train` do it.

A new run gets settings that suit text, machine and time, a free name, weights to start from, and recorders.
Events are those of `scriptforge.training.trainer`; recorders have already taken them.
"""

import time
from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple

from scriptforge.config import PRESETS, DeviceType, Settings, collect_settings, complete, resolve
from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError, unknown_name
from scriptforge.hub.pull import find_run
from scriptforge.inference import check_settings_of_arch
from scriptforge.net.client import ProgressCallback, no_progress
from scriptforge.options import DEFAULT_MINUTES, TrainOptions
from scriptforge.run.records import RunDescription
from scriptforge.run.run import Run
from scriptforge.training import trainer
from scriptforge.training.base_model import FROM_SCRATCH, NOTE, base_model_for
from scriptforge.training.devices import choose_device
from scriptforge.training.events import Notice, TrainingEvent
from scriptforge.training.machine import MUCH_LOAD, Machine, check_precision, machine_for
from scriptforge.training.process_state import ProcessState
from scriptforge.training.processes import is_first_process, translate_lost_processes
from scriptforge.training.run_files import find_resumable
from scriptforge.training.settings import suggest_settings
from scriptforge.training.state import StartContext
from scriptforge.training.threads import candidate_thread_counts
from scriptforge.training.transfer import transferred_settings
from scriptforge.training_runs.trackers import recorded, recorders_of
from scriptforge.workspace import Workspace

_WHY_SO_OFTEN = "even if time is left: more would memorise it. --set max_epochs=N changes that."
_THREADS = (
    "Computes with as many threads as are fastest at present, 1 to {}: the last bits of the model depend on"
    " that. The setting threads fixes the number."
)
_WHAT_FOLLOWS = (
    "The model was chosen for what they leave: to use the whole machine, wait for them, or fix its size with"
    " --set hidden_size=N."
)


def train(
    dataset: Dataset,
    options: TrainOptions,
    workspace: Workspace,
    *,
    name: str | None = None,
    force: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: ProgressCallback = no_progress,
) -> Generator[TrainingEvent, None, None]:
    """Train a new run.

    Arguments are checked when this is called; training starts when the first event is requested, and advances
    only as further events are.

    Args:
        dataset: the dataset to train on.
        options: the options of the training.
        workspace: the workspace of the new run, and of the run to start from.
        name: the run's name; None takes the dataset's name, with a number if that is taken.
        force: whether to replace a run of that name.
        should_stop: called after every step; if true, a checkpoint is saved and training ends.
        on_progress: called with the progress of pulling a run to start from.

    Yields:
        Events; the last one is `Finished`, or `Interrupted` if a stop was requested.

    Raises:
        UsageError: the options are incompatible, there is a run of that name, or a tracker is not installed.
        RunError: another process is training a run of that name.
        TrainingError: the text is too short, memory ran out, or the loss became infinite.
        HubError: the run to start from cannot be pulled.
    """
    began = time.perf_counter() if options.began is None else options.began
    device = choose_device(options.device)
    init_from, notes = _open_init_from(workspace, dataset, options, on_progress)
    advice = dataset.description.advice_on_little_text()
    if advice and init_from is None:
        notes.append(advice)
    # This may make training steps, to measure the machine.
    with ProcessState().entered(), translate_lost_processes():
        chosen = choose_settings(dataset, options, device, init_from)
    settings = chosen.settings
    if is_first_process():
        folder = workspace.claim_run(name, dataset.name, force=force)
    else:
        folder = workspace.new_run(name or workspace.free_run_name(dataset.name))
    try:
        recorders = recorders_of(folder, options.track)
    except BaseException:
        folder.release()
        raise
    if settings.max_epochs:
        notes.append(f"Reads the text {settings.max_epochs:g} times at most, {_WHY_SO_OFTEN}")
    if chosen.note:
        notes.append(chosen.note)
    notes += _notes_on_threads(settings, device)
    context = StartContext(began, chosen.machine.measured)
    events = trainer.start(dataset, settings, folder, device, should_stop, init_from, context)
    return _with_notes(recorded(events, recorders), notes)


class Chosen(NamedTuple):
    """The settings of a new run, the machine that they were chosen for, and whether this set the size."""

    settings: Settings
    machine: Machine
    is_sized: bool

    @property
    def note(self) -> str | None:
        """Return what was measured of the machine, and what it means for the model; None if nothing was."""
        if self.machine.measured is None:
            return None
        is_small = self.is_sized and self.machine.busy > MUCH_LOAD
        return f"{self.machine.measured} {_WHAT_FOLLOWS}" if is_small else str(self.machine.measured)


def choose_settings(
    dataset: Dataset,
    options: TrainOptions,
    device: DeviceType,
    init_from: Run | None = None,
    machine: Machine | None = None,
) -> Chosen:
    """Choose the settings of a new run; if it is limited by minutes, the machine is measured for this.

    Requested settings take precedence over suggested ones. Of the requested ones, from weakest to strongest:
    the preset, those of the run to start from, the settings file, the other options.

    Args:
        dataset: the dataset to train on.
        options: the requested options.
        device: the type of device to train on.
        init_from: the run to start from.
        machine: the machine, if it has been measured already.

    Raises:
        UsageError: the requested settings are incompatible with each other, with the architecture, with the
            run to start from, or with the device.
    """
    if options.preset is not None and options.preset not in PRESETS:
        raise unknown_name("preset", options.preset, PRESETS)
    file, named = collect_settings(options)
    chosen = {**file, **named}
    asked = (
        {"minutes": DEFAULT_MINUTES},
        PRESETS[options.preset] if options.preset else {},
        transferred_settings(init_from.description, dataset, chosen) if init_from else {},
        file,
        named,
    )
    requested = resolve(*asked)
    check_settings_of_arch(requested.arch, chosen)
    check_precision(requested.arch, requested.precision, device)
    tokens = dataset.description.splits["train"].tokens
    machine = machine or machine_for(requested, device)
    suggested = suggest_settings(
        tokens, dataset.vocabulary.size, machine, requested, is_pretrained=init_from is not None
    )
    is_sized = "hidden_size" not in requested.model_fields_set
    return Chosen(complete(suggested, *asked), machine, is_sized)


def resume(
    workspace: Workspace,
    name: str | None = None,
    options: TrainOptions | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[TrainingEvent, None, None]:
    """Continue a run from its newest checkpoint that verifies.

    Args:
        workspace: the workspace of the run and its dataset.
        name: the run's name; None for the latest run.
        options: the additional `epochs` or `minutes`, the device, and the tracker; a run keeps all other
            settings. Without `epochs` and `minutes`, it continues to its planned end.
        should_stop: as in `train`.

    Yields:
        Events, as `train` does.

    Raises:
        UsageError: an option can only be given to a new run.
        RunError: there is no such run, it has finished, or no checkpoint verifies.
        TrainingError: memory ran out, or the loss became infinite.
    """
    options = options or TrainOptions()
    refuse_with_resume({"--from": options.init_from, "--preset": options.preset})
    file, beside = collect_settings(options)
    named = {**file, **beside}
    if fixed := sorted(set(named) - {"epochs", "minutes"}):
        raise UsageError(
            f"A resumed run keeps its settings, including {fixed[0]}.",
            "Give only --epochs or --minutes with --resume, or train a new run.",
        )
    device = choose_device(options.device)
    with ProcessState().entered(), translate_lost_processes():
        folder = find_resumable(workspace, name, device)
    description = RunDescription.load(folder.latest)
    dataset = Dataset(workspace.dataset(description.dataset.name))
    more = resolve(description.settings.model_dump(), named) if named else None
    events = trainer.resume(
        dataset,
        folder,
        device,
        more.epochs if more else None,
        more.minutes if more else None,
        should_stop,
    )
    return recorded(events, recorders_of(folder, options.track))


def refuse_with_resume(given: Mapping[str, object]) -> None:
    """Raise an error if a flag is given that only a new run can have.

    Args:
        given: the values of such flags, by name.

    Raises:
        UsageError: one of the values is set.
    """
    for flag, value in given.items():
        if value:
            raise UsageError(
                f"--resume continues a run as it is, and {flag} is for a new one.",
                f"Leave {flag} or --resume out.",
            )


def _open_init_from(
    workspace: Workspace, dataset: Dataset, options: TrainOptions, on_progress: ProgressCallback
) -> tuple[Run | None, list[str]]:
    """Return the run to start from, pulled if it is on the Hub, and notes on it for the user.

    If neither a run nor a preset is named, it is the base model in the package, if that suits the dataset.
    """
    if options.init_from is None and options.preset is None:
        file, named = collect_settings(options)
        base = base_model_for(dataset, {**file, **named})
        return base, [NOTE] if base else []
    if options.init_from in (None, FROM_SCRATCH):
        return None, []
    folder, notes = find_run(workspace, options.init_from, on_progress=on_progress)
    return Run(folder), list(notes)


def _notes_on_threads(settings: Settings, device: DeviceType) -> list[str]:
    """Return a note if the number of epochs is fixed, but not that of threads."""
    numbers = candidate_thread_counts(settings.threads)
    depends = settings.epochs is not None and device == "cpu" and len(numbers) > 1
    return [_THREADS.format(numbers[-1])] if depends else []


def _with_notes(
    events: Generator[TrainingEvent, None, None], notes: list[str]
) -> Generator[TrainingEvent, None, None]:
    """Yield events, with notes after the first one; a process without events yields no notes either."""
    for first in events:
        yield first
        yield from map(Notice, notes)
        yield from events
