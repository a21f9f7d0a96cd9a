"""Captioners of a few thousand random weights, in the very files that the real ones come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

WORDS = ["a", "cat", "dog", "house", "red", "blue", "on", "the", "hill", "small"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
SIDE_PX = 16
TAGS = [
    ("general", "9"),
    ("explicit", "9"),
    ("long_hair", "0"),
    ("^_^", "0"),
    ("hatsune_miku", "4"),
]


@pytest.fixture
def images() -> list[Image.Image]:
    return [
        Image.new("RGB", size, colour) for size, colour in (((20, 12), "red"), ((9, 30), "blue"))
    ]


@pytest.fixture(scope="session")
def tiny_blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `BlipForConditionalGeneration` saves it; it writes some of `WORDS`."""
    folder = tmp_path_factory.mktemp("captioners") / "tiny-blip"
    tokenizer = _word_tokenizer()
    part = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "initializer_range": 1.0,  # large enough that different pictures get different words
    }
    ids = {
        "bos_token_id": tokenizer.convert_tokens_to_ids("[DEC]"),
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = BlipConfig(
        text_config={
            **part,
            **ids,
            "vocab_size": len(tokenizer),
            "encoder_hidden_size": 16,
            "projection_dim": 16,
            "max_position_embeddings": 80,
        },
        vision_config={**part, "image_size": SIDE_PX, "patch_size": 8},
        projection_dim=16,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BlipForConditionalGeneration(config).save_pretrained(folder)
    images = BlipImageProcessorPil(size={"height": SIDE_PX, "width": SIDE_PX})
    BlipProcessor(images, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_florence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `Florence2ForConditionalGeneration` saves it, which must be asked for a caption."""
    folder = tmp_path_factory.mktemp("captioners") / "tiny-florence"
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<image>"]
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*marks, *(f"Ġ{word}" for word in WORDS), *letters, "Ġ"]
    tokenizer = BartTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)},
        merges=[],
        extra_special_tokens={"image_token": "<image>"},
    )
    text = {
        "model_type": "bart",
        "vocab_size": len(tokenizer),
        "d_model": 16,
        "max_position_embeddings": 200,
        **{f"{part}_layers": 1 for part in ("encoder", "decoder")},
        **{f"{part}_attention_heads": 2 for part in ("encoder", "decoder")},
        **{f"{part}_ffn_dim": 16 for part in ("encoder", "decoder")},
    }
    vision = {
        "embed_dim": [8, 8, 8, 16],
        "num_heads": [1, 1, 1, 2],
        "num_groups": [1, 1, 1, 2],
        "depths": [1, 1, 1, 1],
        "window_size": 4,
        "projection_dim": 16,
        "max_position_embeddings": 8,
        "max_temporal_embeddings": 4,
    }
    config = Florence2Config(
        text_config=text, vision_config=vision, image_token_id=tokenizer.image_token_id
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Florence2ForConditionalGeneration(config).save_pretrained(folder)
    images = CLIPImageProcessorPil(size={"height": 64, "width": 64}, do_center_crop=False)
    images.image_seq_length = 5  # of 2 x 2 places and their mean
    Florence2Processor(images, tokenizer).save_pretrained(folder)
    return folder


def _word_tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        additional_special_tokens=["[DEC]"],
    )


@pytest.fixture(scope="session")
def tiny_tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It is as sure of long hair as the picture is blue, of the rest as it is red: so it tells whether
    the channels come in the WD taggers' order, blue, green, red.
    """
    folder = tmp_path_factory.mktemp("captioners") / "tiny-tagger"
    folder.mkdir()
    write_tagger(folder / "model.onnx")
    rows = [f"{i},{name},{category},9" for i, (name, category) in enumerate(TAGS)]
    table = "\n".join(["tag_id,name,category,count", *rows])
    (folder / "selected_tags.csv").write_text(table, "utf-8")
    return folder


def write_tagger(path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["scores"]),
    ]
    # Rows: blue, green, red. Columns: the tags.
    weights = np.array([[0, 0, 1, 0, 0], [0] * 5, [1, 1, 0, 0.9, 0.8]], np.float32) / 255
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", SIDE_PX, SIDE_PX, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", len(TAGS)])],
        [
            numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            numpy_helper.from_array(weights, "weights"),
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    )
