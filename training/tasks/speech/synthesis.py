"""Texts to spectra: durations, what the decoder says when it hears the truth, and linear spectra from what it says."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils.rnn import pad_sequence

from model.audio.spectrogram import HOP, log_spectra
from model.figures import Figure
from model.tasks.speech.attention import AttentiveDecoder, Said, guide
from model.tasks.speech.network import lengths_mask
from model.tasks.speech.synthesiser import Synthesiser
from model.tasks.speech.voices import Voice, Voices
from training.data.base import DataError
from training.length_buckets import LengthBuckets
from training.tasks.speech.alignment import Alignment, fits
from training.tasks.speech.dictionary import read_dictionary
from training.tasks.speech.reader import PROMPTS, Clip, read_voices
from training.tasks.speech.recipe import SynthesiserRecipe
from training.tasks.speech.utterances import Utterance, Utterances, cut, utterance
from training.trainer import Backward, Objective, Validation


class Losses(NamedTuple):
    """Sums over a batch."""

    mel: Tensor
    """Absolute and squared errors of mel spectra, over frames, mean over bands."""
    linear: Tensor
    """Absolute errors of linear spectra, over frames, mean over bins."""
    timing: Tensor
    """Squared errors of the logarithms of durations, over symbols; of attention, its distance from the diagonal and the
    nats of the end, over steps."""
    frames: Tensor
    timed: Tensor
    """Symbols, or steps."""


class Learner(nn.Module):
    """A synthesiser that learns."""

    def __init__(self, synthesiser: Synthesiser) -> None:
        super().__init__()
        self.synthesiser = synthesiser

    def forward(self, symbols: Tensor, durations: Tensor, voices: Tensor, waveforms: Tensor, lengths: Tensor) -> Losses:
        """The losses of symbols (N, L) with durations (N, L), of voices (N,), and waveforms (N, S) of frames (N,)."""
        model = self.synthesiser
        with torch.no_grad():
            mel, linear = log_spectra(waveforms, model.config.bands)  # (N, T, bands), (N, T, BINS)
        mask = lengths_mask(lengths, mel.shape[1])  # (N, T)
        encodings = model.encoder(symbols, voices)  # (N, L, E)
        there = symbols > 0  # (N, L)
        if isinstance(model.decoder, AttentiveDecoder):
            told = model.decoder(encodings, there, mel)
            said, timing, timed = told.mel, *_attention_losses(told, there, lengths, model.config.frames_per_step)
        else:
            assert model.durations is not None
            said = model.decoder(model.decoder.contexts(encodings, durations, mel.shape[1]), mel)  # (N, T, bands)
            logs = model.durations(encodings, there)  # (N, L)
            timing = ((logs - durations.clamp(min=1).log()).square() * there).sum()
            timed = there.sum()
        fine = model.postnet(said.detach(), mask)  # (N, T, BINS)
        wrong = said - mel  # (N, T, bands)
        return Losses(
            ((wrong.abs() + wrong.square()).mean(-1) * mask).sum(),
            ((fine - linear).abs().mean(-1) * mask).sum(),
            timing,
            mask.sum(),
            timed,
        )


def _attention_losses(told: Said, there: Tensor, lengths: Tensor, each: int) -> tuple[Tensor, Tensor]:
    """The sum of what attention and the end cost, and the number of steps, of texts (N, L) of frames (N,)."""
    steps = (lengths + each - 1) // each  # (N,)
    mask = lengths_mask(steps, told.ends.shape[1])  # (N, S)
    astray = (told.weights * guide(there.sum(1), steps, told.weights.shape)).sum(-1)  # (N, S)
    over = torch.arange(told.ends.shape[1], device=steps.device) == steps[:, None] - 1  # (N, S)
    ends = binary_cross_entropy_with_logits(told.ends, over.to(told.ends), reduction="none")  # (N, S)
    return ((astray + ends) * mask).sum(), mask.sum()


class Synthesis(Objective[Synthesiser]):
    """Texts to the speech of their recordings; raises what `Trainer` does.

    The times of symbols are found first (`training.tasks.speech.alignment`), in the run's folder.
    """

    def __init__(self, recipe: SynthesiserRecipe, accelerator: Accelerator) -> None:
        training = recipe.training
        self.recipe, self.accelerator = recipe, accelerator
        pronunciations = read_dictionary(recipe.data.dictionary)
        data = read_voices(recipe.data.path, pronunciations, ("train", "dev"))
        voices = voices_of(data.split("train"))
        found: dict[str, list[Utterance]] = {"train": [], "dev": []}
        pairs = [(split, clip) for split in found for clip in data.splits.get(split, ())]
        scripts = [pronunciations.write_down(clip.parts) for _, clip in pairs]
        kept = [place for place, (_, clip) in enumerate(pairs) if fits(clip, scripts[place])]
        clips, scripts = [pairs[place][1] for place in kept], [scripts[place] for place in kept]
        with accelerator.main_process_first():
            alignment = Alignment(clips, scripts, recipe.alignment, recipe.run, data.sha256)
            durations = alignment.durations()
        for place, clip, script, each in zip(kept, clips, scripts, durations, strict=True):
            whole = utterance(clip, voices.number(clip.voice), script, each)
            found[pairs[place][0]] += cut(whole, training.longest)
        if not all(found.values()):
            raise DataError(f"{recipe.data.path}: has no recordings for {'train' if not found['train'] else 'dev'}")
        self.dev = found["dev"]
        self.utterances = Utterances(found["train"], training)
        torch.manual_seed(training.seed)
        self.model = Synthesiser(recipe.model, pronunciations, voices)
        self.model.initialize()
        self.network = Learner(self.model)
        self.updates_per_epoch = len(self._buckets(0))

    def _buckets(self, epoch: int) -> LengthBuckets:
        training = self.recipe.training
        lengths = [plan.frames for plan in self.utterances.epoch(epoch)]
        return LengthBuckets(lengths, training.batch_size, training.seed, smallest=self.accelerator.num_processes)

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.model.parameters()), "peak": self.recipe.training.learning_rate}]

    def updates(self, epoch: int, done: int, network: nn.Module, backward: Backward) -> Iterator[dict[str, float]]:
        processes, process = self.accelerator.num_processes, self.accelerator.process_index
        plans = self.utterances.epoch(epoch)
        batches = self._buckets(epoch).batches(epoch)[done:]

        def load(batch: Sequence[int]) -> list[Utterance]:
            return [self.utterances.example(plans[number], epoch, number) for number in batch[process::processes]]

        with ThreadPoolExecutor(1) as ahead:  # a batch is made while the network works on the one before
            waiting = [ahead.submit(load, batch) for batch in batches[:1]]
            for place in range(len(batches)):
                examples = waiting.pop().result()
                waiting += [ahead.submit(load, after) for after in batches[place + 1 : place + 2]]
                yield self._update(network, backward, examples)

    def _update(self, network: nn.Module, backward: Backward, examples: Sequence[Utterance]) -> dict[str, float]:
        losses = network(*_batch(examples, self.accelerator.device))
        counts = self.accelerator.reduce(torch.stack([losses.frames, losses.timed]).float(), "mean")
        mel, linear, timing = losses.mel / counts[0], losses.linear / counts[0], losses.timing / counts[1]
        backward(mel + linear + timing)
        told = self.accelerator.reduce(torch.stack([mel.detach(), linear.detach(), timing.detach()]), "mean")
        return dict(zip(("mel", "linear", "timing"), told.tolist(), strict=True))

    @torch.inference_mode()
    def validate(self, model: Synthesiser) -> Validation:
        learner, batch = Learner(model).eval(), self.recipe.training.batch_size
        order = sorted(self.dev, key=lambda each: each.frames)
        sums = torch.zeros(len(Losses._fields))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # of the prenet, whose units are left out here too
            for start in range(0, len(order), batch):
                device = next(model.parameters()).device
                losses = learner(*_batch(order[start : start + batch], device))
                sums += torch.stack([loss.float() for loss in losses]).cpu()
        mel, linear, timing = (sums[:3] / sums[[3, 3, 4]]).tolist()
        figure = Figure(
            name="spectral_error", label="error of mel spectra", value=mel, split="dev", higher_is_better=False
        )
        return Validation([figure], {"dev/linear": linear, "dev/timing": timing})


def _batch(examples: Sequence[Utterance], device: torch.device) -> tuple[Tensor, ...]:
    """Symbols (N, L), durations (N, L), voices (N,), waveforms (N, S) and frames (N,) of utterances."""
    symbols = pad_sequence([torch.tensor(each.script.symbols) for each in examples], batch_first=True)  # (N, L)
    durations = pad_sequence([torch.tensor(each.durations) for each in examples], batch_first=True)  # (N, L)
    waveforms = pad_sequence([torch.from_numpy(each.waveform) for each in examples], batch_first=True)  # (N, S)
    voices = torch.tensor([each.voice for each in examples])
    lengths = torch.tensor([len(each.samples) // HOP for each in examples])
    return tuple(tensor.to(device) for tensor in (symbols, durations, voices, waveforms, lengths))


_DESCRIPTIONS = {PROMPTS: "Allison Smith, prompts of a telephone exchange"}


def voices_of(clips: Sequence[Clip]) -> Voices:
    """The voices in recordings, that of the prompts first, with the words that each says."""
    words: dict[str, dict[str, None]] = {}
    for clip in clips:
        words.setdefault(clip.voice, {}).update(dict.fromkeys(word.text for word in clip.words))
    names = sorted(words, key=lambda name: (name != PROMPTS, name))
    return Voices(
        Voice(name=name, description=_DESCRIPTIONS.get(name, "digits"), words=tuple(sorted(words[name])))
        for name in names
    )
