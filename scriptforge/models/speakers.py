"""Who speaks, and who spoke before: told to a model with every token, and not only once at the cue.

A recurrent model forgets within a line whose line it is, and by its end who spoke the line before. Both are
known from the layout alone, so embeddings beside the token's say it at every step:

    token      <end> <cue:JERRY> hello . <cue:ELAINE> hi . <action> She sits . <cue:JERRY> …
    current      –      JERRY    JERRY …    ELAINE    …        –      –   –  –    JERRY
    previous     –        –        –   …    JERRY     …      ELAINE ELAINE … …    ELAINE

Nobody (–) speaks in what is no dialogue; a speaker without a token of their own is nobody too. A script
begins with nobody before. Speakers' tokens are the last ones of the layout, which has the first ids.

They are added twice: to what the network reads, and to the features that it comes to. The second is a short
way to the scores. Without it a model needs many minutes to learn that whoever spoke will hardly speak again.

Shape letters: B streams, T steps, E embedding, H features, D either of them, S speakers with a token; 2 for
current and previous.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from scriptforge.inference.speakers import END, SCALE
from scriptforge.models.base import State


class EmbeddedTokens(NamedTuple):
    """What a model reads of some tokens, and of who speaks at each.

    Attributes:
        input_BTE: what the network reads.
        added_BTH: what is added to its features; None in a model without a speaker embedding.
        rest: the model's state before, without who speaks.
        after: the end of the state after: who speaks then, or nothing.
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

    Both begin as zeros: what they add should not disturb the model before it has been learnt.

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
        layout_size: how many tokens, the first ones, are layout.
        speakers: S, how many of these, the last ones, are speakers'.
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
        """Return the state of streams in which nobody has spoken, `state_2B1`."""
        zeros_2B1: Tensor = self.input.current.weight.new_zeros((2, streams, 1))
        return zeros_2B1

    def embed(self, ids_BT: Tensor, embedded_BTE: Tensor, state: State) -> EmbeddedTokens:
        """Add who speaks to embedded tokens.

        Args:
            ids_BT: the tokens.
            embedded_BTE: their own embeddings.
            state: of the model, with who speaks at its end.
        """
        *rest, state_2B1 = state
        speakers_2BT = self.follow(ids_BT, state_2B1)
        after_2B1 = speakers_2BT[:, :, -1:].to(state_2B1.dtype)
        input_BTE = embedded_BTE + self.input(speakers_2BT)
        return EmbeddedTokens(input_BTE, self.output(speakers_2BT), tuple(rest), (after_2B1,))

    def follow(self, ids_BT: Tensor, state_2B1: Tensor) -> Tensor:
        """Return who speaks and who spoke before at each token, `speakers_2BT`, int64 in 0 … S; 0 is nobody.

        Each is looked up at the latest place that tells it. A column before the first token, place 0, stands
        for the text before.
        """
        before_2B1 = state_2B1.to(torch.int64)
        speaker_BT = (ids_BT - (self.first - 1)).clamp(min=0).where(ids_BT < self.layout_size, 0)
        places_T = torch.arange(1, ids_BT.shape[1] + 1, device=ids_BT.device)

        opens_BT = places_T.where(ids_BT < self.layout_size, 0).cummax(1).values
        current_BT = torch.cat([before_2B1[0], speaker_BT], dim=1).gather(1, opens_BT)

        # Who spoke last, at each place: the next line's previous speaker, whatever comes in between.
        last_B1 = before_2B1[0].where(before_2B1[0] > 0, before_2B1[1])
        tells_BT = places_T.where((speaker_BT > 0) | (ids_BT == END), 0).cummax(1).values
        last_BT = torch.cat([last_B1, speaker_BT], dim=1).gather(1, tells_BT)

        # At a line's opening that is who spoke last at the place before; without one, it is what it was.
        at_opening_BT = torch.cat([last_B1, last_BT[:, :-1]], dim=1).where(ids_BT != END, 0)
        previous_BT = torch.cat([before_2B1[1], at_opening_BT], dim=1).gather(1, opens_BT)
        return torch.stack([current_BT, previous_BT])
