"""Speaker embeddings: they tell a model with every token who speaks and who spoke before.

Within a line, a recurrent model forgets whose line it is, and by its end who spoke the line before. Both
follow from the layout tokens alone, so embeddings of both are added at every step:

    token      <end> <cue:JERRY> hello . <cue:ELAINE> hi . <action> She sits . <cue:JERRY> …
    current      –      JERRY    JERRY …    ELAINE    …        –      –   –  –    JERRY
    previous     –        –        –   …    JERRY     …      ELAINE ELAINE … …    ELAINE

Nobody (–) speaks outside dialogue; a speaker without a token of their own counts as nobody too. At the start
of a script, nobody spoke before. Layout tokens have the first ids, and the speakers' cues are the last of
them.

The embeddings are added twice: to the input of the network, and to its features. The second is a shortcut to
the scores. Without it, a model needs many minutes to learn that a speaker rarely has two lines in a row.

Shape letters: B streams, T steps, E embedding, H features, D either of them, S speakers with a token; 2 for
current and previous.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from scriptforge.inference.speakers import END, SCALE
from scriptforge.models.base import State


class EmbeddedTokens(NamedTuple):
    """Embedded tokens, with who speaks at each.

    Attributes:
        input_BTE: the input of the network.
        added_BTH: what to add to its features; None in a model without a speaker embedding.
        rest: the model's state before the tokens, without who speaks.
        after: the end of the state after the tokens: who speaks, or empty without a speaker embedding.
    """

    input_BTE: Tensor
    added_BTH: Tensor | None
    rest: State
    after: State

    def features(self, features_BTH: Tensor) -> Tensor:
        """Return the features of the model, from those of its network."""
        return features_BTH if self.added_BTH is None else features_BTH + self.added_BTH


class PairEmbedding(nn.Module):
    """The sum of an embedding of who speaks and one of who spoke before.

    Both start as zeros, so that they do not disturb the model before they have been trained.

    Args:
        speakers: S.
        size: D.
    """

    def __init__(self, speakers: int, size: int) -> None:
        super().__init__()
        self.current, self.previous = (
            nn.Embedding.from_pretrained(torch.zeros(speakers + 1, size), freeze=False) for _ in range(2)
        )

    def forward(self, speakers_2BT: Tensor) -> Tensor:
        """Return `added_BTD`."""
        added_BTD: Tensor = SCALE * (self.current(speakers_2BT[0]) + self.previous(speakers_2BT[1]))
        return added_BTD


class SpeakerEmbedding(nn.Module):
    """Embeddings of who speaks and who spoke before, for the input and for the features.

    Args:
        layout_size: number of layout tokens, which have the first ids.
        speakers: S, number of speakers' cues, which are the last layout tokens.
        embedding_size: E.
        feature_size: H.
    """

    def __init__(self, layout_size: int, speakers: int, embedding_size: int, feature_size: int) -> None:
        super().__init__()
        self.layout_size = layout_size
        self.first = layout_size - speakers
        self.input = PairEmbedding(speakers, embedding_size)
        self.output = PairEmbedding(speakers, feature_size)

    def initial_state(self, streams: int) -> Tensor:
        """Return the state of streams in which nobody has spoken: `state_2B1`."""
        zeros_2B1: Tensor = self.input.current.weight.new_zeros((2, streams, 1))
        return zeros_2B1

    def embed(self, ids_BT: Tensor, embedded_BTE: Tensor, state: State) -> EmbeddedTokens:
        """Add who speaks to embedded tokens.

        Args:
            ids_BT: the tokens.
            embedded_BTE: their own embeddings.
            state: the model's state, which ends with who speaks.
        """
        *rest, state_2B1 = state
        speakers_2BT = self.follow(ids_BT, state_2B1)
        after_2B1 = speakers_2BT[:, :, -1:].to(state_2B1.dtype)
        input_BTE = embedded_BTE + self.input(speakers_2BT)
        return EmbeddedTokens(input_BTE, self.output(speakers_2BT), tuple(rest), (after_2B1,))

    def follow(self, ids_BT: Tensor, state_2B1: Tensor) -> Tensor:
        """Return who speaks and who spoke before at each token, `speakers_2BT`, int64 in 0 … S; 0 is nobody.

        Each is looked up at the latest place that determines it. Place 0, a column before the first token,
        stands for the text before.
        """
        before_2B1 = state_2B1.to(torch.int64)
        speaker_BT = (ids_BT - (self.first - 1)).clamp(min=0).where(ids_BT < self.layout_size, 0)
        places_T = torch.arange(1, ids_BT.shape[1] + 1, device=ids_BT.device)

        opens_BT = places_T.where(ids_BT < self.layout_size, 0).cummax(1).values
        current_BT = torch.cat([before_2B1[0], speaker_BT], dim=1).gather(1, opens_BT)

        # The last speaker up to each place is the next line's previous speaker, whatever comes in between.
        last_B1 = before_2B1[0].where(before_2B1[0] > 0, before_2B1[1])
        tells_BT = places_T.where((speaker_BT > 0) | (ids_BT == END), 0).cummax(1).values
        last_BT = torch.cat([last_B1, speaker_BT], dim=1).gather(1, tells_BT)

        # At a layout token it becomes the last speaker up to the place before; at others it stays the same.
        at_opening_BT = torch.cat([last_B1, last_BT[:, :-1]], dim=1).where(ids_BT != END, 0)
        previous_BT = torch.cat([before_2B1[1], at_opening_BT], dim=1).gather(1, opens_BT)
        return torch.stack([current_BT, previous_BT])
