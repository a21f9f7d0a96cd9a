from __future__ import annotations

import io
import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file

from studio.adapters.files import check_fits, read_adapter, require_fit
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

NAME = "lora_unet_mid_block_attentions_0_proj_in"
LAYER = {
    f"{NAME}.lora_down.weight": torch.ones(2, 8),
    f"{NAME}.lora_up.weight": torch.ones(8, 2),
    f"{NAME}.alpha": torch.tensor(2.0),
}
PEFT = {"unet.x.lora_A.weight": torch.ones(2, 8), "unet.x.lora_B.weight": torch.ones(8, 2)}


def with_header(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(
    start: int, end: int, dtype: str = "F32", shape: tuple[int, ...] = (1,)
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("the pickle was run",)


def saved_by_torch(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "pickle": (pickle.dumps(Bomb()), "pickled file"),
    "torch zip": (b"PK\x03\x04" + bytes(60), "pickled file"),
    "text": (b"hello there, this is no adapter", "header claims"),
    "header bomb": (struct.pack("<Q", 1 << 40) + b"{}", "header claims 1,099,511,627,776"),
    "short header": (struct.pack("<Q", 1000) + b"{}", "truncated"),
    "header is no JSON": (struct.pack("<Q", 4) + b"abcd", "safetensors header"),
    "deep JSON": (struct.pack("<Q", 200_000) + b"[" * 200_000, "safetensors header"),
    "header is a list": (with_header([1]), "not a JSON object"),
    "metadata of numbers": (with_header({"__metadata__": {"a": 1}}), "table of strings"),
    "truncated": (save(LAYER)[:-8], "truncated"),
    "trailing bytes": (save(LAYER) + b"more", "4 bytes too many"),
    "negative offset": (with_header({"a": entry(-4, 0)}, bytes(4)), "contradicts itself"),
    "wrong size": (with_header({"a": entry(0, 8)}, bytes(8)), "contradicts itself"),
    "overlap": (with_header({"a": entry(0, 4), "b": entry(0, 4)}, bytes(4)), "overlap"),
    "no offsets": (with_header({"a": {"dtype": "F32"}}), "broken entry for 'a'"),
    "offsets of text": (
        with_header({"a": {**entry(0, 4), "data_offsets": ["0", "4"]}}),
        "contra|brok",
    ),
    "integers": (with_header({"a": entry(0, 4, "I32")}, bytes(4)), "as I32, not as float"),
    "no adapter": (save({"model.weight": torch.ones(1)}), "known kinds are: .*lora"),
    "no tensors": (with_header({}), "it has 'nothing'"),
    "half a layer": (save({f"{NAME}.lora_down.weight": torch.ones(2, 8)}), "lacks a lora_B.weight"),
    "a stranger": (save({**LAYER, "lora_unet_x.diff": torch.ones(1)}), "'lora_unet_x' is not of"),
    "SDXL": (
        save({k.replace("_unet_", "_te2_"): v for k, v in LAYER.items()}),
        "not of Stable Diffusion 1.x, 2.x or XL",
    ),
    "another kind": (save(LAYER, {"studio.kind": "dreambooth"}), "of kind 'dreambooth'"),
    "broken number": (save(LAYER, {"studio.kind": "lora", "studio.steps": "x"}), "studio.steps"),
    "endless strength": (
        save(LAYER, {"studio.kind": "lora", "studio.strength": "inf"}),
        "studio.strength is 'inf', not a number",
    ),
    "broken settings": (
        save(LAYER, {"studio.kind": "lora", "studio.settings": "[]"}),
        "no JSON object with settings",
    ),
    "rank zero": (
        save(
            {
                f"{NAME}.lora_down.weight": torch.ones(0, 8),
                f"{NAME}.lora_up.weight": torch.ones(8, 0),
            }
        ),
        "lacks a lora_B.weight",
    ),
    "no number for an alpha": (
        save({**LAYER, f"{NAME}.alpha": torch.tensor(float("inf"))}),
        "not finite",
    ),
    "peft's alpha is text": (
        save(PEFT, {"lora_adapter_metadata": '{"unet.lora_alpha": "x"}'}),
        "broken alpha",
    ),
    "peft's configuration is no JSON": (save(PEFT, {"lora_adapter_metadata": "{"}), "is not JSON"),
    "peft's half a layer": (save({"unet.x.lora_A.weight": torch.ones(2, 8)}), "lacks a lora_B"),
    "list of alphas": (save({**LAYER, f"{NAME}.alpha": torch.ones(2)}), "alpha of 2 numbers"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_adapter_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    content, expected = HOSTILE[case]
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(content)
    with pytest.raises(AdapterError, match=expected) as caught:
        read_adapter(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("length", [0x180, 0x4B50])
def test_a_header_as_long_as_a_pickle_begins_is_no_pickle(tmp_path: Path, length: int) -> None:
    """0x80 opens a pickle and "PK" (0x4B50) a zip: as lengths both are sane."""
    content = save(LAYER)
    used = int.from_bytes(content[:8], "little")
    padded = struct.pack("<Q", length) + content[8 : 8 + used].ljust(length) + content[8 + used :]
    (tmp_path / "x.safetensors").write_bytes(padded)
    assert read_adapter(tmp_path / "x.safetensors").header.kind == "lora"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="is no file"):
        read_adapter(tmp_path / "none.safetensors")
    with pytest.raises(AdapterError, match="holds no adapter"):
        read_adapter(tmp_path)


def test_what_other_tools_do_not_say_is_left_empty(tmp_path: Path) -> None:
    save_file(LAYER, tmp_path / "x.safetensors", metadata={"ss_steps": "None", "ss_seed": "42"})
    header = read_adapter(tmp_path / "x.safetensors").header
    assert (header.steps, header.seed, header.base_name, header.family) == (0, 42, "", "sd1")
    assert json.loads(header.settings) == {
        "kind": "lora",
        "variant": "lora",
        "rank": 2,
        "alpha": 2.0,
        "use_dora": False,
    }


def test_another_base_is_a_warning_and_another_family_a_refusal(
    tiny_base: BaseModel, lora: Any
) -> None:
    adapter = lora(tiny_base, unet_targets=("attn2.to_k",), text_targets=())
    assert check_fits(adapter, tiny_base) == []
    other = replace(tiny_base, name="other", digest="f" * 64)
    (warning,) = check_fits(adapter, other)
    assert tiny_base.digest[:12] in warning
    assert "f" * 12 in warning
    with pytest.raises(AdapterError, match=f"{tiny_base.digest[:12]}.*family sd1.*f{{12}}.*sd2"):
        check_fits(adapter, replace(other, family="sd2"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "song"}, "^this is a song adapter, but needed is lora or loha$"),
        ({"family": "sd2"}, "family sd2, which does not fit tiny .* choose a base of family sd2$"),
        ({"settings": "no JSON"}, "'no JSON', no JSON object"),
        ({"settings": "[]"}, "no JSON object"),
    ],
)
def test_what_a_trainer_cannot_apply_is_refused(
    tiny_base: BaseModel, lora: Any, change: dict[str, str], message: str
) -> None:
    adapter = lora(tiny_base, unet_targets=("attn2.to_k",), text_targets=())
    for settings in (adapter.header.settings, ""):  # other tools' files say nothing of settings
        header = replace(adapter.header, settings=settings)
        require_fit(replace(adapter, header=header), tiny_base, ("lora", "loha"))
    wrong = replace(adapter, header=replace(adapter.header, **change))
    with pytest.raises(AdapterError, match=message):
        require_fit(wrong, tiny_base, ("lora", "loha"))


PICKLED: dict[str, tuple[bytes, str]] = {
    "code": (pickle.dumps(Bomb()), "it wants to run"),
    "empty": (b"", "no whole file"),
    "text": (b"hello there, this is no adapter", "no whole file"),
    "a torch zip cut short": (b"PK\x03\x04" + bytes(60), "no whole file"),
    "a list": (saved_by_torch([1, 2]), "holds a list, no table of tensors"),
    "a stranger's table": (saved_by_torch({"weights": torch.ones(1)}), "holds no adapter"),
}


@pytest.mark.parametrize("case", PICKLED)
def test_pickled_files_are_read_without_running_them(tmp_path: Path, case: str) -> None:
    content, expected = PICKLED[case]
    path = tmp_path / "adapter.pt"
    path.write_bytes(content)
    with pytest.raises(AdapterError, match=expected) as caught:
        read_adapter(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
