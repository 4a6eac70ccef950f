"""Cross-entropy training of a captioner's decoder over a frozen encoder's cached grids.

The loop is `training.trainer.Stage.run`; a step here is a batch of captions of like length, each with its picture, and
one update of the decoder by teacher forcing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig
from training.length_buckets import LengthBuckets
from training.recipe import CaptionerRecipe
from training.tasks.captioning.backbone import pretrained_encoder
from training.tasks.captioning.examples import Example, caption_vocabulary, collate
from training.tasks.captioning.frozen import FrozenStage
from training.tasks.captioning.teacherforcing import TeacherForcing


class CaptionerTrainer(TeacherForcing[CaptionerRecipe, list[int]], FrozenStage[CaptionerRecipe]):
    """A run of `recap-train captioner`, fresh or resumed.

    Raises:
        DataError, BackboneError, RecipeError: what the recipe names is not there or does not fit.
        StateError: the run's folder holds another recipe's state, or a state and `resume` is False.
    """

    def __init__(self, recipe: CaptionerRecipe, *, resume: bool = False) -> None:
        super().__init__(recipe, resume=resume)
        vocabulary = caption_vocabulary(self.train, recipe.data.min_count)
        self._take_captions(vocabulary)
        torch.manual_seed(recipe.training.seed)
        config = CaptionerConfig(encoder=recipe.encoder, decoder=recipe.decoder, decoding=recipe.decoding)
        captioner = Captioner(config, vocabulary)
        captioner.encoder = pretrained_encoder(recipe.encoder, recipe.features.weights)
        buckets = LengthBuckets(
            [len(example.tokens) for example in self.examples],
            recipe.training.batch_size,
            recipe.training.seed,
            smallest=self.accelerator.num_processes,
        )
        self._prepare(captioner, buckets)

    def _step(self, batch: list[int]) -> dict[str, float]:
        """One update from a global batch of examples; the loss in nats a token."""
        self._begin_step()
        share = batch[self.accelerator.process_index :: self.accelerator.num_processes]
        examples = [self.examples[number] for number in share]
        tokens, targets = (part.to(self.accelerator.device) for part in collate(examples))
        logits, attention = self.network(self._grids(examples), tokens)
        return self._learn(logits, attention, targets, share, batch)

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
