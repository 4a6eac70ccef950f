"""Symbols to durations, mel spectra and linear spectra, all by recurrent layers.

Shen et al., "Non-attentive Tacotron" (2020): the encoder of Tacotron 2, a predictor of durations, and an
autoregressive decoder over encodings that are repeated for as long as their symbol lasts.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, pad

from model.audio.spectrogram import BINS
from model.recurrent import Recurrent, reversal
from model.tasks.speech.config import SpeechConfig
from model.tasks.speech.pronunciations import SYMBOLS

POSITIONS = 2
"""Numbers that say how far a frame is from the beginning and from the end of its symbol."""
Drop = Callable[[Tensor], Tensor]
"""Leaves out some of a layer's units."""


def initialize(module: nn.Module) -> None:
    """Sets recurrent weights as language models do: orthogonal, block by block, with forget gates open."""
    for part in module.modules():
        if isinstance(part, Recurrent):
            for cell in part.cells():
                for block in cell.weight_hh.split(cell.hidden_size):
                    nn.init.orthogonal_(block)
                nn.init.normal_(cell.weight_ih, std=cell.input_size**-0.5)
                nn.init.zeros_(cell.bias_ih)
                nn.init.zeros_(cell.bias_hh)
                if "f" in cell.blocks:
                    nn.init.ones_(cell.bias_ih.chunk(cell.num_gates)[cell.blocks.index("f")])


def lengths_mask(lengths: Tensor, longest: int) -> Tensor:
    """(N,) to (N, L), True in front of each row's end."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


class Bidirectional(nn.Module):
    """A recurrent layer in both directions, in which padding changes nothing."""

    def __init__(self, cell: str, inputs: int, size: int) -> None:
        super().__init__()
        self.ahead, self.back = Recurrent(cell, inputs, size), Recurrent(cell, inputs, size)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """(N, L, D) and a mask (N, L) to (N, L, 2 H)."""
        places = reversal(mask)[..., None]  # (N, L, 1)
        ahead, _ = self.ahead(inputs)  # (N, L, H)
        back, _ = self.back(inputs.gather(1, places.expand_as(inputs)))  # (N, L, H)
        return torch.cat([ahead, back.gather(1, places.expand_as(back))], -1)


class Encoder(nn.Module):
    """Symbols and a voice to an encoding of each symbol: an embedding, a convolution, a recurrent layer."""

    def __init__(self, config: SpeechConfig, voices: int) -> None:
        super().__init__()
        self.symbols = nn.Embedding(len(SYMBOLS), config.embedding_size, padding_idx=0)
        self.voices = nn.Embedding(voices, config.voice_size)
        self.around = nn.Conv1d(config.embedding_size, config.embedding_size, 5, padding=2)
        self.norm = nn.LayerNorm(config.embedding_size)
        self.layer = Bidirectional(config.cell, config.embedding_size, config.encoder_size)
        self.share = config.dropout
        self.size = 2 * config.encoder_size + config.voice_size

    def forward(self, symbols: Tensor, voices: Tensor) -> Tensor:
        """Symbols (N, L), padded with 0, and voices (N,) to (N, L, E)."""
        mask = symbols > 0  # (N, L)
        embedded = self.symbols(symbols)  # (N, L, D)
        around = self.around(embedded.transpose(1, 2)).transpose(1, 2).relu()  # (N, L, D)
        hidden = self.norm(embedded + dropout(around, self.share, self.training))  # (N, L, D)
        hidden = dropout(self.layer(hidden, mask), self.share, self.training)  # (N, L, 2 H)
        voice = self.voices(voices)[:, None].expand(-1, symbols.shape[1], -1)  # (N, L, D')
        return torch.cat([hidden, voice], -1)


class DurationPredictor(nn.Module):
    """Encodings to the logarithm of the frames that each symbol lasts."""

    def __init__(self, config: SpeechConfig, inputs: int) -> None:
        super().__init__()
        self.layer = Bidirectional(config.cell, inputs, config.encoder_size // 2 or 1)
        self.output = nn.Linear(2 * (config.encoder_size // 2 or 1), 1)
        self.share = config.dropout

    def forward(self, encodings: Tensor, mask: Tensor) -> Tensor:
        """(N, L, E) to (N, L)."""
        hidden = dropout(self.layer(encodings, mask), self.share, self.training)  # (N, L, H)
        return self.output(hidden).squeeze(-1)  # type: ignore[no-any-return]


def regulate(encodings: Tensor, durations: Tensor, frames: int) -> Tensor:
    """Encodings (N, L, E), each repeated for its duration (N, L), to (N, T, E + POSITIONS).

    Ren et al., "FastSpeech" (2019), section 3.2. After the end of a row its last symbol goes on.
    """
    ends = durations.cumsum(1)  # (N, L)
    times = torch.arange(frames, device=ends.device).expand(len(ends), -1).contiguous()  # (N, T)
    last = (durations > 0).sum(1, keepdim=True) - 1  # (N, 1)
    places = torch.minimum(torch.searchsorted(ends, times, right=True), last)  # (N, T)
    repeated = encodings.gather(1, places[..., None].expand(-1, -1, encodings.shape[-1]))  # (N, T, E)
    to_end = ends.gather(1, places) - times  # (N, T)
    gone = durations.gather(1, places) - to_end  # (N, T)
    positions = torch.stack([gone, to_end], -1).clamp(0, 40) / 10  # (N, T, 2)
    return torch.cat([repeated, positions.to(repeated.dtype)], -1)


class Prenet(nn.Module):
    """The frame that was said last, through two layers of which much is left out."""

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.first = nn.Linear(config.bands, config.prenet_size)
        self.second = nn.Linear(config.prenet_size, config.prenet_size)

    def forward(self, frames: Tensor, drop: Drop) -> Tensor:
        """(..., bands) to (..., P)."""
        return drop(self.second(drop(self.first(frames).relu())).relu())


class Decoder(nn.Module):
    """Regulated encodings to mel spectra, a few frames a step, each step hearing the last frame of the one before."""

    def __init__(self, config: SpeechConfig, context: int) -> None:
        super().__init__()
        self.config = config
        self.prenet = Prenet(config)
        self.layers = Recurrent(
            config.cell, config.prenet_size + context, config.decoder_size, config.decoder_layers, config.dropout
        )
        self.output = nn.Linear(config.decoder_size + context, config.frames_per_step * config.bands)

    def contexts(self, encodings: Tensor, durations: Tensor, frames: int) -> Tensor:
        """Encodings (N, L, E) and durations (N, L) to the mean (N, S, E + POSITIONS) over the frames of each step."""
        each = self.config.frames_per_step
        regulated = regulate(encodings, durations, frames + -frames % each)  # (N, S each, E + POSITIONS)
        return regulated.unflatten(1, (-1, each)).mean(2)  # type: ignore[no-any-return]

    def forward(self, contexts: Tensor, mel: Tensor) -> Tensor:
        """Contexts (N, S, E) and spectra (N, T, bands) that are to be said, to those that are said (N, T, bands)."""
        each, steps = self.config.frames_per_step, contexts.shape[1]
        heard = mel[:, each - 1 :: each][:, : steps - 1]  # (N, S - 1, bands), the last frame of each step but the last
        before = pad(heard, (0, 0, steps - heard.shape[1], 0))  # (N, S, bands)
        seen = self.prenet(before, lambda hidden: dropout(hidden, self.config.prenet_dropout))  # (N, S, P)
        hidden, _ = self.layers(torch.cat([seen, contexts], -1))  # (N, S, H)
        said = self.output(torch.cat([hidden, contexts], -1))  # (N, S, each bands)
        return said.unflatten(-1, (each, -1)).flatten(1, 2)[:, : mel.shape[1]]  # type: ignore[no-any-return]

    def say(self, contexts: Tensor, kept: Tensor) -> Tensor:
        """Contexts (N, S, E) to spectra (N, S each, bands), hearing itself.

        `kept` (N, S, 2, P) are the prenet's factors at each step, 0 for what is left out.
        """
        cells = self.layers.cells()
        states = [cell.zero_state(contexts) for cell in cells]
        before = contexts.new_zeros(len(contexts), self.config.bands)  # (N, bands)
        said = []
        for context, factors in zip(contexts.unbind(1), kept.unbind(1), strict=True):  # (N, E), (N, 2, P)
            each = iter(factors.unbind(1))
            seen = self.prenet(before, lambda hidden, each=each: hidden * next(each))  # (N, P)
            hidden = torch.cat([seen, context], -1)  # (N, P + E)
            for place, cell in enumerate(cells):
                states[place] = cell(hidden, states[place])
                hidden = states[place][0]  # (N, H)
            frames = self.output(torch.cat([hidden, context], -1))  # (N, each bands)
            before = frames[:, -self.config.bands :]
            said.append(frames)
        whole = torch.stack(said, 1)  # (N, S, each bands)
        return whole.unflatten(-1, (self.config.frames_per_step, -1)).flatten(1, 2)  # type: ignore[no-any-return]


class PostNet(nn.Module):
    """Mel spectra to linear ones, whose bins are many times as narrow: a recurrent layer that hears both neighbours."""

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.layer = Bidirectional("gru", config.bands, config.postnet_size)
        self.output = nn.Linear(2 * config.postnet_size + config.bands, BINS)

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        """(N, T, bands) to (N, T, BINS)."""
        return self.output(torch.cat([self.layer(mel, mask), mel], -1))  # type: ignore[no-any-return]
