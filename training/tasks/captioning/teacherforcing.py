"""Stages that learn people's captions word by word, each word after those that people said before it."""

from abc import ABC
from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor

from model.vocabulary import Vocabulary
from training.recipe import CaptionerRecipe, TuningRecipe
from training.tasks.captioning.distillation import Teaching, ask_teachers
from training.tasks.captioning.examples import caption_examples
from training.tasks.captioning.losses import objective
from training.trainer import Ready, Stage

R = TypeVar("R", CaptionerRecipe, TuningRecipe)


class TeacherForcing(Stage[R, Ready], ABC):
    """A `Stage` that minimises the cross-entropy of the training captions, and what the recipe adds to it."""

    def _take_captions(self, vocabulary: Vocabulary) -> None:
        """The training captions in these words, and what teachers say to them, where the recipe has some."""
        recipe = self.recipe
        self.examples = caption_examples(self.train, vocabulary, recipe.data.max_length)
        self.teaching: Teaching | None = None
        if recipe.distillation is not None:
            with self.accelerator.main_process_first():  # one process asks, the others read
                self.teaching = ask_teachers(
                    recipe.distillation,
                    self.train,
                    self.examples,
                    vocabulary,
                    recipe.run / "teachers",
                    device=self.accelerator.device,
                )

    def _learn(
        self,
        logits: Tensor,
        attention: Tensor | None,
        targets: Tensor,
        share: Sequence[int],
        batch: Sequence[int],
    ) -> dict[str, float]:
        """One update.

        Args:
            logits: (N, T, V), of this process's captions.
            attention: (N, T, P), where there is attention.
            targets: (N, T).
            share: these captions, by their numbers.
            batch: the captions of all processes.

        Returns:
            The cross-entropy with people's words, in nats a token, over all processes.
        """
        # The mean over the global batch: gradients are averaged over the processes, so each counts `processes` times.
        processes = self.accelerator.num_processes
        words = sum(len(self.examples[number].tokens) + 1 for number in batch) / processes
        loss, nats = objective(
            self.recipe.training,
            logits,
            attention,
            targets,
            words=words,
            captions=len(batch) / processes,
            expected=self.teaching.expected(share, targets.shape[1], targets.device) if self.teaching else None,
        )
        self._update(loss)
        return {"loss": float(self.accelerator.reduce(nats.detach(), "mean"))}
