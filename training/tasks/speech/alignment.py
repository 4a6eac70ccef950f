"""The time of each symbol in recordings, by a small network that learns to tell the symbols and is not kept.

It begins as if all symbols of a recording took equally long. Then it learns from the likeliest times by what it has
learnt so far, batch by batch (Juang and Rabiner, "The segmental k-means algorithm for estimating parameters of hidden
Markov models", 1990): the best path through the trellis of connectionist temporal classification without its blank.

It hears 0.1 s around a frame and no more. Recurrent layers, which hear all, tell the symbols of a word together, in the
middle of it, and can learn any times by heart.
"""

import hashlib
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, nll_loss
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from model.audio.spectrogram import HOP, log_spectra
from model.decoding.ctc import BLANK, Floats, align
from model.tasks.speech.network import lengths_mask
from model.tasks.speech.pronunciations import BREAK, NUMBERS, SYMBOLS, Script
from model.tasks.speech.reading import PAUSES
from training.errors import TrainingError
from training.files import write_text
from training.length_buckets import LengthBuckets
from training.run_state import (
    Progress,
    load_optimizer_tensors,
    load_state,
    optimizer_tensors,
    save_state,
    with_prefix,
    without_prefix,
)
from training.schedule import learning_rate, seed_step
from training.tasks.speech.reader import Clip
from training.tasks.speech.recipe import AlignmentRecipe

BANDS = 40
BATCH = 12
SEED = 7
_NEVER = -1e4
_RAREST = 1e-3
"""Frequency that a symbol is taken to have at least."""


class Aligner(nn.Module):
    """Three convolutions over time, and a softmax over the symbols."""

    prior: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        sizes = [BANDS, size, size, size]
        self.layers = nn.ModuleList(nn.Conv1d(*pair, 3, padding=1) for pair in pairwise(sizes))
        self.output = nn.Linear(size, len(SYMBOLS))
        self.register_buffer("prior", torch.full((len(SYMBOLS),), 1 / len(SYMBOLS)))

    def forward(self, spectra: Tensor) -> Tensor:
        """Spectra (N, T, BANDS) to log-probabilities (N, T, V)."""
        hidden = spectra.transpose(1, 2)  # (N, BANDS, T)
        for layer in self.layers:
            hidden = dropout(layer(hidden).relu(), 0.1, self.training)  # (N, H, T)
        return self.output(hidden.transpose(1, 2)).log_softmax(-1)  # type: ignore[no-any-return]

    def scores(self, logprobs: Tensor, power: float) -> Tensor:
        """Log-probabilities (..., V), less the logarithm of the symbols' frequencies times `power`, and no blank."""
        found = logprobs - power * self.prior.clamp(min=_RAREST).log()
        found[..., BLANK] = _NEVER
        return found

    @torch.no_grad()
    def count(self, logprobs: Tensor, lengths: Tensor) -> None:
        """Moves the frequencies towards those in a batch."""
        mask = lengths_mask(lengths, logprobs.shape[1])  # (N, T)
        self.prior.lerp_(logprobs[mask].exp().mean(0), 0.05)


def targets_of(script: Script) -> list[int]:
    """The symbols of a script that are told apart by ear: pauses and breaks are one."""
    pauses = {NUMBERS[pause] for pause in PAUSES}
    return [NUMBERS[BREAK] if symbol in pauses else symbol for symbol in script.symbols]


def evenly(targets: Sequence[int], levels: Tensor) -> list[int]:
    """Frames of each symbol, as if all but the first and the last break took equally long.

    Those have the frames that are quiet, by the mean (T,) of each spectrum.
    """
    loud = (levels > levels.min() + 0.3 * (levels.max() - levels.min())).nonzero()[:, 0]  # the loudest frame at least
    begin, end = max(1, int(loud[0])), min(len(levels) - 1, int(loud[-1]) + 1)
    inner = len(targets) - 2
    if end - begin < inner:
        begin, end = 1, len(levels) - 1
    ends = [begin + round((end - begin) * place / inner) for place in range(inner + 1)]
    return [after - before for before, after in pairwise([0, *ends, len(levels)])]


def timed(scores: Floats, targets: Sequence[int]) -> list[int]:
    """Frames of each symbol on the likeliest path through scores (T, V) that says the symbols."""
    spans = align(scores, targets)
    ends = [*(span.begin for span in spans[1:]), len(scores)]  # a symbol that is said twice has a blank between
    return [end - begin for begin, end in pairwise([0, *ends])]


def fits(clip: Clip, script: Script) -> bool:
    """Tells whether a recording has frames enough for its symbols."""
    targets = targets_of(script)
    twice = sum(first == second for first, second in pairwise(targets))
    return len(clip.samples) // HOP >= len(targets) + twice


class Alignment:
    """Training of an aligner on recordings, which is gone on with where it stopped, and what it finds.

    Args:
        clips: recordings, each of which `fits` its script.
        scripts: their symbols.
        share: of the recordings of all voices but the first, in an epoch.
        folder: of the state, and of the times that are found.
        key: whatever the times depend on besides the recipe.
    """

    def __init__(
        self, clips: Sequence[Clip], scripts: Sequence[Script], recipe: AlignmentRecipe, folder: Path, key: str
    ) -> None:
        self.clips, self.recipe = clips, recipe
        self.targets = [targets_of(script) for script in scripts]
        self.state_path, self.path = folder / "alignment.safetensors", folder / "alignment.json"
        self.key = hashlib.sha256(f"{recipe.model_dump_json()} {key}".encode()).hexdigest()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(SEED)
        self.model = Aligner(recipe.hidden_size).to(self.device)

    def durations(self) -> list[list[int]]:
        """Frames of each symbol of each recording, read if they were found before.

        Raises:
            TrainingError: the folder has those of other recordings or another recipe.
        """
        if self.path.is_file():
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if found["key"] != self.key:
                raise TrainingError(f"{self.path}: is of other recordings or another recipe; remove it")
            return found["durations"]  # type: ignore[no-any-return]
        self._train()
        durations = self._align()
        write_text(self.path, json.dumps({"key": self.key, "durations": durations}) + "\n")
        return durations

    def _spectra(self, places: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Normalised spectra (N, T, BANDS) of recordings, and how many frames (N,) each has."""
        waveforms = [torch.from_numpy(self.clips[place].waveform) for place in places]
        lengths = torch.tensor([len(waveform) // HOP for waveform in waveforms], device=self.device)
        padded = pad_sequence(waveforms, batch_first=True).to(self.device)  # (N, S)
        spectra, _ = log_spectra(padded, BANDS)  # (N, T, BANDS)
        spectra = spectra[:, : int(lengths.max())]
        mask = lengths_mask(lengths, spectra.shape[1])[..., None]  # (N, T, 1)
        means = (spectra * mask).sum(1, keepdim=True) / lengths[:, None, None]  # (N, 1, BANDS)
        return (spectra - means) * mask, lengths

    def _epoch(self, epoch: int) -> list[list[int]]:
        draw = torch.Generator().manual_seed(SEED * 1_000_003 + epoch)
        first = self.clips[0].voice
        chances = torch.rand(len(self.clips), generator=draw).tolist()
        chosen = [
            place for place, clip in enumerate(self.clips) if clip.voice == first or chances[place] < self.recipe.digits
        ]
        lengths = [len(self.clips[place].samples) for place in chosen]
        return [[chosen[place] for place in batch] for batch in LengthBuckets(lengths, BATCH, SEED).batches(epoch)]

    def _train(self) -> None:
        recipe, at = self.recipe, Progress(self.key)
        optimizer = torch.optim.AdamW(self.model.parameters(), recipe.learning_rate, weight_decay=1e-3)
        if self.state_path.is_file():
            tensors, at = load_state(self.state_path)
            if at.recipe != self.key:
                raise TrainingError(f"{self.state_path}: is of other recordings or another recipe; remove it")
            self.model.load_state_dict(without_prefix("weights", tensors))
            load_optimizer_tensors(optimizer, without_prefix("optimizer", tensors))
        for epoch in tqdm(range(at.epoch, recipe.epochs), "alignment", recipe.epochs, initial=at.epoch, disable=None):
            batches = self._epoch(epoch)
            total = recipe.epochs * len(batches)
            nats = 0.0
            for number, batch in enumerate(batches):
                step = epoch * len(batches) + number
                seed_step(SEED, step, 0)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(step, peak=recipe.learning_rate, warmup=50, total=total)
                nats += self._update(batch, optimizer, even=epoch < recipe.even)
            at.epoch, at.totals = epoch + 1, {"nats": nats / len(batches)}
            tensors = with_prefix("weights", self.model.state_dict())
            save_state(self.state_path, tensors | with_prefix("optimizer", optimizer_tensors(optimizer)), at)
            print(f"alignment, epoch {at.epoch}: {nats / len(batches):.3f} nats a frame", flush=True)  # noqa: T201

    def _update(self, batch: Sequence[int], optimizer: torch.optim.Optimizer, *, even: bool) -> float:
        """The loss of a batch before its update, in nats a frame."""
        self.model.train()
        spectra, lengths = self._spectra(batch)
        logprobs = self.model(spectra)  # (N, T, V)
        levels = spectra.mean(-1).cpu()  # (N, T)
        scores = self.model.scores(logprobs.detach(), self.recipe.prior).cpu().numpy()  # (N, T, V)
        frames = []
        for row, (place, length) in enumerate(zip(batch, lengths.tolist(), strict=True)):
            target = self.targets[place]
            durations = evenly(target, levels[row, :length]) if even else timed(scores[row, :length], target)
            frames.append(torch.tensor(target).repeat_interleave(torch.tensor(durations)))  # (T,)
        mask = lengths_mask(lengths, logprobs.shape[1])  # (N, T)
        nats = nll_loss(logprobs[mask], torch.cat(frames).to(self.device))
        optimizer.zero_grad()
        nats.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        self.model.count(logprobs.detach(), lengths)
        return float(nats.detach())

    @torch.inference_mode()
    def _align(self) -> list[list[int]]:
        self.model.eval()
        found: list[list[int]] = [[]] * len(self.clips)
        order = sorted(range(len(self.clips)), key=lambda place: len(self.clips[place].samples))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            spectra, lengths = self._spectra(places)
            scores = self.model.scores(self.model(spectra), self.recipe.prior).cpu().numpy()  # (N, T, V)
            for place, row, length in zip(places, scores, lengths.tolist(), strict=True):
                found[place] = timed(row[:length], self.targets[place])
        return found
