"""Excerpts: where a trait varies, and drawn so that shades can be told."""

import io

import torch
from PIL import Image

from training.lab.excerpts import LINES, WIDTH, Excerpt, plot, telling


def test_excerpt_is_where_the_trait_varies() -> None:
    text = "ab\n" * 20 + "x" * (WIDTH + 1) + "\n" + "cd\n" * 20
    trait = torch.zeros(len(text))
    trait[60:100] = torch.arange(40) * 9.0  # in the line that is too wide to be shown
    trait[-30:-20] = torch.arange(10.0)
    place = telling(text, trait)
    assert (text[place], text[place.start - 1]) == ("cd\n" * LINES, "\n")
    assert trait[place].var() == max(trait[start : start + 3 * LINES].var() for start in range(134, 194 - 12 + 1, 3))


def test_excerpt_of_a_trait_that_never_varies_or_of_few_lines() -> None:
    assert telling("ab\n" * 9, torch.zeros(27)) == slice(3, 15)
    assert telling("a\nb", torch.ones(3)) == slice(0, 3)


def test_largest_value_is_darkest() -> None:
    figure = plot([Excerpt("inside $$maths$$", "    \n", torch.tensor([0.2, 0.1, 0.9, 0.5, 0.0]))])
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    with Image.open(file) as picture:
        grey = picture.convert("L")
        middle = grey.height // 3 + grey.height // 6  # of the second of three rows
        step = 0.98 * grey.width / WIDTH
        columns = [round(0.01 * grey.width + (place + 0.5) * step) for place in range(4)]
        shades = torch.tensor(list(grey.tobytes())).view(grey.height, grey.width)[middle, columns].tolist()
    assert sorted(shades, reverse=True) == [shades[1], shades[0], shades[3], shades[2]]
    assert len(set(shades)) == 4
