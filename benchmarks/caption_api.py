"""Our torch model behind LitServe, for `peers.py`: in a module of its own, as LitServe's workers import it by name."""

import base64
from typing import Any

import litserve as ls
from peers import BEAM, load, picture
from PIL import Image


class CaptionAPI(ls.LitAPI):  # type: ignore[misc]
    """Pictures in base64 to captions."""

    def setup(self, device: str) -> None:
        self.captioner = load("torch")
        self.decoding = self.captioner.config.decoding.model_copy(update=BEAM)

    def decode_request(self, request: dict[str, Any]) -> Image.Image:
        return picture(base64.b64decode(request["image"]))

    def predict(self, images: list[Image.Image]) -> list[str]:
        return [captions[0].text for captions in self.captioner.caption(images, self.decoding)]

    def encode_response(self, output: str) -> dict[str, str]:
        return {"caption": output}
