"""The words of teachers at each place of the training captions, for a captioner to learn (Hinton, Vinyals and Dean,
"Distilling the knowledge in a neural network", 2015; for words of sentences, Kim and Rush, "Sequence-level knowledge
distillation", 2016, section 3.1).

It is asked once, of the whole pictures as they are, and kept in a memory-mapped file: a step then costs nothing more,
however many teachers there are.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from tqdm import tqdm

from model.checkpoint import Checkpoint, CheckpointError
from model.vocabulary import PAD, Vocabulary
from training.cache import add_pictures, cached, new_array
from training.data.pictures import check_pictures
from training.tasks.captioning.ensemble import Ensemble
from training.tasks.captioning.examples import Example, captions_by_picture, collate
from training.tasks.captioning.losses import Expected
from training.tasks.captioning.readers import CaptionedImage
from training.tasks.captioning.recipe import DistillationRecipe

VERSION = 1  # of the files' format
FILES = {"words.npy": np.int32, "probabilities.npy": np.float16}


@dataclass(frozen=True)
class Teaching:
    """The likeliest K words at each place of all training captions, and their probabilities."""

    recipe: DistillationRecipe
    words: np.ndarray
    """(captions, T, K), memory-mapped."""
    probabilities: np.ndarray
    """(captions, T, K), float16, memory-mapped; 0 after a caption's end."""

    def expected(self, examples: Sequence[int], length: int, device: torch.device) -> Expected:
        """The teachers' words at the first `length` places of some captions, by their numbers."""
        words, probabilities = (
            torch.from_numpy(part[list(examples), :length]).to(device) for part in (self.words, self.probabilities)
        )
        return Expected(words.long(), probabilities.float(), self.recipe.weight, self.recipe.temperature)


def teaching(
    recipe: DistillationRecipe | None,
    images: Sequence[CaptionedImage],
    examples: Sequence[Example],
    vocabulary: Vocabulary,
    run: Path,
    accelerator: Accelerator,
    checked: Sequence[Path] = (),
) -> Teaching | None:
    """The teachers' words, kept in a run's folder, as `ask_teachers` gives them; None without a recipe."""
    if recipe is None:
        return None
    with accelerator.main_process_first():  # one process asks, the others read
        folder, device = run / "teachers", accelerator.device
        return ask_teachers(recipe, images, examples, vocabulary, folder, device=device, checked=checked)


def ask_teachers(
    recipe: DistillationRecipe,
    images: Sequence[CaptionedImage],
    examples: Sequence[Example],
    vocabulary: Vocabulary,
    directory: Path,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 32,
    checked: Sequence[Path] = (),
) -> Teaching:
    """Asks teachers for their words, unless `directory` has those of the same teachers, pictures and captions.

    The vocabulary is the learner's, and `batch_size` counts pictures. The files `checked` have to be readable before.

    Raises:
        CheckpointError: a teacher is missing or damaged, no captioner, or has other words than the learner.
        DataError: a picture is missing or broken; of those that are checked, the message names all.
    """
    digest = hashlib.sha256(f"{VERSION} {recipe.temperature} {recipe.words}".encode())
    for path in recipe.teachers:
        digest.update(Checkpoint.open(path).description.encode())
    add_pictures(digest, [image.path for image in images])
    digest.update(json.dumps([[example.picture, *example.tokens] for example in examples]).encode())

    def build() -> None:
        teachers = Ensemble.open(recipe.teachers, device)
        if teachers.members[0].vocabulary != vocabulary:
            advice = "train both on the same captions and min_count"
            raise CheckpointError(f"{recipe.teachers[0]}: has other words than the learner; {advice}")
        check_pictures(checked)
        longest = max(len(example.tokens) for example in examples) + 1
        shape = (len(examples), longest, min(recipe.words, len(vocabulary)))
        words, probabilities = (new_array(directory / file, dtype, shape) for file, dtype in FILES.items())
        by_picture = captions_by_picture(examples, len(images))
        first = 0
        with tqdm(desc="teachers", total=len(images), unit="picture", disable=None) as bar:
            for grids in teachers.read(images, batch_size):
                seen = range(first, first + len(grids[0]))
                numbers = [number for picture in seen for number in by_picture[picture]]
                numbers.sort(key=lambda number: len(examples[number].tokens), reverse=True)
                tokens, targets = (part.to(device) for part in collate([examples[number] for number in numbers]))
                pictures = torch.tensor([examples[number].picture - first for number in numbers], device=device)
                said = teachers.probabilities(grids, tokens, pictures, recipe.temperature)  # (N, T, V)
                best = said.topk(shape[2])  # (N, T, K)
                shares = best.values / best.values.sum(2, keepdim=True) * (targets != PAD).unsqueeze(2)
                words[numbers, : tokens.shape[1]] = best.indices.cpu().numpy()
                probabilities[numbers, : tokens.shape[1]] = shares.cpu().numpy()
                first = seen.stop
                bar.update(len(seen))
        words.flush()
        probabilities.flush()

    cached(directory, digest.hexdigest(), build)
    return Teaching(recipe, *(np.load(directory / file, mmap_mode="r") for file in FILES))
