"""The classifier: each sentence as if it were alone, words it has never seen, any cell, and its answers."""

from pathlib import Path

import pytest
import torch

from model.cells import CELLS
from model.checkpoint import Checkpoint, save
from model.openvino.runtime import Runtime
from model.recurrent import reversal
from model.tasks.intents import INTENTS
from model.tasks.intents.classifier import LETTERS, collate, spell
from model.tasks.intents.config import IntentConfig
from model.tasks.intents.intents import OUT_OF_SCOPE, Intents
from model.tasks.intents.network import RecurrentClassifier
from model.tasks.intents.networks import classifier_networks
from model.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from tests.intent_queries import tiny_classifier

TEXTS = ["time", "what time is it in paris", "book a flight to quito please", "!?", "who rules the roman empire of old"]


@pytest.fixture(scope="module")
def model() -> RecurrentClassifier:
    return tiny_classifier()


def test_neighbours_and_padding_change_nothing(model: RecurrentClassifier) -> None:
    sentences = [model.encode(text) for text in TEXTS]
    together = model.logits(sentences)
    for row, sentence in enumerate(sentences):
        torch.testing.assert_close(model.logits([sentence])[0], together[row], rtol=1e-4, atol=1e-5)


def test_reversal_turns_each_sentence_and_leaves_padding() -> None:
    mask = torch.tensor([[True, True, True, False], [True, False, False, False], [True] * 4])
    turned = reversal(mask)
    assert turned.tolist() == [[2, 1, 0, 3], [0, 1, 2, 3], [3, 2, 1, 0]]
    assert torch.equal(turned.gather(1, turned), torch.arange(4).expand(3, 4))


def test_the_end_of_a_sentence_is_read_backwards_too(model: RecurrentClassifier) -> None:
    """The first hidden state of the layer that reads backwards depends on the last word."""
    found = []
    for text in ("time in paris", "time in rome"):
        batch = collate([model.encode(text)])
        inputs = torch.cat([model.embedding(batch.words), model.spelled(batch.spellings)], -1)
        turned = reversal(batch.words != PAD)[..., None]
        back, _ = model.back(inputs.gather(1, turned.expand_as(inputs)))
        found.append(back.gather(1, turned.expand_as(back))[0, 0])
    assert not torch.allclose(*found)


def test_a_word_never_seen_is_read_by_its_characters(model: RecurrentClassifier) -> None:
    assert model.encode("weathr").words.tolist() == model.encode("tyme").words.tolist() == [UNK]
    assert not torch.allclose(model.logits([model.encode("weathr")]), model.logits([model.encode("tyme")]))


def test_spellings_have_ends_and_are_cut() -> None:
    characters = Vocabulary.build(["ab"])
    a, b = characters.encode("ab")
    short, long = spell(["ab?", "a" * 40], characters).tolist()
    assert short == [BOS, a, b, UNK, EOS] + [PAD] * (LETTERS - 3)
    assert long == [BOS, *[a] * LETTERS, EOS]


def test_a_text_without_words_is_one_unknown_word(model: RecurrentClassifier) -> None:
    for text in ("!?", "", "👍"):
        words, spellings = model.encode(text)
        assert words.tolist() == [UNK]
        assert spellings.tolist() == [[BOS, EOS] + [PAD] * LETTERS]
    assert len(model.answers([model.encode("!?")])) == 1


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_learns(model: RecurrentClassifier, cell: str) -> None:
    config = IntentConfig(
        cell=cell, embedding_size=4, character_size=3, character_filters=4, hidden_size=5, num_layers=2
    )
    fresh = RecurrentClassifier(config, model.vocabulary, model.characters, model.intents)
    logits = fresh(collate([fresh.encode(text) for text in TEXTS]))
    assert logits.shape == (len(TEXTS), 5)
    logits.logsumexp(-1).sum().backward()
    for name, parameter in fresh.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_answers_are_in_scope_from_the_threshold_on(model: RecurrentClassifier) -> None:
    sentences = [model.encode(text) for text in ("what time is it in lima", "which river flows through lima")]
    inside, outside = model.answers(sentences)
    assert (inside.in_scope, inside.best.intent, inside.best.title) == (True, "time", "Asking for the time")
    assert inside.best == inside.ranking[0]
    assert (outside.in_scope, outside.best.intent) == (False, OUT_OF_SCOPE)
    assert outside.best.confidence == pytest.approx(1 - outside.ranking[0].confidence)
    for answer in (inside, outside):
        assert [one.confidence for one in answer.ranking] == sorted(
            (x.confidence for x in answer.ranking), reverse=True
        )
        assert sorted(one.intent for one in answer.ranking) == sorted(model.intents.names)
    probabilities = model.logits(sentences).softmax(-1)
    assert inside.probability("weather") == pytest.approx(float(probabilities[0, 1]), abs=1e-6)


def test_temperature_makes_less_sure_and_changes_no_order(model: RecurrentClassifier) -> None:
    sentence = model.encode("what time is it in lima")
    (sure,) = model.answers([sentence])
    warm = RecurrentClassifier(
        model.config.model_copy(update={"temperature": 3.0}), model.vocabulary, model.characters, model.intents
    )
    warm.load_state_dict(model.state_dict())
    (unsure,) = warm.eval().answers([sentence])
    assert unsure.ranking[0].confidence < sure.ranking[0].confidence
    assert unsure.ranking[0]._replace(confidence=0) == sure.ranking[0]._replace(confidence=0)


def test_a_checkpoint_answers_as_the_model_does(model: RecurrentClassifier, tmp_path: Path) -> None:
    saved = save(tmp_path / "tiny", INTENTS, model, name="tiny", metrics={}, card="")
    loaded = Checkpoint.open(saved.path).expect(INTENTS).load()
    assert (loaded.intents.names, loaded.intents.titles) == (model.intents.names, model.intents.titles)
    sentences = [model.encode(text) for text in TEXTS]
    torch.testing.assert_close(loaded.logits(sentences), model.logits(sentences), rtol=0, atol=0.02)


def test_a_compiled_network_answers_as_the_one_in_torch(model: RecurrentClassifier, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    saved = save(tmp_path / "tiny", INTENTS, model, name="tiny", metrics={}, card="")
    reference, compiled = saved.load(), Runtime(threads=1).load(saved)
    sentences = [model.encode(text) for text in TEXTS]
    torch.testing.assert_close(compiled.logits(sentences), reference.logits(sentences), rtol=1e-4, atol=1e-4)
    assert compiled.answers(sentences[:1])[0].best.intent == reference.answers(sentences[:1])[0].best.intent
    assert not list(compiled.parameters())


def test_a_cell_without_a_kernel_is_told(model: RecurrentClassifier) -> None:
    config = model.config.model_copy(update={"cell": "lstm-nfg"})
    fresh = RecurrentClassifier(config, model.vocabulary, model.characters, model.intents)
    with pytest.raises(ValueError, match="has no kernel that takes sentences of any length; there are rnn"):
        classifier_networks(fresh)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "an object with a title for each name"),
        ('{"time": 3}', "an object with a title for each name"),
        ("{}", "intents need names"),
        ('{"out_of_scope": "x"}', "none may be 'out_of_scope'"),
    ],
)
def test_intents_that_are_none_are_refused(content: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "intents.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=reason):
        Intents.read(file)
