"""Other ways to serve captions, for `bench.py`: run with the packages of `make bench`.

python benchmarks/peers.py litserve PORT   our torch model behind LitServe, with its batching on
python benchmarks/peers.py fastapi PORT    our runtime behind a plain FastAPI route, without batching
python benchmarks/peers.py blip            seconds that transformers' BLIP-base takes for a caption, as JSON
python benchmarks/peers.py onnxruntime     seconds that ONNX Runtime takes for our encoder, as JSON
python benchmarks/peers.py encoder         seconds that our own runtime takes for it, as JSON

Beam 3, as the bars ask. BLIP's weights are random, which costs what trained ones do.
"""

import argparse
import base64
import json
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.serving.loading import Loader  # noqa: E402
from app.settings import NetworkRuntime, Settings  # noqa: E402
from model.checkpoint import Checkpoint  # noqa: E402
from model.tasks.captioning import CAPTIONING  # noqa: E402
from model.tasks.captioning.captioner import Captioner  # noqa: E402

BEAM = {"beam_size": 3}


def load(runtime: NetworkRuntime) -> Captioner:
    """The default captioner."""
    checkpoint = Checkpoint.open(ROOT / "checkpoints" / "flickr8k-coco")
    assert checkpoint.task is CAPTIONING
    captioner: Captioner = Loader(Settings(runtime=runtime)).load(checkpoint)
    return captioner


def picture(data: bytes) -> Image.Image:
    """The picture in the bytes of a file."""
    return Image.open(BytesIO(data)).convert("RGB")


def litserve(port: int) -> None:
    """LitServe, as its guide has it."""
    import litserve as ls
    from caption_api import CaptionAPI

    api = CaptionAPI(max_batch_size=8, batch_timeout=0.003, api_path="/v1/captions")  # as our own server's
    ls.LitServer(api, accelerator="cpu").run(port=port, log_level="warning", generate_client_file=False)


def fastapi(port: int) -> None:
    """A plain route, which FastAPI runs on its threads."""
    import uvicorn
    from fastapi import Body, FastAPI

    captioner = load("openvino")
    decoding = captioner.config.decoding.model_copy(update=BEAM)
    app = FastAPI()

    @app.post("/v1/captions")
    def caption(body: dict[str, Any] = Body()) -> dict[str, str]:  # noqa: B008
        return {"caption": captioner.caption([picture(base64.b64decode(body["image"]))], decoding)[0][0].text}

    uvicorn.run(app, port=port, log_level="warning")


def blip() -> None:
    """BLIP-base of transformers, greedy, a picture at a time."""
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration

    torch.manual_seed(0)
    model = BlipForConditionalGeneration(BlipConfig()).eval()
    pixels = torch.rand(1, 3, 384, 384)
    length = 12  # as long as our captions

    with torch.inference_mode():
        tell_best(
            lambda: model.generate(pixel_values=pixels, max_new_tokens=length, min_new_tokens=length, num_beams=1), 3
        )


def onnxruntime() -> None:
    """Our encoder, exported by torch, a picture at a time, on as many threads as ONNX Runtime takes by itself."""
    import torch
    from onnxruntime import InferenceSession

    pixels = torch.rand(1, 3, 224, 224)
    exported = torch.onnx.export(load("torch").encoder, (pixels,), dynamo=True, verbose=False)
    assert exported is not None
    session = InferenceSession(exported.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: pixels.numpy()}
    tell_best(lambda: session.run(None, given), 40)


def encoder() -> None:
    """The same in our runtime."""
    import torch

    captioner, pixels = load("openvino"), torch.rand(1, 3, 224, 224)
    tell_best(lambda: captioner.encode(pixels), 40)


def tell_best(function: Callable[[], object], repeats: int) -> None:
    """The least that it takes in so many calls, after one that does not count, as JSON."""
    function()
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - started)
    sys.stdout.write(json.dumps({"seconds": best}) + "\n")


SERVERS = {"litserve": litserve, "fastapi": fastapi}
TIMED = {"blip": blip, "onnxruntime": onnxruntime, "encoder": encoder}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=[*SERVERS, *TIMED])
    parser.add_argument("port", type=int, nargs="?", default=0)
    given = parser.parse_args()
    if given.peer in SERVERS:
        SERVERS[given.peer](given.port)
    else:
        TIMED[given.peer]()


if __name__ == "__main__":
    main()
