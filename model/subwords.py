"""Subwords: pieces of words that a model reads and writes, so that no word is unknown to it."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from model.files import read_bytes
from model.vocabulary import BOS, EOS, PAD, SPECIALS, UNK

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SPACE = "\u2581"
"""The sign that stands for a space in a piece."""
BYTES = 256
"""Pieces that stand for a byte each: a character that no other piece has is written with them."""


class Subwords:
    """Byte-pair encoding (Sennrich, Haddow and Birch, 2016) by SentencePiece (Kudo and Richardson, 2018).

    The numbers of the specials are those of `model.vocabulary`.

    Args:
        proto: the contents of SentencePiece's file.

    Raises:
        ValueError: it is no such file, or has other specials.
    """

    def __init__(self, proto: bytes) -> None:
        self.proto = proto
        self._processor = _processor(proto)
        specials = tuple(self._processor.id_to_piece(number) for number in range(len(SPECIALS)))
        if specials != SPECIALS:
            raise ValueError(f"subwords begin with {', '.join(SPECIALS)}; these with {', '.join(specials)}")
        self.pieces = tuple(self._processor.id_to_piece(number) for number in range(len(self)))
        self.characters = frozenset(piece for piece in self.pieces if len(piece) == 1)
        """Characters that have a piece; any other is written in bytes."""

    @classmethod
    def learn(cls, sentences: Iterable[str], size: int) -> Self:
        """The most useful `size` pieces for these sentences, the specials and the bytes among them.

        Raises:
            ValueError: the sentences have too few different characters or words for that many.
        """
        from sentencepiece import SentencePieceTrainer

        written = io.BytesIO()
        try:
            SentencePieceTrainer.train(
                sentence_iterator=iter(sentences),
                model_writer=written,
                model_type="bpe",
                vocab_size=size,
                character_coverage=1.0,
                byte_fallback=True,
                pad_id=PAD,
                bos_id=BOS,
                eos_id=EOS,
                unk_id=UNK,
                pad_piece=SPECIALS[PAD],
                bos_piece=SPECIALS[BOS],
                eos_piece=SPECIALS[EOS],
                unk_piece=SPECIALS[UNK],
                minloglevel=2,
            )
        except RuntimeError as error:
            raise ValueError(f"{size} subwords can't be learnt from these sentences: {error}") from error
        return cls(written.getvalue())

    @classmethod
    def read(cls, path: Path) -> Self:
        """The subwords in SentencePiece's file; see `model.task.AssetKind`."""
        return cls(read_bytes(path))

    def write(self, path: Path) -> None:
        path.write_bytes(self.proto)

    def __len__(self) -> int:
        return int(self._processor.get_piece_size())

    def encode(self, text: str) -> list[int]:
        """Numbers of a text's pieces; adds no specials."""
        return self._processor.encode(text)  # type: ignore[no-any-return]

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of pieces, specials left out; bytes that are no character become U+FFFD."""
        return self._processor.decode([number for number in numbers if number >= len(SPECIALS)])  # type: ignore[no-any-return]

    def texts(self, numbers: Sequence[int]) -> list[str]:
        """The part of the text that each piece adds, with the space before it; of a byte, its name (`<0xE2>`)."""
        return [self.pieces[number].replace(SPACE, " ") for number in numbers]


def _processor(proto: bytes) -> "SentencePieceProcessor":
    from sentencepiece import SentencePieceProcessor

    if not proto:  # of which the library makes a processor that fails later
        raise ValueError("not a SentencePiece model: the file is empty")
    try:
        return SentencePieceProcessor(model_proto=proto)
    except RuntimeError as error:  # whose message is a line of the library's source
        raise ValueError("not a SentencePiece model") from error
