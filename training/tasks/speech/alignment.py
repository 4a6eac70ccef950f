"""The time of each symbol in recordings, by a small network that learns to tell the symbols and is not kept.

It begins as if all symbols of a recording took equally long, and goes on with connectionist temporal classification
(`model.decoding.ctc`), which without such a beginning would say nothing but the blank for many epochs. A symbol is
heard in a frame or a few; the frames between two symbols are shared between them.
"""

import hashlib
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import ctc_loss, dropout, nll_loss
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from model.audio.spectrogram import HOP, log_spectra
from model.decoding.ctc import BLANK, Span, align
from model.tasks.speech.network import Bidirectional, initialize, lengths_mask
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
LONGEST_TAIL = 6
"""Frames of a gap beside a break that at most are not the break's."""


class Aligner(nn.Module):
    """A convolution, two recurrent layers in both directions, and a softmax over the blank and the symbols."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.around = nn.Conv1d(BANDS, size, 5, padding=2)
        self.layers = nn.ModuleList([Bidirectional("lstm", width, size) for width in (size, 2 * size)])
        self.output = nn.Linear(2 * size, len(SYMBOLS))
        initialize(self)

    def forward(self, spectra: Tensor, lengths: Tensor) -> Tensor:
        """Spectra (N, T, BANDS) to log-probabilities (N, T, V)."""
        mask = lengths_mask(lengths, spectra.shape[1])  # (N, T)
        hidden = self.around(spectra.transpose(1, 2)).transpose(1, 2).relu()  # (N, T, H)
        for layer in self.layers:
            hidden = dropout(layer(hidden, mask), 0.2, self.training)  # (N, T, 2 H)
        return self.output(hidden).log_softmax(-1)  # type: ignore[no-any-return]


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


def shared(spans: Sequence[Span], targets: Sequence[int], frames: int) -> list[int]:
    """Frames of each symbol, which together are all, of symbols that are heard in some of them.

    Frames between two symbols are shared evenly; of those beside a break most are the break's.
    """
    ends = []
    for place, (span, after) in enumerate(pairwise(spans)):
        half = (after.begin - span.end) // 2
        if targets[place] == NUMBERS[BREAK]:
            ends.append(after.begin - min(half, LONGEST_TAIL))
        elif targets[place + 1] == NUMBERS[BREAK]:
            ends.append(span.end + min(half, LONGEST_TAIL))
        else:
            ends.append(span.end + half)
    return [end - begin for begin, end in pairwise([0, *ends, frames])]


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
            print(f"alignment, epoch {at.epoch}: {nats / len(batches):.3f} nats", flush=True)  # noqa: T201

    def _update(self, batch: Sequence[int], optimizer: torch.optim.Optimizer, *, even: bool) -> float:
        """The mean loss of a batch before its update: nats a frame if times are `even`, else a symbol."""
        self.model.train()
        spectra, lengths = self._spectra(batch)
        logprobs = self.model(spectra, lengths)  # (N, T, V)
        targets = [torch.tensor(self.targets[place]) for place in batch]
        if even:
            levels = spectra.mean(-1).cpu()  # (N, T)
            rows = zip(targets, levels, lengths.tolist(), strict=True)
            durations = [torch.tensor(evenly(own.tolist(), row[:length])) for own, row, length in rows]
            frames = [own.repeat_interleave(each) for own, each in zip(targets, durations, strict=True)]  # (T,) each
            mask = lengths_mask(lengths, logprobs.shape[1])  # (N, T)
            nats = nll_loss(logprobs[mask], torch.cat(frames).to(self.device))
        else:
            nats = ctc_loss(
                logprobs.transpose(0, 1),  # (T, N, V)
                torch.cat(targets).to(self.device),
                lengths,
                torch.tensor([len(own) for own in targets], device=self.device),
                BLANK,
                zero_infinity=True,
            )
        optimizer.zero_grad()
        nats.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        return float(nats.detach())

    @torch.inference_mode()
    def _align(self) -> list[list[int]]:
        self.model.eval()
        found: list[list[int]] = [[]] * len(self.clips)
        order = sorted(range(len(self.clips)), key=lambda place: len(self.clips[place].samples))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            spectra, lengths = self._spectra(places)
            logprobs = self.model(spectra, lengths).cpu().numpy()  # (N, T, V)
            for place, row, length in zip(places, logprobs, lengths.tolist(), strict=True):
                target = self.targets[place]
                found[place] = shared(align(row[:length], target), target, length)
        return found
