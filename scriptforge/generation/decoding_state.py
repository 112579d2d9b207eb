"""The state of a paused decoding loop, and its file.

The file is a safetensors file, without pickle: arrays, and metadata that identifies the model.

Shape letters: B sequences of the batch, T steps, V vocabulary.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from scriptforge.errors import RunError
from scriptforge.generation.decoder import Saved
from scriptforge.inference import FloatArray, Ids
from scriptforge.options import MAX_SEEDS
from scriptforge.workspace import output_file, refuse_existing

_KIND = "scriptforge decoding state"
_FORMAT = f"{_KIND} 3"
_NOT_REPLACED = "It is not a saved state, so it is left as it is: name another file."
_PARTS = ("sampler", "decoder")


@dataclass(frozen=True)
class DecodingState:
    """All that is needed to continue as if there had been no pause.

    Attributes:
        ids_TB: all ids so far, given or drawn.
        logits_BV: scores of the next token.
        sampler: state of the random number generators.
        decoder: state of the decoder.
    """

    ids_TB: Ids
    logits_BV: FloatArray
    sampler: Saved
    decoder: Saved


def save_state(state: DecodingState, path: Path, *, weights: str, seed: int) -> None:
    """Write a state to a safetensors file, with the fingerprint of the weights and the text's seed.

    Raises:
        UsageError: there is a file that is not a saved state.
    """
    arrays = {"ids": state.ids_TB, "logits": state.logits_BV}
    for part in _PARTS:
        arrays |= {f"{part}.{name}": array for name, array in getattr(state, part).items()}
    # All in one entry, since several are written in an order of their own each time.
    metadata = {"format": f"{_FORMAT} {weights} {seed}"}
    with output_file(path, force=_is_saved_state(path), hint=_NOT_REPLACED) as temporary:
        save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, temporary, metadata)


def check_state_path(path: Path) -> None:
    """Check that a state can be saved in a file, before there is one.

    Raises:
        UsageError: there is a file that is not a saved state.
    """
    refuse_existing(path, _is_saved_state(path), _NOT_REPLACED)


def _is_saved_state(path: Path) -> bool:
    """Return whether a file was written by `save_state`, of this version or another one."""
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="np") as file:
            return str((file.metadata() or {}).get("format")).startswith(_KIND)
    except (SafetensorError, OSError):
        return False


def load_state(path: Path, *, weights: str) -> tuple[DecodingState, int]:
    """Return a saved state, and the seed of its text.

    Raises:
        RunError: the file is missing or damaged, or its model's weights have another fingerprint.
    """
    try:
        if not path.is_file():  # a pipe would be waited for
            raise FileNotFoundError
        with safe_open(path, framework="np") as file:
            kind, fingerprint, seed = file.metadata()["format"].rsplit(" ", 2)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if kind != _FORMAT:
            raise ValueError("not a decoding state")
        parts: dict[str, dict[str, NDArray[Any]]] = {part: {} for part in _PARTS}
        for name, array in arrays.items():
            part, _, own_name = name.partition(".")
            if part in parts:
                parts[part][own_name] = array
        ids_TB = arrays["ids"]
        if ids_TB.ndim != 2 or not ids_TB.shape[1] or (ids_TB.size and ids_TB.dtype.kind not in "iu"):
            raise ValueError("its ids belong to no text")
        ids_TB = ids_TB.astype(np.int64)
        text_seed = int(seed)
        if (ids_TB != ids_TB[:, :1]).any() or not 0 <= text_seed < MAX_SEEDS:
            raise ValueError("its candidates differ, or its seed is out of range")
        state = DecodingState(ids_TB, arrays["logits"], **parts)
    # The last two come from NumPy, for data types that it does not know.
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path.name} is missing or damaged, or was not written by --save-state.",
            "Start again, and save the state again with --save-state.",
        ) from error
    if fingerprint != weights:
        raise RunError(
            f"{path.name} was saved with another model, or before this one was trained further.",
            "Name the run that it was made with: scriptforge runs",
        )
    return state, text_seed
