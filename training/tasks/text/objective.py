"""Truncated backpropagation through time on running text.

The loop, read from top to bottom: an epoch cuts the training text into N streams that are read side by side, with the
state carried along; every k1 tokens there is an update; after the epoch the averaged weights are scored on the whole
validation text, and the best ones are kept.
"""

import textwrap
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from typer import echo

from model.cells import State
from model.checkpoint import load_weights
from model.openvino.precision import autocast
from model.tasks.text.batch import generate
from model.tasks.text.language import LanguageModel
from model.vocabulary import Vocabulary, pieces
from training.data.text import read_text, split_text
from training.progress import progress
from training.recipe import LanguageRecipe
from training.run_state import (
    available_device,
    averaged,
    check_run,
    interruptible,
    learning_rate,
    load_optimizer_tensors,
    load_state,
    optimizer_tensors,
    put_aside,
    save_state,
    seed_step,
    with_prefix,
    without_prefix,
)
from training.tasks.captioning.readers.dataset import DataError
from training.tasks.text.bptt import truncated_bptt
from training.tasks.text.score import TextScore, score_text


@dataclass
class Progress:
    """How far a run has come; with the tensors, all that is needed to go on."""

    recipe: str
    """The recipe as JSON: a state belongs to one recipe."""
    epoch: int = 0
    end: int = 0
    """Tokens of each stream that are done in this epoch."""
    start: int = 0
    """Where the next chunk's gradient ends: see training.tasks.text.bptt."""
    step: int = 0
    best_score: float = float("inf")
    best_epoch: int = -1
    seconds: float = 0.0


def streams(tokens: Tensor, number: int, *, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
    """An epoch's inputs and targets, each (N, T): contiguous pieces of the text and the same one token on.

    The text is turned like a ring by a random amount, so that each epoch cuts it at other places.
    """
    turn = int(torch.randint(len(tokens), (), generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch)))
    turned = tokens.roll(turn)
    length = (len(tokens) - 1) // number
    inputs = turned[: number * length].view(number, length)
    return inputs, turned[1 : number * length + 1].view(number, length)


def sample(model: LanguageModel, tokens: int) -> str:
    """What a model in evaluation mode writes after a line break, with its own parameters and seed 1."""
    asked = model.config.generation.model_copy(update={"max_tokens": tokens, "seed": 1})
    return "".join(delta.text for delta in generate(model, "\n", asked))


class LanguageTrainer:
    """A run of `recap-train language`, fresh or resumed.

    Raises:
        DataError: the text can't be read, or is too short for the recipe.
        StateError: the run's folder holds another recipe's state, or a state and `resume` is False.
    """

    def __init__(self, recipe: LanguageRecipe, *, resume: bool = False) -> None:
        self.recipe = recipe
        training = recipe.training
        self.state_path = recipe.run / "state.safetensors"
        self.best_path = recipe.run / "best.safetensors"
        self.progress = Progress(recipe.model_dump_json())
        check_run(self.state_path, recipe, resume=resume)
        self.device = available_device()
        self.text = split_text(
            read_text(recipe.data.path, recipe.data.pattern), validation=recipe.data.validation, test=recipe.data.test
        )
        units = pieces(self.text.train, recipe.model.unit)
        vocabulary = Vocabulary.build([units], recipe.data.min_count)
        self.tokens = torch.tensor(vocabulary.encode(units))  # (M,)
        if len(self.tokens) <= training.batch_size * training.k1:
            raise DataError(
                f"{recipe.data.path}: {len(self.tokens)} tokens to train on are too few for {training.batch_size} "
                f"streams of {training.k1}; lower training.batch_size or training.k1"
            )
        torch.manual_seed(training.seed)
        self.model = LanguageModel(recipe.model, vocabulary)
        if training.initialization == "orthogonal":
            self.model.initialize()
        self.model.to(self.device)
        self.average = averaged(self.model, training.ema_decay)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
        )
        self.steps_per_epoch = -(-((len(self.tokens) - 1) // training.batch_size) // training.k1)
        self.before: State | None = None
        if resume and self.state_path.is_file():
            self._restore()

    def run(self) -> bool:
        """Trains until the schedule ends.

        Returns:
            Whether it got there; False where it was interrupted, and can be resumed.
        """
        training, at = self.recipe.training, self.progress
        began = time.monotonic() - at.seconds
        with SummaryWriter(self.recipe.run) as writer, interruptible() as interruption:
            while at.epoch < training.epochs:
                inputs, targets = streams(self.tokens, training.batch_size, seed=training.seed, epoch=at.epoch)
                title = f"epoch {at.epoch + 1}/{training.epochs}"
                with progress(title, self.steps_per_epoch, -(-at.end // training.k1)) as bar:
                    for loss in self._epoch(inputs.to(self.device), targets.to(self.device)):
                        at.seconds = time.monotonic() - began
                        if at.step % 10 == 0:
                            writer.add_scalar("train/nats", loss, at.step)
                            bar.advance(10, note=f"{float(loss):.3f} nats a {self.recipe.model.unit}")
                        if interruption.requested or at.step % training.save_every == 0:
                            self._save()
                        if interruption.requested:
                            return False
                score = self._validate(writer)
                at.seconds = time.monotonic() - began
                echo(f"epoch {at.epoch + 1}: validation {score}, {at.seconds:.0f} s")
                if score.per_token < at.best_score:
                    at.best_score, at.best_epoch = score.per_token, at.epoch
                at.epoch, at.end, at.start, self.before = at.epoch + 1, 0, 0, None
                self._save()
                if interruption.requested:
                    return False
        return True

    def best(self) -> LanguageModel:
        """The model with the averaged weights that scored best on the validation text, on the CPU."""
        model = self.model.to("cpu").eval()
        load_weights(model, self.best_path)
        return model

    def _epoch(self, inputs: Tensor, targets: Tensor) -> Iterator[Tensor]:
        """What is left of an epoch over (N, T), an update for every k1 tokens; yields their losses."""
        training, at = self.recipe.training, self.progress
        self.model.train()
        if at.end == inputs.shape[1]:  # resumed between the last update and the validation
            return
        seed_step(training.seed, at.step, 0)
        offset = at.start
        chunks = truncated_bptt(
            self._forward,
            _mean_nats,
            inputs[:, offset:],
            targets[:, offset:],
            self.before,
            k1=training.k1,
            k2=training.k2,
            done=at.end - offset,
        )
        for chunk in chunks:
            self._update()
            at.end, at.start, self.before = offset + chunk.end, offset + chunk.start, chunk.before
            seed_step(training.seed, at.step, 0)
            yield chunk.loss

    def _forward(self, tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
        with autocast(self.device, wanted=self.recipe.training.precision == "bf16"):
            return self.model(tokens, state)  # type: ignore[no-any-return]

    def _update(self) -> None:
        training, at = self.recipe.training, self.progress
        cycle = training.epochs * self.steps_per_epoch // training.cycles
        rate = learning_rate(at.step % cycle, peak=training.learning_rate, warmup=training.warmup_steps, total=cycle)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), training.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.model)
        at.step += 1

    def _validate(self, writer: SummaryWriter) -> TextScore:
        """The score of the averaged weights, which are put aside where they are the best so far."""
        model = self.average.module
        assert isinstance(model, LanguageModel)
        mixed = self.recipe.training.precision == "bf16"
        score = score_text(model, self.text.validation, before=self.text.train[-20_000:], mixed=mixed)
        for name, value in score.figures().items():
            writer.add_scalar(f"validation/{name}", value, self.progress.step)
        if self.recipe.training.sample_tokens:
            written = sample(model.eval(), self.recipe.training.sample_tokens)
            writer.add_text("sample", textwrap.indent(written, "    "), self.progress.step)
        if score.per_token < self.progress.best_score:
            put_aside(model.state_dict(), self.best_path)
        return score

    def _save(self) -> None:
        tensors = with_prefix("model", self.model.state_dict())
        tensors |= with_prefix("average", self.average.state_dict())
        tensors |= with_prefix("optimizer", optimizer_tensors(self.optimizer))
        tensors |= with_prefix("before", {str(place): part for place, part in enumerate(self.before or ())})
        save_state(self.state_path, tensors, asdict(self.progress))

    def _restore(self) -> None:
        tensors, values = load_state(self.state_path)
        self.progress = Progress(**values)
        self.model.load_state_dict(without_prefix("model", tensors))
        self.average.load_state_dict(without_prefix("average", tensors))
        load_optimizer_tensors(self.optimizer, without_prefix("optimizer", tensors))
        before = without_prefix("before", tensors)
        self.before = tuple(before[str(place)].to(self.device) for place in range(len(before))) or None


def _mean_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of logits (N, t, V) and targets (N, t)."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
