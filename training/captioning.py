"""Cross-entropy training of a captioner's decoder over a frozen encoder's cached grids.

The loop, read from top to bottom: `CaptionerTrainer.run` goes through epochs of length-bucketed batches, each of which
is one `_step`; after each epoch `_validate` scores the averaged weights on dev, and the best ones are kept.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from model.captioner import Captioner
from model.checkpoint import load_weights
from model.config import CaptionerConfig
from model.decoder import Decoder
from model.vocabulary import PAD
from training.backbone import pretrained_encoder
from training.batching import LengthBuckets
from training.data import CaptionDataset, open_dataset
from training.examples import Example, caption_examples, caption_vocabulary, collate
from training.features import FeatureCache, cached_features
from training.loop import (
    averaged,
    check_run,
    interruptible,
    learning_rate,
    load_optimizer_tensors,
    load_state,
    mixed_precision,
    optimizer_tensors,
    put_aside,
    save_state,
    seed_step,
    with_prefix,
    without_prefix,
)
from training.metrics import CaptionScorer
from training.progress import progress
from training.recipe import CaptionerRecipe


@dataclass
class Progress:
    """How far a run has come; with the tensors, all that is needed to go on."""

    recipe: str
    """The recipe as JSON: a state belongs to one recipe."""
    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_score: float = -1.0
    best_epoch: int = -1
    seconds: float = 0.0


def caption_loss(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy in nats, summed over the tokens that are not padding; logits (B, T, V), targets (B, T)."""
    return F.cross_entropy(
        logits.float().flatten(0, 1),
        targets.flatten(),
        ignore_index=PAD,
        label_smoothing=label_smoothing,
        reduction="sum",
    )


def doubly_stochastic_penalty(attention: Tensor, targets: Tensor) -> Tensor:
    """Show, Attend and Tell, eq. 14: sum over positions of (1 - sum over time of alpha)^2, summed over the batch.

    Args:
        attention: (B, T, P).
        targets: (B, T), padding where nothing is said.
    """
    spoken = (targets != PAD).unsqueeze(2)  # (B, T, 1)
    return (1 - (attention * spoken).sum(1)).square().sum()


def prepare_features(
    recipe: CaptionerRecipe, data: CaptionDataset, encoder: nn.Module, device: torch.device | str
) -> dict[str, FeatureCache]:
    """The cached grids of the train and dev pictures, computed where they are not there yet."""
    views = {"train": recipe.features.views, "dev": 1}
    return {
        split: cached_features(
            encoder,
            recipe.encoder,
            [image.path for image in data.split(split)],
            recipe.features.cache / split,
            views=number,
            device=device,
            batch_size=recipe.features.batch_size,
        )
        for split, number in views.items()
    }


class CaptionerTrainer:
    """A run of `recap-train captioner`, fresh or resumed.

    Raises:
        DataError, BackboneError, RecipeError: what the recipe names is not there or does not fit.
        StateError: the run's folder holds another recipe's state, or a state and `resume` is False.
    """

    def __init__(self, recipe: CaptionerRecipe, *, resume: bool = False) -> None:
        self.recipe = recipe
        training = recipe.training
        self.state_path = recipe.run / "state.safetensors"
        self.best_path = recipe.run / "best.safetensors"
        self.progress = Progress(recipe.model_dump_json())
        check_run(self.state_path, recipe, resume=resume)
        self.accelerator = Accelerator(
            mixed_precision=mixed_precision(training.precision), log_with="tensorboard", project_dir=str(recipe.run)
        )
        data = open_dataset(recipe.data.path)
        self.train, self.dev = data.split("train"), data.split("dev")
        vocabulary = caption_vocabulary(self.train, recipe.data.min_count)
        self.examples = caption_examples(self.train, vocabulary, recipe.data.max_length)
        torch.manual_seed(training.seed)
        config = CaptionerConfig(encoder=recipe.encoder, decoder=recipe.decoder, decoding=recipe.decoding)
        self.captioner = Captioner(config, vocabulary)
        self.captioner.encoder = pretrained_encoder(recipe.encoder, recipe.features.weights)
        with self.accelerator.main_process_first():  # one process builds, the others read
            features = prepare_features(recipe, data, self.captioner.encoder, self.accelerator.device)
        self.train_features, self.dev_features = features["train"], features["dev"]
        self.buckets = LengthBuckets(
            [len(example.tokens) for example in self.examples],
            training.batch_size,
            training.seed,
            smallest=self.accelerator.num_processes,
        )
        self.total_steps = training.epochs * len(self.buckets)
        decoder = self.captioner.decoder.to(self.accelerator.device)
        self.average = averaged(decoder, training.ema_decay)
        optimizer = torch.optim.AdamW(
            decoder.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        self.decoder, self.optimizer = self.accelerator.prepare(decoder, optimizer)
        self.scorer = CaptionScorer({image.path.name: image.captions for image in self.dev})
        if resume and self.state_path.is_file():
            self._restore()

    def run(self) -> bool:
        """Trains until the schedule ends or dev CIDEr has not risen for `patience` epochs.

        Returns:
            Whether it got there; False where it was interrupted, and can be resumed.
        """
        self.accelerator.init_trackers("tensorboard")
        began = time.monotonic() - self.progress.seconds
        epochs = self.recipe.training.epochs
        at = self.progress
        with interruptible() as interruption:
            while at.epoch < epochs and at.epoch - at.best_epoch <= self.recipe.training.patience:
                batches = self.buckets.batches(at.epoch)
                with progress(f"epoch {at.epoch + 1}/{epochs}", len(batches), at.batch, show=self._first) as bar:
                    while at.batch < len(batches):
                        loss = self._step(batches[at.batch])
                        at.batch += 1
                        at.step += 1
                        at.seconds = time.monotonic() - began
                        bar.advance(note=f"loss {loss:.3f}")
                        self.accelerator.log({"train/loss": loss}, at.step)
                        stop = self._any(interruption.requested)
                        if stop or at.step % self.recipe.training.save_every == 0:
                            self._save()
                        if stop:
                            self.accelerator.end_training()
                            return False
                (score,) = broadcast_object_list([self._validate() if self._first else 0.0])
                at.seconds = time.monotonic() - began
                if score > at.best_score:
                    at.best_score, at.best_epoch = score, at.epoch
                at.epoch, at.batch = at.epoch + 1, 0
                self._save()
        self.accelerator.end_training()
        return True

    def best(self) -> Captioner:
        """The captioner with the averaged weights that scored best on dev, on the CPU."""
        captioner = self.captioner.to("cpu").eval()
        load_weights(captioner.decoder, self.best_path)
        return captioner

    @property
    def _first(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def _any(self, flag: bool) -> bool:
        """Whether any process says so: all have to stop after the same step."""
        here = torch.tensor(float(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(here, "sum").item())

    def _step(self, batch: Sequence[int]) -> float:
        """One update from a global batch of examples, of which each process takes a share; the loss in nats a token."""
        training, processes = self.recipe.training, self.accelerator.num_processes
        self.decoder.train()
        seed_step(training.seed, self.progress.step, self.accelerator.process_index)
        share = [self.examples[number] for number in batch[self.accelerator.process_index :: processes]]
        grid = self._grids(share)
        tokens, targets = (part.to(self.accelerator.device) for part in collate(share))
        rate = learning_rate(
            self.progress.step, peak=training.learning_rate, warmup=training.warmup_steps, total=self.total_steps
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        logits, attention = self.decoder(grid, tokens)
        # The mean over the global batch: gradients are averaged over the processes, so each counts `processes` times.
        spoken = sum(len(self.examples[number].tokens) + 1 for number in batch) / processes
        nats = caption_loss(logits, targets, training.label_smoothing) / spoken
        loss = nats
        if training.attention_penalty and attention is not None:
            penalty = doubly_stochastic_penalty(attention, targets) / (len(batch) / processes)
            loss = loss + training.attention_penalty * penalty
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.decoder.parameters(), training.gradient_clip)
        self.optimizer.step()
        self.average.update_parameters(self._unwrapped)
        return float(self.accelerator.reduce(nats.detach(), "mean"))

    def _grids(self, share: Sequence[Example]) -> Tensor:
        """(B, P, E), each picture in a view drawn at random from those for which its caption holds."""
        views = self.recipe.features.views
        drawn = torch.randint(views, (len(share),)).tolist()
        chosen = [
            view if example.mirrors else view // 2 * 2  # even views are not mirrored
            for view, example in zip(drawn, share, strict=True)
        ]
        grids = self.train_features.read([example.picture for example in share], chosen)
        return grids.to(self.accelerator.device).float()

    @property
    def _unwrapped(self) -> Decoder:
        decoder: Decoder = self.accelerator.unwrap_model(self.decoder, keep_fp32_wrapper=False)
        return decoder

    @torch.inference_mode()
    def _validate(self) -> float:
        """Dev CIDEr of the averaged weights, which are put aside where they are the best so far."""
        average = self.average.module.eval()
        assert isinstance(average, Decoder)
        live, self.captioner.decoder = self.captioner.decoder, average
        captions: dict[str, str] = {}
        names = [image.path.name for image in self.dev]
        for start in range(0, len(names), 100):
            part = range(start, min(start + 100, len(names)))
            grid = self.dev_features.read(part, [0] * len(part)).to(self.accelerator.device).float()
            best = self.captioner.generate(grid, self.recipe.decoding)
            captions |= {names[number]: found[0].text for number, found in zip(part, best, strict=True)}
        self.captioner.decoder = live
        scores = self.scorer.score(captions, metrics=("CIDEr", "BLEU-4"))
        self.accelerator.log({f"dev/{name}": score for name, score in scores.items()}, self.progress.step)
        self.accelerator.print(
            f"epoch {self.progress.epoch + 1}: dev CIDEr {scores['CIDEr']:.4f}, BLEU-4 {scores['BLEU-4']:.4f}, "
            f"{self.progress.seconds:.0f} s",
            flush=True,
        )
        if scores["CIDEr"] > self.progress.best_score:
            put_aside(average, self.best_path)
        return scores["CIDEr"]

    def _save(self) -> None:
        if not self._first:
            return
        tensors = with_prefix("decoder", self._unwrapped.state_dict())
        tensors |= with_prefix("average", self.average.state_dict())
        tensors |= with_prefix("optimizer", optimizer_tensors(self.optimizer))
        save_state(self.state_path, tensors, asdict(self.progress))

    def _restore(self) -> None:
        tensors, values = load_state(self.state_path)
        self.progress = Progress(**values)
        self._unwrapped.load_state_dict(without_prefix("decoder", tensors))
        self.average.load_state_dict(without_prefix("average", tensors))
        load_optimizer_tensors(self.optimizer, without_prefix("optimizer", tensors))
