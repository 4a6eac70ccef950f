"""Scores of captions: BLEU, METEOR, ROUGE-L, CIDEr and SPICE as pycocoevalcap computes them, and their wording.

They are those of COCO's evaluation server: references as people wrote them, tokens by Stanford's PTB tokenizer.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from model.messages import some
from model.vocabulary import tokenize
from training.tasks.captioning.java import JavaError, meteor_score, ptb_tokens, spice_score
from training.tasks.captioning.wording import WORDING, wording

METRICS = (
    *("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE", "unique", "novel"),
    *WORDING,
)


class CaptionScorer:
    """Scores captions against references, which are tokenised once.

    Without Java the tokens are those of `model.vocabulary.tokenize`, which differ in about one caption of a thousand
    on Flickr8k, and METEOR and SPICE are left out; `notes` says so.
    """

    def __init__(self, references: Mapping[str, Sequence[str]]) -> None:
        """Takes the sentences that people wrote about each picture, by any key that the captions share.

        Raises:
            ValueError: there are no references, or there is none for some picture.
        """
        if not references:
            raise ValueError("no references")
        if bare := [key for key, sentences in references.items() if not sentences]:
            raise ValueError(f"no reference for {some(bare)}")
        self.notes: list[str] = []
        """Scores that the latest call left out, differences from the published way, and what to do about them."""
        self.cider: list[float] = []
        """CIDEr of each caption of the latest call, in the order of the references."""
        self._tokenizer = _Tokenizer()
        sentences = [sentence for group in references.values() for sentence in group]
        tokens = iter(self._tokenizer(sentences))
        self._references = {key: [next(tokens) for _ in group] for key, group in references.items()}

    def score(
        self,
        captions: Mapping[str, str],
        *,
        metrics: Collection[str] = METRICS,
        training_captions: Collection[str] | None = None,
    ) -> dict[str, float]:
        """Scores one caption a picture.

        BLEU, METEOR, ROUGE-L and SPICE are fractions; CIDEr goes from 0 to 10, and papers print it times 100.
        `unique` is the number of different captions by the number of captions, `novel` the share of captions that are
        not, token by token, among `training_captions`. For the rest see `training.tasks.captioning.wording`.

        Args:
            captions: a sentence for each picture that has references.
            metrics: those wanted; all that can be had when left out.
            training_captions: what the model was trained on, for `novel`.

        Raises:
            ValueError: the pictures are not those of the references, or a metric is unknown.
            JavaError: tokenising failed.
        """
        if unknown := [name for name in metrics if name not in METRICS]:
            raise ValueError(f"no metric {some(unknown)}; there are {', '.join(METRICS)}")
        if missing := self._references.keys() - captions.keys():
            raise ValueError(f"no caption for {some(sorted(missing))}")
        if extra := captions.keys() - self._references.keys():
            raise ValueError(f"a caption but no reference for {some(sorted(extra))}")
        ours = [captions[key] for key in self._references]
        seen = list(training_captions or ()) if "novel" in metrics else []
        both = self._tokenizer([*ours, *seen])  # in one run of Java
        tokens, known = both[: len(ours)], set(both[len(ours) :])
        candidates = {key: [sentence] for key, sentence in zip(self._references, tokens, strict=True)}
        self.notes = list(self._tokenizer.notes)

        scores: dict[str, float] = {}
        if any(name.startswith("BLEU") for name in metrics):
            bleu, _ = Bleu(4).compute_score(self._references, candidates, verbose=0)
            scores |= {f"BLEU-{n}": float(value) for n, value in enumerate(bleu, start=1)}
        if "ROUGE-L" in metrics:
            scores["ROUGE-L"] = float(Rouge().compute_score(self._references, candidates)[0])
        if "CIDEr" in metrics:
            mean, each = Cider().compute_score(self._references, candidates)
            scores["CIDEr"], self.cider = float(mean), each.tolist()
        programs = {"METEOR": meteor_score, "SPICE": spice_score}
        for name in filter(programs.__contains__, metrics):
            try:
                scores[name] = programs[name](self._references, candidates)
            except JavaError as error:
                self.notes.append(f"{name} left out: {error}")
        scores["unique"] = len(set(tokens)) / len(tokens)
        scores |= wording([sentence.split() for sentence in tokens])
        if "novel" in metrics:
            if training_captions is None:
                self.notes.append("novel left out: no captions of training to compare with")
            else:
                scores["novel"] = sum(sentence not in known for sentence in tokens) / len(tokens)
        return {name: scores[name] for name in METRICS if name in metrics and name in scores}

    def people(self) -> list[float]:
        """CIDEr of every reference against the others of its picture; none where pictures have only one."""
        found: list[float] = []
        for place in range(max(map(len, self._references.values()))):
            held = {key: group for key, group in self._references.items() if place < len(group) > 1}
            if held:
                others = {key: [*group[:place], *group[place + 1 :]] for key, group in held.items()}
                candidates = {key: [group[place]] for key, group in held.items()}
                found += Cider().compute_score(others, candidates)[1].tolist()
        return found


class _Tokenizer:
    """Sentences to lower-case tokens without punctuation, by PTB where there is Java; remembers what it has seen."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._seen: dict[str, str] = {}

    def __call__(self, sentences: Sequence[str]) -> list[str]:
        # A line each: whatever Java may take for the end of one is a space.
        lines = [" ".join(sentence.split()) for sentence in sentences]
        if fresh := [line for line in dict.fromkeys(lines) if line and line not in self._seen]:
            self._seen.update(zip(fresh, self._tokenize(fresh), strict=True))
        return [self._seen.get(line, "") for line in lines]

    def _tokenize(self, lines: list[str]) -> Iterable[str]:
        if not self.notes:
            try:
                return ptb_tokens(lines)
            except JavaError as error:
                if self._seen:  # some sentences in one kind of tokens and some in another can't be compared
                    raise
                self.notes.append(f"tokens are not PTB's but a close imitation: {error}")
        return (" ".join(tokenize(line)) for line in lines)
