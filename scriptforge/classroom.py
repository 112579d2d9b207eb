"""The course project's functions, with the names and arguments that its notebooks expect.

For students who come with a notebook, and as the baseline for every benchmark. It does what the course
teaches, waste included: every word is read once for each window that contains it, a window is read from its
start for each word that is written, and scores are computed for all positions of a window although only those
of the last are used. The rest of scriptforge works differently and is not needed here;
docs/explanation/why-it-is-fast.md says what the difference is worth.

    vocab_to_int, int_to_vocab = create_lookup_tables(words)
    loader = batch_data([vocab_to_int[word] for word in words], sequence_length=10, batch_size=256)
    rnn = RNN(len(vocab_to_int), len(vocab_to_int), embedding_dim=463, hidden_dim=512, n_layers=2)
    optimizer = torch.optim.Adam(rnn.parameters(), lr=0.001)
    hidden = rnn.init_hidden(256)
    for inp, target in loader:
        if len(inp) == 256:
            loss, hidden = forward_back_prop(rnn, optimizer, nn.CrossEntropyLoss(), inp, target, hidden)
    print(generate(rnn, vocab_to_int["jerry:"], int_to_vocab, token_lookup(), vocab_to_int["<PAD>"]))

Everything runs where the network's weights are: after `rnn.cuda()`, on the GPU.

Shape letters: B windows, T words of a window, V vocabulary, E embedding, H hidden, L layers.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

Hidden: TypeAlias = tuple[Tensor, Tensor]
"""The hidden and the cell state of an LSTM, each (L, B, H)."""

GRADIENT_CLIP = 5.0
TOP_K = 5


def token_lookup() -> dict[str, str]:
    """Return a word for each of the ten symbols, so that `bye` and `bye!` are not two words.

    Returns:
        From the symbol to its word, which has no space in it and occurs in no script.
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
        From word to id, and from id to word.
    """
    vocab_to_int = {word: number for number, (word, _) in enumerate(Counter(text).most_common())}
    return vocab_to_int, {number: word for word, number in vocab_to_int.items()}


def batch_data(words: Sequence[int], sequence_length: int, batch_size: int) -> DataLoader[tuple[Tensor, ...]]:
    """Return every window of `sequence_length` words with the word that follows it, shuffled and in batches.

    Args:
        words: the ids of the words of a text, in order.
        sequence_length: T.
        batch_size: B. The last batch holds the remainder.

    Returns:
        Batches of `inp_BT` and `target_B`, both int64.

    Raises:
        ValueError: no window has a word after it.
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
    """An embedding, an LSTM and a linear layer that scores which word comes after a window.

    Args:
        vocab_size: V, how many words can be read.
        output_size: how many words can be written; V as well.
        embedding_dim: E.
        hidden_dim: H.
        n_layers: L.
        dropout: share of units dropped between the layers of the LSTM; without effect if there is one layer.
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
        """Read windows and score what comes after each.

        Args:
            nn_input: `inp_BT`, the ids of the words of each window.
            hidden: as `init_hidden` or the previous call returned it.

        Returns:
            `scores_BV` of the word after the window, and the state after its last word.
        """
        output_BTH, hidden = self.lstm(self.embedding(nn_input), hidden)
        scores_BTV: Tensor = self.fc(output_BTH)
        return scores_BTV[:, -1], hidden

    def init_hidden(self, batch_size: int) -> Hidden:
        """Return the state before anything was read, for `batch_size` windows, beside the weights."""
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
    """Make one training step, with the norm of the gradient clipped at 5.

    Args:
        rnn: the network.
        optimizer: the optimizer of its parameters.
        criterion: the loss, `nn.CrossEntropyLoss()`.
        inp: `inp_BT`.
        target: `target_B`, the word after each window.
        hidden: the state of the LSTM; no gradient flows into it.

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
    """Write a script: sample each word from the five that score best after the window before it.

    Args:
        rnn: a trained network.
        prime_id: the first word.
        int_to_vocab: from id to word.
        token_dict: the result of `token_lookup`; its words become symbols again.
        pad_value: the id that fills the window before the first word.
        predict_len: how many words to write after the first.
        sequence_length: T, how many words the network reads each time; as in its training.

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
    """Return words as running text: no space before a symbol, nor after a line break or a bracket."""
    symbols = {token.lower(): symbol for symbol, token in token_dict.items()}
    text = ""
    for word in words:
        symbol = symbols.get(word.lower())
        text += symbol or (word if text.endswith(("\n", "(")) or not text else f" {word}")
    return text
