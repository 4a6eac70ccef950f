"""Log-mel spectra to log-probabilities of letters: strided convolutions and recurrent layers."""

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, pad

from model.cells import State
from model.recurrent import Recurrent
from model.tasks.transcription.config import TranscriptionConfig

STRIDE = 2
"""Frames of the spectrum for one of the letters."""
MEMORY = 300
"""Frames by which the mean of a spectrum that is still being heard lags: 3 s."""
LEVEL, SPREAD = -8.0, 3.0
"""Roughly the mean and the standard deviation of log-mel spectra of speech."""


def lengths_mask(lengths: Tensor, longest: int) -> Tensor:
    """(N,) to (N, T), True in front of each row's end."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


def reversal(lengths: Tensor, longest: int) -> Tensor:
    """Places (N, T) that turn each row around in front of its end, and leave the rest where it is."""
    places = torch.arange(longest, device=lengths.device).expand(len(lengths), -1)  # (N, T)
    ends = lengths[:, None]
    return torch.where(places < ends, ends - 1 - places, places)


class Convolution(nn.Module):
    """A convolution over time and bands that halves the bands; it hears one step ahead, or none if it is causal."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, causal: bool) -> None:
        super().__init__()
        self.weights = nn.Conv2d(inputs, outputs, 3, (stride, 2), (0, 1))
        self.before = 2 if causal else 1
        self.after = 2 - self.before

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, T, bands) to (N, C', T', bands / 2), T' the rounded up share of T."""
        return self.weights(pad(inputs, (0, 0, self.before, self.after))).relu()  # type: ignore[no-any-return]


class Layer(nn.Module):
    """A recurrent layer, normalised (Ba, Kiros and Hinton, "Layer normalization", 2016) where it begins."""

    def __init__(self, config: TranscriptionConfig, inputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.ahead = Recurrent(config.cell, inputs, config.hidden_size)
        self.back = Recurrent(config.cell, inputs, config.hidden_size) if config.bidirectional else None

    def forward(self, inputs: Tensor, turned: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Inputs (N, T, D) and their `reversal` (N, T) to outputs (N, T, H) or (N, T, 2 H), and the last state."""
        inputs = self.norm(inputs)
        ahead, state = self.ahead(inputs, state)  # (N, T, H)
        if self.back is None:
            return ahead, state
        places = turned[..., None]  # (N, T, 1)
        back, _ = self.back(inputs.gather(1, places.expand_as(inputs)))  # (N, T, H)
        return torch.cat([ahead, back.gather(1, places.expand_as(back))], -1), state


class AcousticNetwork(nn.Module):
    """Two convolutions, L recurrent layers, and a softmax over the blank and the letters.

    What it says of a waveform does not depend on what stands beside it in a batch, or on how far that is padded.

    Raises:
        ValueError: there is no cell of that kind.
    """

    def __init__(self, config: TranscriptionConfig, letters: int) -> None:
        super().__init__()
        self.config = config
        causal = not config.bidirectional
        self.first = Convolution(1, config.channels, STRIDE, causal=causal)
        self.second = Convolution(config.channels, config.channels, 1, causal=causal)
        bands = (config.bands + 3) // 4
        hidden = config.hidden_size * (2 if config.bidirectional else 1)
        sizes = [config.channels * bands, *[hidden] * (config.num_layers - 1)]
        self.layers = nn.ModuleList(Layer(config, size) for size in sizes)
        self.norm = nn.LayerNorm(hidden)
        self.output = nn.Linear(hidden, 1 + letters)

    def initialize(self) -> None:
        """Sets the weights that training starts from, as language models do: recurrent ones are orthogonal, block by
        block (Saxe et al., 2014), the others give every sum a variance of 1, and forget gates begin open.
        """
        for layer in self.layers:
            for recurrent in (layer.ahead, layer.back):
                for cell in recurrent.cells() if isinstance(recurrent, Recurrent) else ():
                    for block in cell.weight_hh.split(cell.hidden_size):
                        nn.init.orthogonal_(block)
                    nn.init.normal_(cell.weight_ih, std=cell.input_size**-0.5)
                    nn.init.zeros_(cell.bias_ih)
                    nn.init.zeros_(cell.bias_hh)
                    if "f" in cell.blocks:
                        nn.init.ones_(cell.bias_ih.chunk(cell.num_gates)[cell.blocks.index("f")])

    def steps(self, lengths: Tensor) -> Tensor:
        """Frames of letters for so many frames of the spectrum."""
        return (lengths + STRIDE - 1) // STRIDE

    def normalized(self, spectra: Tensor, lengths: Tensor) -> Tensor:
        """Spectra (N, T, bands) without each band's mean, zero after the end: a recording's colour is not what is said.

        The mean is that of the whole recording; of a causal network, that of what came before, and at first `LEVEL`.
        """
        mask = lengths_mask(lengths, spectra.shape[1])[..., None]  # (N, T, 1)
        spectra = (spectra - LEVEL) / SPREAD * mask
        if self.config.bidirectional:
            means = spectra.sum(1, keepdim=True) / lengths.clamp(min=1)[:, None, None]  # (N, 1, bands)
        else:
            counts = MEMORY + torch.arange(1, spectra.shape[1] + 1, device=spectra.device)[:, None]  # (T, 1)
            means = spectra.cumsum(1) / counts  # (N, T, bands)
        return (spectra - means) * mask

    def forward(self, spectra: Tensor, lengths: Tensor) -> Tensor:
        """Normalised spectra (N, T, bands), whose first `lengths` (N,) frames are a row's own, to log-probabilities
        (N, T / STRIDE, V) of the blank and the letters.
        """
        share, learns = self.config.dropout, self.training
        steps = self.steps(lengths)
        hidden = self.first(spectra[:, None])  # (N, C, T', bands / 2)
        mask = lengths_mask(steps, hidden.shape[2])  # (N, T')
        hidden = self.second(hidden * mask[:, None, :, None])  # (N, C, T', bands / 4)
        hidden = hidden.transpose(1, 2).flatten(2)  # (N, T', C bands / 4)
        turned = reversal(steps, hidden.shape[1])
        for layer in self.layers:
            hidden, _ = layer(hidden, turned)  # (N, T', H)
            hidden = dropout(hidden, share, learns)
        return self.output(self.norm(hidden)).float().log_softmax(-1)  # type: ignore[no-any-return]
