"""Captioners that write a sentence, as transformers has them: BLIP, GIT, Florence-2, ViT-GPT2."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from PIL import Image

from studio.captioning.captioner import Captioner
from studio.model_folder import ALONE, ModelFolder, require_weights

# What the model is asked, by its ``model_type``; most are asked nothing.
PROMPTS: dict[str, str] = {
    "blip": "",
    "florence2": "<DETAILED_CAPTION>",
    "git": "",
    "vision-encoder-decoder": "",
}
_MAX_NEW_TOKENS = (
    60  # 77 are read of a caption at most, the trigger and the recipe's words included
)
_BEAMS = 3


class Describer(Captioner):
    """One sentence a picture; the same picture always gets the same one.

    Attributes:
        kind: the ``model_type`` of its configuration.
    """

    def __init__(self, folder: ModelFolder) -> None:
        super().__init__(folder.path, folder.weight_files)
        self.kind = folder.kind
        self._model_folder = folder

    def captions(self, images: Sequence[Image.Image]) -> list[str]:
        import torch

        with self._model_folder.in_one_line():
            processor, tokenizer, model = self._loaded
        inputs = processor(images=list(images), return_tensors="pt", **self._asked(len(images)))
        with torch.inference_mode():
            tokens = model.generate(
                **inputs.to(model.device),
                max_new_tokens=_MAX_NEW_TOKENS,
                num_beams=_BEAMS,
                do_sample=False,
            )
        texts: list[str] = tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]

    def _asked(self, times: int) -> dict[str, Any]:
        prompt = PROMPTS[self.kind]
        return {"text": [prompt] * times} if prompt else {}

    @cached_property
    def _loaded(self) -> tuple[Any, Any, Any]:
        """Processor of pictures, tokenizer, model."""
        import torch
        from transformers import (
            AutoImageProcessor,
            AutoModelForImageTextToText,
            AutoProcessor,
            AutoTokenizer,
        )

        tokenizer = AutoTokenizer.from_pretrained(self.folder, **ALONE)
        # Where pictures alone are read, they need no processor that knows of text as well.
        kind: Any = AutoProcessor if PROMPTS[self.kind] else AutoImageProcessor
        processor = kind.from_pretrained(self.folder, **ALONE)
        models: Any = (
            AutoModelForImageTextToText  # mistyped: with ``output_loading_info`` it is two
        )
        model, report = models.from_pretrained(
            self.folder, use_safetensors=True, output_loading_info=True, **ALONE
        )
        require_weights(report["missing_keys"])
        return processor, tokenizer, model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
