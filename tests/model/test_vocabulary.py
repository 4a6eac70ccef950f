"""Words, their numbers, and sentences made of them."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.vocabulary import BOS, EOS, PAD, UNK, Vocabulary, detokenize, pieces, tokenize

WORD = st.from_regex(r"[a-z]{1,6}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A dog runs .", ["a", "dog", "runs"]),
        ("A tri-colored dog, on the road!", ["a", "tri-colored", "dog", "on", "the", "road"]),
        ("The man's dog doesn't bark.", ["the", "man", "'s", "dog", "does", "n't", "bark"]),
        ('Two men in "t-shirts" (blue); 3 others', ["two", "men", "in", "t-shirts", "blue", "3", "others"]),
        (" . !", []),
        ("Ein Mädchen", ["ein", "mädchen"]),
        ("Ein Hund la\u0308uft", ["ein", "hund", "läuft"]),
        ("the man\u2019s dog isn\u2019t wet", ["the", "man", "'s", "dog", "is", "n't", "wet"]),
        ("एक कुत्ता घास पर दौड़ रहा है।", ["एक", "कुत्ता", "घास", "पर", "दौड़", "रहा", "है"]),
        ("একটি কুকুর দৌড়াচ্ছে", ["একটি", "কুকুর", "দৌড়াচ্ছে"]),
        ("ஒரு நாய் ஓடுகிறது", ["ஒரு", "நாய்", "ஓடுகிறது"]),
        ("כֶּלֶב רָץ", ["כֶּלֶב", "רָץ"]),
        ("كَلْبٌ يَجْرِي", ["كَلْبٌ", "يَجْرِي"]),
        ("سگ می\u200cدود", ["سگ", "می\u200cدود"]),
        ("หมาวิ่ง", ["หมาวิ่ง"]),
    ],
)
def test_tokenize(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == [unicodedata.normalize("NFC", token) for token in tokens]


def test_detokenize_ties_clitics_back() -> None:
    assert detokenize(["the", "man", "'s", "dog", "does", "n't", "bark"]) == "the man's dog doesn't bark"


@given(st.text())
def test_tokens_survive_a_round_trip(text: str) -> None:
    tokens = tokenize(text)
    assert tokenize(detokenize(tokens)) == tokens


def test_build_keeps_frequent_words_in_order_of_frequency() -> None:
    vocabulary = Vocabulary.build([["b", "a"], ["a", "c"], ["a", "b", "d"], ["c"]], min_count=2)
    assert vocabulary.words == ("<pad>", "<bos>", "<eos>", "<unk>", "a", "b", "c")


@given(st.lists(st.lists(WORD), min_size=1))
def test_encode_and_decode_are_inverse(sentences: list[list[str]]) -> None:
    vocabulary = Vocabulary.build(sentences)
    for sentence in sentences:
        assert vocabulary.decode(vocabulary.encode(sentence)) == sentence


def test_unknown_words_and_specials() -> None:
    vocabulary = Vocabulary.build([["dog"]])
    assert vocabulary.encode(["dog", "cat"]) == [4, UNK]
    assert vocabulary.decode([BOS, 4, EOS, PAD]) == ["dog"]
    assert "dog" in vocabulary
    assert "cat" not in vocabulary


@pytest.mark.parametrize(
    ("words", "message"),
    [(["dog"], "begins with <pad>"), (["<pad>", "<bos>", "<eos>", "<unk>", "dog", "dog"], "'dog' stands twice")],
)
def test_malformed_vocabularies_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Vocabulary(words)


@given(st.text())
@example(" no it was n't <unk> N \n the man's  \tend ")
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text, "character")) == "".join(pieces(text, "word")) == text


def test_marks_stay_with_their_letters() -> None:
    assert pieces("एक कुत्ता।\nla\u0308uft", "word") == ["एक", " कुत्ता", "।", "\n", "la\u0308uft"]


def test_words_carry_the_space_before_them() -> None:
    assert pieces("The man's <unk>, 3 well-read  men.\n\tYes", "word") == [
        *("The", " man's", " <unk>", ",", " 3", " well-read", " ", " men", ".", "\n", "\t", "Yes")
    ]
