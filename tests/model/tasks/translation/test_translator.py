"""A sentence to its translations: attention, alternatives, unknown words, languages, confidence; and texts of many."""

import math
from pathlib import Path

import pytest

from model.calibration import Calibration
from model.checkpoint import Checkpoint
from model.tasks.translation import TRANSLATION
from model.tasks.translation.config import TranslationDecodingConfig, TranslatorConfig
from model.tasks.translation.languages import Languages
from model.tasks.translation.texts import Text, translate_texts
from model.tasks.translation.translator import LONGEST, Translator
from tests.conftest import GERMAN, SENTENCES


def test_attention_sums_to_one_over_the_sources_pieces(tiny_translator: Translator) -> None:
    for sentence, (best,) in zip(SENTENCES, tiny_translator.translate(SENTENCES, attention=True), strict=True):
        assert "".join(token.text for token in best.tokens).strip() == best.text
        for token in best.tokens:
            assert token.attention is not None
            assert len(token.attention) == len(tiny_translator.encode(sentence))
            assert sum(token.attention) == pytest.approx(1)


def test_alternatives_differ_and_come_best_first(tiny_translator: Translator) -> None:
    decoding = TranslationDecodingConfig(beam_size=2, num_translations=4, length_penalty=0)
    (found,) = tiny_translator.translate(SENTENCES[:1], decoding)
    assert found[0].text == GERMAN[0]
    assert len({each.text for each in found}) == len(found) == 4
    assert [each.logprob for each in found] == sorted((each.logprob for each in found), reverse=True)


def test_a_batch_gives_what_each_sentence_alone_does(tiny_translator: Translator) -> None:
    together = tiny_translator.translate(SENTENCES)
    for sentence, (expected,) in zip(SENTENCES, together, strict=True):
        ((alone,),) = tiny_translator.translate([sentence])
        assert alone.text == expected.text
        assert alone.logprob == pytest.approx(expected.logprob, abs=1e-4)


def test_translation_that_does_not_end_is_cut(tiny_translator: Translator) -> None:
    ((cut,),) = tiny_translator.translate(SENTENCES[:1], TranslationDecodingConfig(max_length=3))
    assert (cut.finish_reason, len(cut.tokens)) == ("length", 3)


def test_words_that_training_never_had_are_unknown(tiny_translator: Translator) -> None:
    text = "A brown Zebra jumps over ZEBRA and Köln."
    assert tiny_translator.unknown(text) == ["zebra", "and", "köln"]


def test_languages_are_told_apart(tiny_translator: Translator) -> None:
    for sentences, language in ((SENTENCES, "en"), (GERMAN, "de")):
        for sentence in sentences:
            assert tiny_translator.detect(sentence)[language] > 0.95
    assert tiny_translator.detect("日本") == {"en": 0.5, "de": 0.5}
    assert sum(tiny_translator.detect("man Hund").values()) == pytest.approx(1)


def test_confidence_is_the_calibrations(tiny_translator: Translator) -> None:
    ((plain,),) = tiny_translator.translate(SENTENCES[:1])
    assert plain.confidence == plain.probability == pytest.approx(math.exp(plain.logprob / (len(plain.tokens) + 1)))
    calibration = Calibration(intercept=-1.0, slope=0.5, threshold=60.0)
    config = tiny_translator.config.model_copy(update={"calibration": calibration})
    given = tiny_translator.subwords, tiny_translator.words, tiny_translator.languages, tiny_translator.network
    ((found,),) = Translator(config, *given).translate(SENTENCES[:1])
    odds = math.log(plain.probability / (1 - plain.probability))
    assert found.confidence == pytest.approx(1 / (1 + math.exp(1 - 0.5 * odds)))


def test_checkpoint_is_read_again(tiny_translator: Translator, tiny_translator_checkpoint: Path) -> None:
    found = Checkpoint.open(tiny_translator_checkpoint).expect(TRANSLATION).load()
    assert [best[0].text for best in found.translate(SENTENCES)] == list(GERMAN)
    assert found.languages.evidence == tiny_translator.languages.evidence
    assert found.words == tiny_translator.words


def test_languages_of_other_subwords_are_refused(tiny_translator: Translator) -> None:
    given = tiny_translator.subwords, tiny_translator.words
    with pytest.raises(ValueError, match="3 subwords tell languages apart; there are 360"):
        Translator(tiny_translator.config, *given, Languages(("en", "de"), [0, 0, 0]))
    with pytest.raises(ValueError, match="it is for en to de"):
        Translator(tiny_translator.config, *given, Languages(("en", "fr"), [0] * 360))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"languages": ["en"], "evidence": []}',
        "x",
        '{"languages": ["en", "de"]}',
        '{"languages": ["en", "de"], "evidence": [0, NaN]}',
    ],
)
def test_file_of_languages_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "languages.json").write_text(text)
    with pytest.raises(ValueError, match="two languages are needed"):
        Languages.read(tmp_path / "languages.json")


def test_text_of_many_sentences_keeps_what_stands_between_them(tiny_translator: Translator) -> None:
    sentences = [sentence.replace(" .", ".") for sentence in SENTENCES]
    text = Text(tiny_translator, f"  {sentences[0]}\n\n{sentences[1]}  {sentences[2]}\n")
    assert [part for _, part in text.sentences] == sentences[:3]
    ((found,),) = translate_texts(tiny_translator, [text])
    parts = [best[0].text for best in tiny_translator.translate(sentences[:3])]
    assert found.text == f"  {parts[0]}\n\n{parts[1]}  {parts[2]}\n"
    assert "".join(token.text for token in found.tokens) == found.text.removesuffix("\n")


def test_attention_of_a_text_is_over_all_its_pieces(tiny_translator: Translator) -> None:
    text = Text(tiny_translator, "A dog runs. Two children.")
    found = tiny_translator.translate([part for _, part in text.sentences], attention=True)
    (best,) = text.join(found)
    pieces = text.source_tokens()
    first = len(tiny_translator.encode("A dog runs."))
    assert pieces.count("") == 2
    for place, token in enumerate(best.tokens):
        assert token.attention is not None
        assert len(token.attention) == len(pieces)
        mine = slice(None, first) if place < len(found[0][0].tokens) else slice(first, None)
        assert sum(token.attention[mine]) == pytest.approx(1)
        assert sum(token.attention) == pytest.approx(1)


def test_sentence_that_is_too_long_is_cut_into_parts_that_fit(tiny_translator: Translator) -> None:
    text = Text(tiny_translator, ", ".join(["a brown dog runs"] * 60))
    assert len(text.sentences) > 1
    assert all(len(tiny_translator.encode(part)) <= LONGEST + 1 for _, part in text.sentences)
    assert "".join(before + part for before, part in text.sentences) == text.text


def test_two_languages_by_their_codes_are_needed() -> None:
    with pytest.raises(ValueError, match="source"):
        TranslatorConfig(source="English")
