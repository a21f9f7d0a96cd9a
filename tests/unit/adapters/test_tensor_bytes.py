"""The bytes of an adapter file, and the hashes in it, worked out in one piece."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from studio.adapters.adapter import AdapterHeader
from studio.adapters.header import to_metadata
from studio.adapters.tensor_bytes import write_tensors

HEADER = AdapterHeader("lora", "sd1", "pocket", "0" * 64, "{}", title="x")


@pytest.mark.parametrize("side", [4, 600])
def test_hashes_are_those_of_the_whole_content(tmp_path: Path, side: int) -> None:
    """600 x 600 fp32 are more than the 1 MiB from which the webuis' old hash is taken."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "b": torch.randn(side, side, generator=generator).half(),
        "a": torch.randn(side, side, generator=generator),
        "c": torch.randn(side, side, generator=generator).T,
    }
    path = tmp_path / "x.safetensors"
    write_tensors(path, tensors, HEADER, {"ss_network_dim": "4"})
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    entries = json.loads(raw[8 : 8 + length])
    metadata, data = entries.pop("__metadata__"), raw[8 + length :]
    assert list(entries) == ["a", "c", "b"]  # widest numbers first
    digest = hashlib.sha256(data).hexdigest()
    assert metadata["sshs_model_hash"] == digest
    assert metadata["modelspec.hash_sha256"] == f"0x{digest}"

    kohyas = {k: v for k, v in metadata.items() if k.startswith("ss_")}
    text = json.dumps({"__metadata__": kohyas, **entries}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file = struct.pack("<Q", len(text)) + text + data
    legacy = hashlib.sha256(file[0x100000:0x110000]).hexdigest()[:8]
    assert metadata["sshs_legacy_hash"] == legacy
    loaded = load_file(path)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_no_folder_of_the_user_is_carried_along() -> None:
    settings = {
        "class_pictures": "/home/someone/dogs",
        "blocks": [{"init_from": "C:\\Users\\someone\\old.safetensors"}, "../mine/x"],
        "instance_prompt": "a photo of sks / dog",
        "rank": 4,
    }
    header = AdapterHeader("lora", "sd1", "/home/someone/base", "0" * 64, json.dumps(settings))
    text = json.dumps(to_metadata(header))
    assert "someone" not in text
    public = json.loads(to_metadata(header)["studio.settings"])
    assert public == {
        "class_pictures": "dogs",
        "blocks": [{"init_from": "old.safetensors"}, "x"],
        "instance_prompt": "a photo of sks / dog",
        "rank": 4,
    }
    assert to_metadata(HEADER)["studio.settings"] == "{}"
