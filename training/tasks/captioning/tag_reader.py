"""A captioner that reads tags, set up from one that does not: its words, and the weights that it begins with."""

from collections import Counter
from collections.abc import Sequence

import torch

from model.tasks.captioning.captioner import Captioner
from model.tasks.captioning.config import CaptionerConfig
from model.tasks.captioning.decoder import TagReader
from model.vocabulary import SPECIALS, Vocabulary, tokenize
from training.data.vectors import Vectors
from training.errors import TrainingError
from training.tasks.captioning.nouns import Nouns
from training.tasks.captioning.recipe import MixtureRecipe

RIDGE = 1.0
"""Weight of the squared coefficients in the map from vectors to embeddings."""


def mixture_vocabulary(
    start: Captioner, nouns: Nouns, sentences: Sequence[Sequence[str]], recipe: MixtureRecipe
) -> Vocabulary:
    """The words of the start's vocabulary, words frequent in the sentences, and words of nouns."""
    vectors = Vectors(recipe.vectors) if recipe.vectors else ()
    counts = Counter(word for words in sentences for word in words)
    named = {word for noun in nouns.nouns for word in tokenize(noun.name) if word in counts or word in vectors}
    frequent = {word for word, count in counts.items() if count >= recipe.min_count}
    words = {*start.vocabulary.words[len(SPECIALS) :], *frequent, *named}
    return Vocabulary((*SPECIALS, *sorted(words, key=lambda word: (-counts[word], word))))


@torch.no_grad()
def tag_reader(start: Captioner, vocabulary: Vocabulary, recipe: MixtureRecipe) -> Captioner:
    """A tag reader with the start's encoder, tagger and recurrent weights.

    A word's embedding is the start's, and beside it the coordinates of the start's output weights in the directions in
    which these differ most, so that the two can be one. Words that the start does not know get theirs from vectors, by
    the linear map that fits the others best; without a vector they begin at random.

    Raises:
        TrainingError: the start has no tagger, another kind of decoder, or longer embeddings; no vectors can be read.
    """
    if start.tagger is None:
        raise TrainingError(f"{recipe.start}: no tagger; train one with the objective tagging")
    if start.config.decoder.kind != "top-down":
        raise TrainingError(
            f"{recipe.start}: a {start.config.decoder.kind} decoder; a tag reader begins as a top-down one"
        )
    width = start.config.decoder.embedding_size
    if recipe.decoder.embedding_size < width:
        given = recipe.decoder.embedding_size
        raise TrainingError(f"decoder.embedding_size={given}: {recipe.start} has {width}, which must find room in it")
    fields = ("encoder", "tagging")
    kept = {name: getattr(start.config, name) for name in fields}
    decoder = start.config.decoder.model_copy(update={"kind": "tag-reader", **recipe.decoder.model_dump()})
    config = CaptionerConfig(**kept, decoder=decoder, decoding=recipe.decoding or start.config.decoding)
    model = Captioner(config, vocabulary, tags=start.tags)
    before, reader = start.decoder, model.decoder
    assert isinstance(reader, TagReader)
    assert model.tagger is not None
    model.encoder.load_state_dict(start.encoder.state_dict())
    model.tagger.load_state_dict(start.tagger.state_dict())
    model.encoder.eval().requires_grad_(False)
    model.tagger.requires_grad_(False)
    old, new = before.state_dict(), reader.state_dict()
    for name, tensor in old.items():
        if name in new and new[name].shape == tensor.shape:
            new[name].copy_(tensor)
    hidden = decoder.hidden_size
    new["language_cell.weight_ih"][:, :hidden] = old["language_cell.weight_ih"][:, :hidden]
    new["language_cell.weight_ih"][:, -hidden:] = old["language_cell.weight_ih"][:, hidden:]
    inputs = old["attention_cell.weight_ih"]  # (4 H, 2 H + D), with the word last
    new["attention_cell.weight_ih"].zero_()[:, : inputs.shape[1]] = inputs
    shared = [word for word in vocabulary.words if word in start.vocabulary]
    here, there = vocabulary.encode(shared), start.vocabulary.encode(shared)
    others = [word for word in vocabulary.words if word not in start.vocabulary]
    frequent = torch.arange(1.0, len(old["output.weight"]) + 1).rsqrt()[:, None]  # about as the words' counts fall
    directions = torch.linalg.svd(frequent * old["output.weight"], full_matrices=False).Vh
    directions = directions[: decoder.embedding_size - width]  # (D', H)
    embeddings = torch.cat([old["embedding.weight"], old["output.weight"] @ directions.T], 1)  # (V, D)
    biases = old["output.bias"]
    reader.bias.fill_(float(biases[there].quantile(0.02)))
    if recipe.vectors:
        vectors = Vectors(recipe.vectors)
        fitted = [word for word in shared if word in vectors]
        known = vectors.of(fitted)
        wanted = embeddings[start.vocabulary.encode(fitted)]
        mapping = torch.linalg.solve(known.T @ known + RIDGE * torch.eye(known.shape[1]), known.T @ wanted)
        placed = [word for word in others if word in vectors]
        reader.embedding.weight[vocabulary.encode(placed), : mapping.shape[1]] = vectors.of(placed) @ mapping
    reader.embedding.weight[here, : embeddings.shape[1]] = embeddings[there]
    reader.bias[here] = biases[there]
    reader.output.weight.zero_()[width : embeddings.shape[1]] = directions
    reader.output.bias.zero_()
    return model
