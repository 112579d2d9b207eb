import pytest
import torch
from support import skips

from scriptforge.errors import UsageError
from scriptforge.training.devices import choose_device

has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == "cpu"


@pytest.mark.skipif(has_gpu, reason=skips.HAS_GPU)
def test_without_a_gpu() -> None:
    assert choose_device("auto") == "cpu"
    with pytest.raises(UsageError, match="no GPU") as caught:
        choose_device("gpu")
    assert "--gpu" in caught.value.hint


@pytest.mark.skipif(not torch.cuda.is_available(), reason=skips.NO_CUDA)
def test_with_a_gpu() -> None:
    assert choose_device("auto") == choose_device("gpu") == "cuda"
