"""What is said of a run, read from its `config.json` key by key.

It is not read as this version's `RunDescription`: a list should show the runs of other versions too, and
without waiting for torch.
"""

from dataclasses import asdict
from typing import Any

from scriptforge.errors import RunError
from scriptforge.run.records import read_history
from scriptforge.workspace import RunFolder, read_json


def run_summary(folder: RunFolder) -> dict[str, Any]:
    """What the list of runs says of one; figures are None until the training has ended.

    Raises:
        RunError: its config is missing, damaged or not one of ours.
    """
    return _summary(folder, _config(folder))


def run_details(folder: RunFolder) -> dict[str, Any]:
    """What a comparison says of a run: its summary, all figures, its settings, and every validation.

    Raises:
        RunError: as of `run_summary`; or its metrics are damaged.
    """
    config = _config(folder)
    result = config["result"] or {}
    return {
        **_summary(folder, config),
        "best": result.get("best"),
        "step": result.get("step"),
        "tokens_per_second": result.get("tokens_per_second"),
        "diagnosis": result.get("diagnosis"),
        "settings": _settings(config),
        "history": [asdict(validation) for validation in read_history(folder)],
    }


def _config(folder: RunFolder) -> dict[str, Any]:
    config: dict[str, Any] = read_json(folder.config)
    return config


def _summary(folder: RunFolder, config: dict[str, Any]) -> dict[str, Any]:
    try:
        result = config["result"] or {"best": {"stream": {}}}
        stream = result["best"]["stream"]
        return {
            "run": folder.name,
            "dataset": str(config["dataset"]["name"]),
            "level": str(config["dataset"]["level"]),
            "plain": bool(config["dataset"]["plain"]),
            "arch": _settings(config).get("arch"),
            "parameters": int(config["parameters"]),
            "nats_per_character": _figure(stream.get("nats_per_character")),
            "bits_per_character": _figure(stream.get("bits_per_character")),
            "seconds": _figure(result.get("seconds")),
            "created": str(config["created"]),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{folder.name}/{folder.config.name} is not one that scriptforge writes.",
            "Restore it from a copy, or train the model again.",
        ) from error


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    settings = config.get("settings")
    return settings if isinstance(settings, dict) else {}


def _figure(value: Any) -> float | None:
    return None if value is None else float(value)
