"""Captioning: pictures to sentences."""

from collections.abc import Mapping

import torch

from model.openvino.program import Program
from model.task import Asset, Task
from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig
from model.tasks.captioning.decoder import DECODERS
from model.tasks.captioning.networks import CompiledDecoder, CompiledEncoder, captioner_networks
from model.tasks.captioning.tagger import Tags
from model.vocabulary import Vocabulary


def build(
    config: CaptionerConfig,
    vocabulary: Vocabulary,
    tags: Tags | None = None,
    *,
    programs: Mapping[str, Program] | None = None,
) -> Captioner:
    """A captioner with fresh weights, or around compiled networks; ValueError for an unknown encoder or cell.

    The tagger, two products with a single vector, stays in torch beside compiled networks.
    """
    if programs:
        decoder = CompiledDecoder(programs, reads_tags=DECODERS[config.decoder.kind].reads_tags)
        return Captioner(config, vocabulary, CompiledEncoder(programs), decoder, tags)
    captioner = Captioner(config, vocabulary, tags=tags)
    captioner.encoder.to(memory_format=torch.channels_last)  # a quarter faster on a CPU
    return captioner


CAPTIONING = Task(
    name="captioning",
    pipeline="image-to-text",
    noun="captioner",
    config=CaptionerConfig,
    assets=(Asset("vocabulary", "vocabulary.json", Vocabulary), Asset("tags", "tags.json", Tags, optional=True)),
    build=build,
    networks=captioner_networks,
)
