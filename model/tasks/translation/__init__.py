"""Translation: sentences of one language to another."""

from collections.abc import Mapping

from model.openvino.program import Program
from model.subwords import Subwords
from model.task import Asset, Task
from model.tasks.translation.config import TranslatorConfig
from model.tasks.translation.languages import Languages
from model.tasks.translation.networks import CompiledNetwork, translator_networks
from model.tasks.translation.translator import Translator
from model.vocabulary import Vocabulary


def build(
    config: TranslatorConfig,
    subwords: Subwords,
    words: Vocabulary,
    languages: Languages,
    *,
    programs: Mapping[str, Program] | None = None,
) -> Translator:
    """A translator with fresh weights, or around compiled networks; ValueError for an unknown cell."""
    return Translator(config, subwords, words, languages, CompiledNetwork(programs) if programs else None)


TRANSLATION = Task(
    name="translation",
    pipeline="translation",
    noun="translator",
    config=TranslatorConfig,
    assets=(
        Asset("subwords", "subwords.model", Subwords),
        Asset("words", "words.json", Vocabulary),
        Asset("languages", "languages.json", Languages),
    ),
    build=build,
    networks=translator_networks,
)
