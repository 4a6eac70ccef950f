"""Writes scores.json and tokens.json: captions.json by pycocoevalcap's own COCOEvalCap, as COCO's authors run it.

tokens.json has each sentence of captions.json beside its tokens. Run by hand, with Java, as
`python tests/training/tasks/captioning/golden/make_scores.py`. SPICE is left out,
since its constructor downloads 400 MB.
"""

import contextlib
import json
import sys
import tempfile
from pathlib import Path

from pycocoevalcap import eval as reference
from pycocotools.coco import COCO

NAMES = {f"Bleu_{n}": f"BLEU-{n}" for n in range(1, 5)} | {"METEOR": "METEOR", "ROUGE_L": "ROUGE-L", "CIDEr": "CIDEr"}


class NoSpice:
    def method(self) -> str:
        return "SPICE"

    def compute_score(self, gts: dict[int, list[str]], res: dict[int, list[str]]) -> tuple[float, list[float]]:
        return float("nan"), [float("nan")] * len(gts)


def main() -> None:
    folder = Path(__file__).parent
    cases = list(json.loads((folder / "captions.json").read_text(encoding="utf-8")).values())
    annotations = [(image, text) for image, case in enumerate(cases) for text in case["references"]]
    truth = {
        "images": [{"id": image} for image in range(len(cases))],
        "annotations": [
            {"id": number, "image_id": image, "caption": text} for number, (image, text) in enumerate(annotations)
        ],
        "info": {},
    }
    results = [{"image_id": image, "caption": case["caption"]} for image, case in enumerate(cases)]
    reference.Spice = NoSpice
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(sys.stderr):
        Path(scratch, "truth.json").write_text(json.dumps(truth))
        Path(scratch, "results.json").write_text(json.dumps(results))
        coco = COCO(f"{scratch}/truth.json")
        scorer = reference.COCOEvalCap(coco, coco.loadRes(f"{scratch}/results.json"))
        scorer.evaluate()
    scores = {ours: float(scorer.eval[theirs]) for theirs, ours in NAMES.items()}
    sentences = [sentence for case in cases for sentence in (*case["references"], case["caption"]) if sentence]
    found = reference.PTBTokenizer().tokenize({n: [{"caption": text}] for n, text in enumerate(sentences)})
    tokens = {text: found[number][0] for number, text in enumerate(sentences)}
    (folder / "tokens.json").write_text(json.dumps(tokens, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "scores.json").write_text(json.dumps(scores, indent=2) + "\n")


if __name__ == "__main__":
    main()
