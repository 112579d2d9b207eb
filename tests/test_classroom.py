"""The course's functions do what its notebooks expect of them."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from scriptforge import classroom
from scriptforge.classroom import (
    RNN,
    SPECIAL_WORDS,
    batch_data,
    create_lookup_tables,
    forward_back_prop,
    generate,
    load_data,
    load_model,
    load_preprocess,
    preprocess_and_save_data,
    save_model,
    token_lookup,
    train_rnn,
)

WORDS = ["walt:", "any", "cars", "?", "dee:", "not", "one", ".", "walt:", "not", "one", "car", "?"]


def network(words: int = 20, layers: int = 2) -> RNN:
    torch.manual_seed(1)
    return RNN(words, words, embedding_dim=6, hidden_dim=8, n_layers=layers)


def test_the_ten_symbols_have_ten_words_without_spaces() -> None:
    symbols = token_lookup()
    assert set(symbols) == set('.,";!?()-\n')
    assert len(set(symbols.values())) == 10
    assert not any(" " in word or symbol in word for symbol, word in symbols.items())


def test_lookup_tables_are_each_others_inverse() -> None:
    vocab_to_int, int_to_vocab = create_lookup_tables(WORDS)
    assert set(vocab_to_int) == set(WORDS)
    assert sorted(int_to_vocab) == list(range(len(set(WORDS))))
    assert all(int_to_vocab[number] == word for word, number in vocab_to_int.items())


def test_batches_hold_every_overlapping_window_once() -> None:
    loader = batch_data(range(10, 17), sequence_length=3, batch_size=3)
    batches = list(loader)
    assert [tuple(inp.shape) for inp, _ in batches] == [(3, 3), (1, 3)]
    assert all(inp.dtype == target.dtype == torch.int64 for inp, target in batches)
    windows = sorted(
        (inp.tolist(), int(target))
        for inps, targets in batches
        for inp, target in zip(inps, targets, strict=True)
    )
    assert windows == [([10, 11, 12], 13), ([11, 12, 13], 14), ([12, 13, 14], 15), ([13, 14, 15], 16)]


def test_the_notebooks_own_example_of_batches() -> None:
    inp, target = next(iter(batch_data(list(range(50)), sequence_length=5, batch_size=10)))
    assert inp.shape == (10, 5)
    assert target.shape == (10,)
    assert torch.equal(inp[:, -1] + 1, target)


def test_too_few_words_for_a_window_are_refused() -> None:
    with pytest.raises(ValueError, match="3 words have no window of 3"):
        batch_data([1, 2, 3], sequence_length=3, batch_size=2)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_network_scores_the_last_place_only(layers: int) -> None:
    rnn = network(layers=layers).eval()
    inp_BT = torch.randint(0, 20, (4, 5))
    scores_BV, (hidden_LBH, cell_LBH) = rnn(inp_BT, rnn.init_hidden(4))
    assert scores_BV.shape == (4, 20)
    assert hidden_LBH.shape == cell_LBH.shape == (layers, 4, 8)
    torch.testing.assert_close(scores_BV, rnn.fc(hidden_LBH[-1]))


def test_reading_on_is_reading_at_once() -> None:
    rnn = network().eval()
    inp_BT = torch.randint(0, 20, (4, 6))
    at_once, _ = rnn(inp_BT, rnn.init_hidden(4))
    _, hidden = rnn(inp_BT[:, :2], rnn.init_hidden(4))
    torch.testing.assert_close(rnn(inp_BT[:, 2:], hidden)[0], at_once)


def test_a_batch_repeated_is_learnt() -> None:
    rnn = network()
    optimizer = torch.optim.Adam(rnn.parameters(), lr=0.02)
    inp_BT, target_B = torch.randint(0, 20, (8, 5)), torch.randint(0, 20, (8,))
    losses = []
    for _ in range(60):
        loss, _ = forward_back_prop(
            rnn, optimizer, nn.CrossEntropyLoss(), inp_BT, target_B, rnn.init_hidden(8)
        )
        losses.append(loss)
    assert isinstance(losses[0], float)
    assert losses[-1] < losses[0] / 2


def test_the_state_goes_from_step_to_step_and_the_gradient_is_clipped() -> None:
    rnn = network()
    optimizer = torch.optim.Adam(rnn.parameters())
    inp_BT, target_B = torch.randint(0, 20, (8, 5)), torch.randint(0, 20, (8,))

    def hundredfold(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return 1000 * nn.functional.cross_entropy(scores, target)

    hidden = rnn.init_hidden(8)
    for _ in range(2):
        _, hidden = forward_back_prop(rnn, optimizer, hundredfold, inp_BT, target_B, hidden)
    assert hidden[0].abs().sum() > 0
    norm = torch.stack([weight.grad.norm() for weight in rnn.parameters() if weight.grad is not None]).norm()
    torch.testing.assert_close(norm, torch.tensor(5.0))


def test_a_script_is_as_long_as_asked_and_begins_as_asked() -> None:
    vocab_to_int, int_to_vocab = create_lookup_tables([*WORDS, "<PAD>"])
    rnn = network(len(vocab_to_int))
    text = generate(rnn, vocab_to_int["dee:"], int_to_vocab, {}, vocab_to_int["<PAD>"], predict_len=12)
    assert len(text.split()) == 13
    assert text.startswith("dee: ")


def test_only_the_five_best_words_are_drawn() -> None:
    rnn = network()
    with torch.no_grad():
        rnn.fc.bias[[2, 3, 5, 7, 11]] = 100.0
    text = generate(rnn, 2, {number: str(number) for number in range(20)}, {}, 0, predict_len=80)
    assert set(text.split()) == {"2", "3", "5", "7", "11"}


def test_words_become_symbols_again_where_they_stood() -> None:
    symbols = token_lookup()
    spoken = ["dee:", symbols["("], "softly", symbols[")"], "one", symbols["."], symbols["\n"], "walt:"]
    int_to_vocab = dict(enumerate(word.lower() for word in spoken))
    rnn = network(len(spoken))
    text = generate(rnn, 0, int_to_vocab, symbols, 0, predict_len=200)
    assert text.startswith("dee:")
    assert "||" not in text
    assert "\n " not in text and "( " not in text and " ." not in text


SCRIPT = "Jerry: Do you know what this is? (quietly)\n\nelaine: No - no, not really.\n"


def test_the_example_of_the_module_runs_as_written(
    workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace_path / "Seinfeld_Scripts.txt").write_text(SCRIPT * 30, encoding="utf-8")
    (example,) = re.findall(r"(?:^ {4}\S.*\n)+", classroom.__doc__ or "", flags=re.MULTILINE)
    smaller = example.replace("463", "8").replace("512", "8").replace("256", "16")
    names = {name: getattr(classroom, name) for name in classroom.__all__}
    exec(re.sub("^ {4}", "", smaller, flags=re.MULTILINE), {**names, "torch": torch, "nn": nn})
    printed = capsys.readouterr().out
    assert printed.startswith("Training for 5 epoch(s)...\n") and "jerry:" in printed


def test_all_that_the_module_offers_is_listed() -> None:
    from_here = {
        name
        for name, thing in vars(classroom).items()
        if getattr(thing, "__module__", "") == classroom.__name__ and not name.startswith("_")
    }
    assert set(classroom.__all__) == from_here | {"SPECIAL_WORDS"}


def test_a_preprocessed_text_is_the_whole_text(workspace_path: Path) -> None:
    script = workspace_path / "script.txt"
    script.write_text(SCRIPT, encoding="utf-8")
    assert load_data(script) == SCRIPT
    preprocess_and_save_data(script, token_lookup, create_lookup_tables)
    int_text, vocab_to_int, int_to_vocab, token_dict = load_preprocess()
    text = " ".join(int_to_vocab[number] for number in int_text)
    for symbol, token in token_dict.items():
        text = text.replace(f"{token.lower()}", symbol)
    assert text.split() == re.sub(r"([^\w\s:])", r" \1 ", SCRIPT.lower()).split()
    assert int_to_vocab[vocab_to_int[SPECIAL_WORDS["PADDING"]]] == "<PAD>"
    assert token_dict == token_lookup()
    assert not list(workspace_path.glob("*.p"))


def test_training_prints_the_mean_loss_of_full_batches(capsys: pytest.CaptureFixture[str]) -> None:
    rnn = network(words=8)
    loader = batch_data([0, 1, 2, 3, 4, 5, 6, 7] * 10, sequence_length=3, batch_size=10)  # 77 windows
    optimizer = torch.optim.Adam(rnn.parameters(), lr=0.02)
    criterion = nn.CrossEntropyLoss()
    trained = train_rnn(rnn, 10, optimizer, criterion, 20, 3, train_loader=loader)
    assert trained is rnn
    printed = [line for line in capsys.readouterr().out.splitlines() if line]
    assert printed[0] == "Training for 20 epoch(s)..."
    losses = [re.fullmatch(r"Epoch: +(\d+)/20 +Loss: ([\d.]+)", line) for line in printed[1:]]
    assert [int(match[1]) for match in losses if match] == [epoch for epoch in range(1, 21) for _ in "ab"]
    first, *_, last = [float(match[2]) for match in losses if match]
    assert last < first / 2


@pytest.mark.parametrize("name", ["trained_rnn", "save/trained_rnn", "trained_rnn.pt"])
def test_a_saved_network_comes_back(name: str, workspace_path: Path) -> None:
    rnn = network(layers=2)
    save_model(name, rnn)
    again = load_model(name)
    assert again.lstm.dropout == rnn.lstm.dropout
    assert all(
        torch.equal(a, b) for a, b in zip(rnn.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_networks_that_are_named_by_a_fraction_have_a_file_each(workspace_path: Path) -> None:
    for name, layers in (("rnn_0.01", 2), ("rnn_0.001", 3)):
        save_model(name, network(layers=layers))
    assert load_model("rnn_0.01").lstm.num_layers == 2
    assert load_model("rnn_0.001.safetensors").lstm.num_layers == 3
    assert (workspace_path / "rnn_0.01.safetensors").is_file()
