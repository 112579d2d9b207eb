"""The course project's functions, with the names and arguments that its notebooks expect.

For students who come with a notebook, and as the baseline of every benchmark. The algorithms are the
course's, inefficiencies included: training reads each word once for every window that contains it, generation
reads a whole window for each new word, and scores are computed for all positions of a window although only
those of the last are used. The rest of scriptforge works differently and is not used here;
docs/explanation/why-it-is-fast.md measures the difference.

    preprocess_and_save_data("Seinfeld_Scripts.txt", token_lookup, create_lookup_tables)
    int_text, vocab_to_int, int_to_vocab, token_dict = load_preprocess()
    train_loader = batch_data(int_text, sequence_length=10, batch_size=256)
    rnn = RNN(len(vocab_to_int), len(vocab_to_int), embedding_dim=463, hidden_dim=512, n_layers=2)
    optimizer = torch.optim.Adam(rnn.parameters(), lr=0.001)
    train_rnn(rnn, 256, optimizer, nn.CrossEntropyLoss(), n_epochs=5, train_loader=train_loader)
    save_model("trained_rnn", rnn)
    pad_value = vocab_to_int[SPECIAL_WORDS["PADDING"]]
    print(generate(rnn, vocab_to_int["jerry:"], int_to_vocab, token_dict, pad_value))

The notebook's `helper` is included: `from scriptforge import classroom as helper`. It saves JSON and
safetensors instead of pickles. The course's `problem_unittests` is not included.

Everything runs on the device of the network's weights: after `rnn.cuda()`, on the GPU.

Shape letters: B windows, T words of a window, V vocabulary, E embedding, H hidden, L layers.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

Hidden: TypeAlias = tuple[Tensor, Tensor]
"""The hidden and the cell state of an LSTM, each (L, B, H)."""

GRADIENT_CLIP = 5.0
TOP_K = 5
SPECIAL_WORDS = {"PADDING": "<PAD>"}
"""Words that occur in no text, by the course's names for them."""

_PREPROCESSED = "preprocess.json"

__all__ = [
    "RNN",
    "SPECIAL_WORDS",
    "batch_data",
    "create_lookup_tables",
    "forward_back_prop",
    "generate",
    "load_data",
    "load_model",
    "load_preprocess",
    "preprocess_and_save_data",
    "save_model",
    "token_lookup",
    "train_rnn",
]


def load_data(path: str | Path) -> str:
    """Return the text of a file."""
    return Path(path).read_text(encoding="utf-8")


def preprocess_and_save_data(
    dataset_path: str | Path,
    token_lookup: Callable[[], Mapping[str, str]],
    create_lookup_tables: Callable[[Sequence[str]], tuple[Mapping[str, int], Mapping[int, str]]],
) -> None:
    """Convert a text to word ids, and save them for `load_preprocess`.

    The course's own helper skips the first 81 characters, a notice in the text of another project; this
    function keeps the whole text.

    Args:
        dataset_path: path of the text.
        token_lookup: returns the mapping from symbols to words.
        create_lookup_tables: numbers the words of the text and `SPECIAL_WORDS`.
    """
    text, token_dict = load_data(dataset_path), dict(token_lookup())
    for symbol, token in token_dict.items():
        text = text.replace(symbol, f" {token} ")
    words = text.lower().split()
    vocab_to_int, _ = create_lookup_tables([*words, *SPECIAL_WORDS.values()])
    saved = {
        "int_text": [vocab_to_int[word] for word in words],
        "vocab_to_int": dict(vocab_to_int),
        "token_dict": token_dict,
    }
    Path(_PREPROCESSED).write_text(json.dumps(saved), encoding="utf-8")


def load_preprocess() -> tuple[list[int], dict[str, int], dict[int, str], dict[str, str]]:
    """Return what `preprocess_and_save_data` saved in the current folder.

    Returns:
        The ids of the text, and mappings from word to id, from id to word and from symbol to word.
    """
    saved = json.loads(load_data(_PREPROCESSED))
    vocab_to_int = saved["vocab_to_int"]
    int_to_vocab = {number: word for word, number in vocab_to_int.items()}
    return saved["int_text"], vocab_to_int, int_to_vocab, saved["token_dict"]


def token_lookup() -> dict[str, str]:
    """Return a word for each of the ten symbols, so that `bye` and `bye!` are not two words.

    Returns:
        A mapping from each symbol to its word, which contains no space and occurs in no script.
    """
    return {
        ".": "||Period||",
        ",": "||Comma||",
        '"': "||Quotation_Mark||",
        ";": "||Semicolon||",
        "!": "||Exclamation_Mark||",
        "?": "||Question_Mark||",
        "(": "||Left_Parenthesis||",
        ")": "||Right_Parenthesis||",
        "-": "||Dash||",
        "\n": "||Return||",
    }


def create_lookup_tables(text: Sequence[str]) -> tuple[dict[str, int], dict[int, str]]:
    """Number the words of a text, the most frequent first.

    Args:
        text: the words, in order.

    Returns:
        Mappings from word to id and from id to word.
    """
    vocab_to_int = {word: number for number, (word, _) in enumerate(Counter(text).most_common())}
    return vocab_to_int, {number: word for word, number in vocab_to_int.items()}


def batch_data(words: Sequence[int], sequence_length: int, batch_size: int) -> DataLoader[tuple[Tensor, ...]]:
    """Return every window of `sequence_length` words with the word after it, in shuffled batches.

    Args:
        words: the word ids of a text, in order.
        sequence_length: T.
        batch_size: B; the last batch may be smaller.

    Returns:
        Batches of `inp_BT` and `target_B`, both int64.

    Raises:
        ValueError: the text is too short for a window and a word after it.
    """
    ids = torch.as_tensor(list(words), dtype=torch.int64)
    if len(ids) <= sequence_length:
        raise ValueError(
            f"{len(ids)} words have no window of {sequence_length} with a word after it: "
            f"give more words or a shorter sequence_length"
        )
    windows = TensorDataset(ids[:-1].unfold(0, sequence_length, 1), ids[sequence_length:])
    return DataLoader(windows, batch_size=batch_size, shuffle=True)


class RNN(nn.Module):
    """An embedding, an LSTM and a linear layer that predicts the word after a window.

    Args:
        vocab_size: V, number of words that can be read.
        output_size: number of words that can be predicted; V as well.
        embedding_dim: E.
        hidden_dim: H.
        n_layers: L.
        dropout: share of units dropped between the layers of the LSTM; no effect with a single layer.
    """

    def __init__(
        self,
        vocab_size: int,
        output_size: int,
        embedding_dim: int,
        hidden_dim: int,
        n_layers: int,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(
            embedding_dim, hidden_dim, n_layers, batch_first=True, dropout=dropout if n_layers > 1 else 0.0
        )
        self.fc = nn.Linear(hidden_dim, output_size)

    def forward(self, nn_input: Tensor, hidden: Hidden) -> tuple[Tensor, Hidden]:
        """Score the words that may follow each window.

        Args:
            nn_input: `inp_BT`, the word ids of each window.
            hidden: the state, from `init_hidden` or the previous call.

        Returns:
            `scores_BV` of the word after the window, and the state after its last word.
        """
        output_BTH, hidden = self.lstm(self.embedding(nn_input), hidden)
        scores_BTV: Tensor = self.fc(output_BTH)
        return scores_BTV[:, -1], hidden

    def init_hidden(self, batch_size: int) -> Hidden:
        """Return the zero state for `batch_size` windows, on the device of the weights."""
        zeros_LBH = self.fc.weight.new_zeros(self.lstm.num_layers, batch_size, self.lstm.hidden_size)
        return zeros_LBH, zeros_LBH.clone()


def forward_back_prop(
    rnn: nn.Module,
    optimizer: torch.optim.Optimizer,
    criterion: Callable[[Tensor, Tensor], Tensor],
    inp: Tensor,
    target: Tensor,
    hidden: Hidden,
) -> tuple[float, Hidden]:
    """Take one training step, with the gradient norm clipped at 5.

    Args:
        rnn: the network.
        optimizer: the optimizer of its parameters.
        criterion: the loss, `nn.CrossEntropyLoss()`.
        inp: `inp_BT`.
        target: `target_B`, the word after each window.
        hidden: the initial state of the LSTM; no gradient flows into it.

    Returns:
        The mean loss of the batch, and the state after the last word.
    """
    device = next(rnn.parameters()).device
    rnn.zero_grad()
    output, (hidden_LBH, cell_LBH) = rnn(inp.to(device), (hidden[0].detach(), hidden[1].detach()))
    loss = criterion(output, target.to(device))
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(rnn.parameters(), GRADIENT_CLIP)
    optimizer.step()
    return loss.item(), (hidden_LBH, cell_LBH)


def train_rnn(
    rnn: RNN,
    batch_size: int,
    optimizer: torch.optim.Optimizer,
    criterion: Callable[[Tensor, Tensor], Tensor],
    n_epochs: int,
    show_every_n_batches: int = 100,
    *,
    train_loader: Iterable[Sequence[Tensor]],
) -> RNN:
    """Train a network, and print the mean loss at intervals.

    Args:
        rnn: the network.
        batch_size: B; smaller batches are skipped.
        optimizer: the optimizer of its parameters.
        criterion: the loss, `nn.CrossEntropyLoss()`.
        n_epochs: number of passes over the batches.
        show_every_n_batches: number of batches that each printed loss is the mean of.
        train_loader: the batches, as returned by `batch_data`; the notebook's own function reads a global
            variable of this name instead.

    Returns:
        The network.
    """
    rnn.train()
    print(f"Training for {n_epochs} epoch(s)...")  # noqa: T201 - as the notebook does
    for epoch in range(1, n_epochs + 1):
        hidden, losses = rnn.init_hidden(batch_size), []
        full = (batch for batch in train_loader if len(batch[0]) == batch_size)
        for number, (inp, target) in enumerate(full, start=1):
            loss, hidden = forward_back_prop(rnn, optimizer, criterion, inp, target, hidden)
            losses.append(loss)
            if number % show_every_n_batches == 0:
                loss = sum(losses) / len(losses)
                print(f"Epoch: {epoch:>4}/{n_epochs:<4}  Loss: {loss}\n")  # noqa: T201
                losses = []
    return rnn


def save_model(filename: str | Path, decoder: RNN) -> None:
    """Save a network for `load_model`, as FILENAME.safetensors.

    Args:
        filename: path of the file, whose suffix `.pt` is replaced; a missing folder is created.
        decoder: the network.
    """
    path = _weights_path(filename)
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {
        "vocab_size": decoder.embedding.num_embeddings,
        "output_size": decoder.fc.out_features,
        "embedding_dim": decoder.embedding.embedding_dim,
        "hidden_dim": decoder.lstm.hidden_size,
        "n_layers": decoder.lstm.num_layers,
        "dropout": decoder.lstm.dropout,
    }
    safetensors.torch.save_file(decoder.state_dict(), path, metadata={"rnn": json.dumps(shape)})


def load_model(filename: str | Path) -> RNN:
    """Load a network that `save_model` saved, on the CPU."""
    path = _weights_path(filename)
    with safetensors.safe_open(path, framework="pt") as file:
        rnn = RNN(**json.loads(file.metadata()["rnn"]))
    rnn.load_state_dict(safetensors.torch.load_file(path))
    return rnn


def _weights_path(filename: str | Path) -> Path:
    """Return the path of a network's weights; the course's file names end in `.pt` or have no suffix."""
    path = Path(filename)
    return path.with_name(path.name.removesuffix(".pt").removesuffix(".safetensors") + ".safetensors")


@torch.no_grad()
def generate(
    rnn: RNN,
    prime_id: int,
    int_to_vocab: Mapping[int, str],
    token_dict: Mapping[str, str],
    pad_value: int,
    predict_len: int = 100,
    sequence_length: int = 10,
) -> str:
    """Generate a script, sampling each word from the five likeliest after the current window.

    Args:
        rnn: a trained network.
        prime_id: id of the first word.
        int_to_vocab: mapping from id to word.
        token_dict: the result of `token_lookup`, by which words become symbols again.
        pad_value: the id that fills the window before the first word.
        predict_len: number of words to generate after the first.
        sequence_length: T, the length of a window, as in training.

    Returns:
        The text, `predict_len + 1` words and symbols long.
    """
    rnn.eval()
    device = next(rnn.parameters()).device
    window_1T = torch.full((1, sequence_length), pad_value, device=device)
    window_1T[0, -1] = prime_id
    ids = [prime_id]
    for _ in range(predict_len):
        scores_1V, _ = rnn(window_1T, rnn.init_hidden(1))
        probabilities_1K, best_1K = F.softmax(scores_1V, dim=1).topk(min(TOP_K, scores_1V.shape[1]))
        sampled_11 = best_1K.gather(1, torch.multinomial(probabilities_1K, 1))
        ids.append(int(sampled_11))
        window_1T = torch.cat([window_1T[:, 1:], sampled_11], dim=1)
    return _joined([int_to_vocab[number] for number in ids], token_dict)


def _joined(words: Sequence[str], token_dict: Mapping[str, str]) -> str:
    """Join words into text, without a space before a symbol or after a line break or opening bracket."""
    symbols = {token.lower(): symbol for symbol, token in token_dict.items()}
    text = ""
    for word in words:
        symbol = symbols.get(word.lower())
        text += symbol or (word if text.endswith(("\n", "(")) or not text else f" {word}")
    return text
