"""Connectionist temporal classification of recordings, and a language model of their texts.

An update is a batch of recordings of about the same length, as augmented as the recipe says. The language model reads
some of their texts; the two share no weights.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, ctc_loss
from torch.nn.utils.rnn import pad_sequence

from model.audio import Samples
from model.decoding.ctc import BLANK
from model.tasks.transcription.alphabet import END, Alphabet
from model.tasks.transcription.recogniser import Recogniser
from training.length_buckets import LengthBuckets
from training.tasks.transcription.examples import Example, Examples
from training.tasks.transcription.reader import read_recordings
from training.tasks.transcription.recipe import Augmentation, RecogniserRecipe
from training.tasks.transcription.score import language_nats, pooled, score_recordings, sets_of
from training.trainer import Backward, Objective, Validation

ALPHABET = Alphabet(" 'abcdefghijklmnopqrstuvwxyz")
IGNORED = -100
"""Target of a token that is padding."""


class Learner(nn.Module):
    """A recogniser that learns: spectra and texts to the log-probabilities of letters and of the texts' tokens."""

    def __init__(self, recogniser: Recogniser) -> None:
        super().__init__()
        self.recogniser = recogniser

    def forward(self, spectra: Tensor, lengths: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (N, T, V) of the letters in spectra, and logits (M, L, W) after each of tokens (M, L)."""
        logits, _ = self.recogniser.language(tokens)
        return self.recogniser.acoustic(spectra, lengths), logits


class TemporalClassification(Objective[Recogniser]):
    """Recordings to their texts; raises what `Trainer` does."""

    def __init__(self, recipe: RecogniserRecipe, accelerator: Accelerator) -> None:
        training = recipe.training
        self.recipe, self.accelerator = recipe, accelerator
        data = read_recordings(recipe.data.path, without=recipe.data.without, splits=("train", "dev"))
        self.dev = sets_of(data.split("dev"))
        self.examples = Examples(data.split("train"), training, recipe.augmentation)
        torch.manual_seed(training.seed)
        self.model = Recogniser(recipe.model, ALPHABET)
        self.model.initialize()
        self.network = Learner(self.model)
        self.updates_per_epoch = len(self._buckets(self.examples.epoch(0)))

    def _buckets(self, examples: Sequence[Example]) -> LengthBuckets:
        training = self.recipe.training
        lengths = [example.length for example in examples]
        return LengthBuckets(lengths, training.batch_size, training.seed, smallest=self.accelerator.num_processes)

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "peak": self.recipe.training.learning_rate}]

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        processes, process = self.accelerator.num_processes, self.accelerator.process_index
        examples = self.examples.epoch(epoch)
        batches = self._buckets(examples).batches(epoch)[done:]

        def load(batch: Sequence[int]) -> list[Samples]:
            share = batch[process::processes]
            return [self.examples.waveform(examples[number], epoch, number) for number in share]

        with ThreadPoolExecutor(1) as ahead:  # a batch is made while the network works on the one before
            waiting = [ahead.submit(load, batch) for batch in batches[:1]]
            for place, batch in enumerate(batches):
                waveforms = waiting.pop().result()
                waiting += [ahead.submit(load, after) for after in batches[place + 1 : place + 2]]
                texts = [examples[number].text for number in batch]
                yield self._update(network, backward, waveforms, texts)

    def _update(
        self, network: nn.Module, backward: Backward, waveforms: Sequence[Samples], texts: Sequence[str]
    ) -> dict[str, float]:
        """One update, of this process's waveforms of the batch that has these texts."""
        processes, process = self.accelerator.num_processes, self.accelerator.process_index
        own = texts[process::processes]
        with torch.no_grad():
            spectra, lengths = self.model.spectra(waveforms)  # (N, T, bands), (N,)
            spectra = hidden(spectra, lengths, self.recipe.augmentation)
        each = round(1 / self.recipe.training.language)
        tokens, targets = self._tokens(own[::each])
        logprobs, logits = network(spectra, lengths, tokens)
        symbols = [torch.tensor(self.model.alphabet.encode(text)) for text in own]
        nats = ctc_loss(
            logprobs.transpose(0, 1),  # (T, N, V)
            torch.cat(symbols).to(logprobs.device),
            self.model.acoustic.steps(lengths),
            torch.tensor([len(text) for text in own], device=logprobs.device),
            BLANK,
            "sum",
            zero_infinity=True,  # of a text too long for its recording
        )
        loss = nats * processes / sum(len(text) + 1 for text in texts)
        read = [text for part in range(processes) for text in texts[part::processes][::each]]  # in all processes
        spelled = cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum")
        language = spelled * processes / sum(len(text) + 1 for text in read)
        backward(loss + language)
        told = self.accelerator.reduce(torch.stack([loss.detach(), language.detach()]), "mean").tolist()
        return {"nats": told[0], "language": told[1]}

    def _tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens (N, L) of texts from `END` on, and those that come after each, up to `END`."""
        device = self.accelerator.device
        rows = [torch.tensor(self.model.language.encode(f"{END}{text}{END}")) for text in texts]
        tokens = pad_sequence([row[:-1] for row in rows], batch_first=True)  # (N, L)
        targets = pad_sequence([row[1:] for row in rows], batch_first=True, padding_value=IGNORED)  # (N, L)
        return tokens.to(device), targets.to(device)

    def validate(self, model: Recogniser) -> Validation:
        found = {name: score_recordings(model, clips, beam_size=1) for name, clips in self.dev.items()}
        log: dict[str, float | str] = {f"dev/{name}": score.word_error_rate for name, score in found.items()}
        log["dev/language"] = language_nats(model, [clip.text for clips in self.dev.values() for clip in clips])
        return Validation([pooled(list(found.values())).figure("dev")], log)


def hidden(spectra: Tensor, lengths: Tensor, asked: Augmentation) -> Tensor:
    """Spectra (N, T, bands) with stretches of bands, and of frames, at their mean."""
    spectra = spectra.clone()
    for row, length in zip(spectra, lengths.tolist(), strict=True):
        bands, frames = [min(asked.bands, row.shape[1])] * 2, [min(asked.frames, length // 4)] * max(1, length // 100)
        for axis, widths in ((1, bands), (0, frames)):
            for widest in widths:
                width = int(torch.randint(widest + 1, ()))
                first = int(torch.randint(row.shape[1] if axis else length, ()))
                row.narrow(axis, first, min(width, row.shape[axis] - first)).zero_()
    return spectra
