"""The front matter of a model card, in the form that the Hugging Face Hub and `huggingface_hub.ModelCard` read."""

import json
from collections.abc import Sequence
from typing import Any

from model.figures import Figure


def front_matter(name: str, pipeline: str, data: str, figures: Sequence[Figure], *, language: str | None = None) -> str:
    """YAML between two lines of dashes.

    The licence of weights follows that of their training data, of which the card's section Data tells.

    Args:
        name: of the checkpoint.
        pipeline: Hugging Face's name of the task.
        data: name of the data set.
        figures: measured on one of its splits.
        language: code of the language that it reads or writes, if it is one.
    """
    fields: dict[str, Any] = {
        "library_name": "recap",
        "pipeline_tag": pipeline,
        **({"language": language} if language else {}),
        "license": "other",
        "license_name": "that-of-its-training-data",
        "license_link": "#data",
        "datasets": [data],
        "metrics": sorted({figure.name for figure in figures}),
    }
    results = []
    for split in dict.fromkeys(figure.split for figure in figures):
        measured = [
            {"type": figure.name, "name": figure.label, "value": round(figure.value, 6)}
            for figure in figures
            if figure.split == split
        ]
        about = {"type": data, "name": data, "split": split}
        results.append({"task": {"type": pipeline}, "dataset": about, "metrics": measured})
    fields["model-index"] = [{"name": name, "results": results}]
    # JSON is YAML; a field a line is enough to be read by people.
    lines = (f"{field}: {json.dumps(value, ensure_ascii=False)}" for field, value in fields.items())
    return "\n".join(["---", *lines, "---", ""])
