"""Everything that a translator is built from."""

from typing import Annotated

from pydantic import Field

from model.calibration import Calibration
from model.config import Config
from model.decoding.search import Search

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
"""A language by its ISO 639 code, such as `en`."""


class TranslationDecodingConfig(Config, use_attribute_docstrings=True):
    """Parameters of decoding translations; ranges and descriptions are those of the HTTP API."""

    beam_size: Annotated[int, Field(ge=1, le=10)] = 5
    """Translations kept in view at each step of beam search; 1 takes the likeliest piece each time."""
    num_translations: Annotated[int, Field(ge=1, le=10)] = 1
    """Translations to return, best first. More of them than `beam_size` widen the beam."""
    length_penalty: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Translations rank by log-probability / length ** length_penalty: 0 is off, more favours long ones."""
    max_length: Annotated[int, Field(ge=1, le=200)] = 120
    """Most pieces of words in the translation of a sentence; one that has not ended by then is cut, with finish_reason
    `length`."""

    @property
    def search(self) -> Search:
        """The search for these translations."""
        return Search(
            beam_size=max(self.beam_size, self.num_translations),
            num_sequences=self.num_translations,
            length_penalty=self.length_penalty,
            max_length=self.max_length,
        )


class TranslatorConfig(Config):
    """Everything needed to rebuild a translator around its weights."""

    source: Language = "en"
    target: Language = "de"
    cell: str = "gru"
    """A name in `model.cells.CELLS`, for encoder and decoder."""
    embedding_size: Annotated[int, Field(ge=1)] = 256
    """Size of the subwords' vectors, which source, target and output layer share."""
    encoder_size: Annotated[int, Field(ge=1)] = 256
    """Units of the encoder in each direction."""
    encoder_layers: Annotated[int, Field(ge=1, le=8)] = 1
    hidden_size: Annotated[int, Field(ge=1)] = 512
    """Units of the decoder."""
    attention_size: Annotated[int, Field(ge=1)] = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4
    """Share of embeddings, of the encoder's outputs and of what the output layer reads that is hidden in training."""
    decoding: TranslationDecodingConfig = TranslationDecodingConfig()
    """Defaults, which a request may override."""
    calibration: Calibration | None = None
    """Turns a translation's probability into a confidence; without it, they are the same."""
