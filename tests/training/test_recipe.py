"""Settings are fitted to text and machine, and what was asked for is stronger."""

import pytest
from support.tiny import prepared

from scriptforge.config import PRESETS, Preset
from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.training.settings import DEFAULT_MINUTES, Machine, choose_settings, fit_settings

MACHINE = Machine("cpu", "fp32", 1e11)
WHOLE_TIME = {"minutes": 1}


@pytest.fixture(scope="module")
def many_words(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset of a thousand words."""
    folder = tmp_path_factory.mktemp("many-words")
    text = folder / "text.txt"
    words = [f"word{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}{i // 676}x" for i in range(1000)]
    lines = (" ".join(words[i : i + 10]) for i in range(0, 1000, 10))
    text.write_text("".join(f"Bo: {line}\n" for line in lines) * 3)
    return prepared(text, folder / "data" / "many", min_count=1)


def test_embedding_that_is_the_head_goes_with_the_size_asked_for(many_words: Dataset) -> None:
    settings = fit_settings(many_words, MACHINE, WHOLE_TIME, {"hidden_size": 96})
    assert settings.tied
    assert (settings.hidden_size, settings.embedding_size) == (96, 96)


@pytest.mark.parametrize("preset", ["fast", "best"])
def test_presets_name_the_size_of_both(many_words: Dataset, preset: Preset) -> None:
    settings = fit_settings(many_words, MACHINE, WHOLE_TIME, PRESETS[preset])
    assert settings.embedding_size == settings.hidden_size == PRESETS[preset]["hidden_size"]


def test_embedding_asked_for_is_taken(many_words: Dataset) -> None:
    settings = fit_settings(many_words, MACHINE, WHOLE_TIME, {"hidden_size": 96, "embedding_size": 48})
    assert (settings.hidden_size, settings.embedding_size) == (96, 48)


@pytest.mark.parametrize("is_tied", [True, False])
def test_what_counts_is_whether_the_head_is_the_embedding_in_the_end(
    many_words: Dataset, tiny_dataset: Dataset, is_tied: bool
) -> None:
    fitted_otherwise = tiny_dataset if is_tied else many_words
    as_fitted = fit_settings(fitted_otherwise, MACHINE, WHOLE_TIME)
    assert as_fitted.tied != is_tied
    settings = fit_settings(fitted_otherwise, MACHINE, WHOLE_TIME, {"hidden_size": 96, "tied": is_tied})
    assert settings.embedding_size == (96 if is_tied else as_fitted.embedding_size)


def test_embedding_of_few_tokens_does_not_go_with_the_size(tiny_dataset: Dataset) -> None:
    as_fitted = fit_settings(tiny_dataset, MACHINE, WHOLE_TIME)
    settings = fit_settings(tiny_dataset, MACHINE, WHOLE_TIME, {"hidden_size": 96})
    assert not settings.tied
    assert settings.embedding_size == as_fitted.embedding_size


def test_later_sources_are_stronger(tiny_dataset: Dataset) -> None:
    settings = fit_settings(tiny_dataset, MACHINE, WHOLE_TIME, {"layers": 3}, {"layers": 2, "epochs": 4})
    assert (settings.layers, settings.epochs, settings.minutes) == (2, 4, None)


def test_training_has_a_length_if_nobody_names_one(tiny_dataset: Dataset) -> None:
    assert choose_settings(tiny_dataset, {}, "cpu").minutes == DEFAULT_MINUTES
    assert choose_settings(tiny_dataset, {}, "cpu", "classroom").epochs == PRESETS["classroom"]["epochs"]


def test_what_a_person_chose_beats_the_preset(tiny_dataset: Dataset) -> None:
    chosen = {"learning_rate": 0.5}
    assert choose_settings(tiny_dataset, chosen, "cpu", "classroom").learning_rate == 0.5


def test_settings_of_another_architecture_are_refused(tiny_dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="memory"):
        choose_settings(tiny_dataset, {"memory": 64}, "cpu")
