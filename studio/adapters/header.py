"""The header of an adapter file: what it says of itself, in our keys and in other tools'.

``studio.*`` holds every field of `AdapterHeader`; ``ss_*`` are kohya's keys, from which the webuis tell
an adapter's base and tags; ``modelspec.*`` is the Stability AI Model Metadata Standard 1.0.0. No key holds
a date, a path, a user or a host, so equal training gives equal bytes and nothing private leaves.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, replace
from typing import Any

from studio.adapters.adapter import AdapterHeader
from studio.adapters.formats import LOW_RANK
from studio.errors import AdapterError

MAX_METADATA_BYTES = 1 << 20
SS_BASE_VERSIONS = {
    "sd1": "sd_v1",
    "sd2": "sd_v2",
    "sdxl": "sdxl_base_v1-0",
    "sdxl_refiner": "sdxl_refiner_v1-0",
    "svd": "svd",
}
ARCHITECTURES = {
    "sd1": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2",
    "sdxl": "stable-diffusion-xl-v1-base",
    "sdxl_refiner": "stable-diffusion-xl-v1-refiner",
    "svd": "stable-video-diffusion-img2vid-v1",
}


def to_metadata(header: AdapterHeader) -> dict[str, str]:
    """All keys that follow from the header alone.

    Raises:
        AdapterError: they are too long to be carried along with every adapter.
    """
    public = public_header(header)
    metadata = {f"studio.{name}": _text(value) for name, value in asdict(public).items()}
    metadata |= _modelspec_keys(header)
    if header.kind != "full":
        metadata |= _ss_keys(header, public.base_name)
    size = sum(len(k) + len(v.encode()) for k, v in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise AdapterError(
            f"the adapter's header would take {size:,} bytes of at most {MAX_METADATA_BYTES:,}; "
            "shorten the trigger or the title"
        )
    return metadata


def public_header(header: AdapterHeader) -> AdapterHeader:
    """The header as it may leave the machine: of paths only the last part."""
    return replace(
        header,
        base_name=_public_name(header.base_name),
        settings=_public_settings(header.settings),
    )


def from_metadata(metadata: Mapping[str, str], kind: str) -> AdapterHeader:
    """The header of a file, ours or another tool's; what other tools do not say is left empty.

    Raises:
        AdapterError: a key of ours is broken, or the file is of another kind.
    """
    if "studio.kind" not in metadata:
        return _foreign(metadata, kind)
    values: dict[str, Any] = {}
    for field in fields(AdapterHeader):
        text = metadata.get(f"studio.{field.name}", "")
        if not text and field.default is not MISSING:
            continue  # files of before know fewer fields
        try:
            values[field.name] = _value(text, str(field.type))
        except ValueError as error:
            raise AdapterError(f"studio.{field.name} is {text[:40]!r}, not a number") from error
    if values["kind"] != kind:
        raise AdapterError(f"it says it is of kind {values['kind']!r}, but holds {kind} tensors")
    require_settings(values["settings"])
    return AdapterHeader(**values)


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(text: str, kind: str) -> Any:
    """A field's value; numbers that are absent are 0.

    Raises:
        ValueError: it should be a number and is none.
    """
    if kind == "float":
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(text)
        return number
    return int(text or 0) if kind == "int" else text


def require_settings(text: str) -> None:
    """Refuse a header whose settings are broken; those of another tool's file may be empty.

    Raises:
        AdapterError: they are no JSON object.
    """
    try:
        is_table = isinstance(json.loads(text or "{}"), dict)
    except (ValueError, RecursionError):
        is_table = False
    if not is_table:
        raise AdapterError(f"studio.settings is {text[:40]!r}, no JSON object with settings")


def _public_name(name: str) -> str:
    """A base's name without the folders above it; ``pocket`` and hub ids stay as they are."""
    is_hub_id = name.count("/") == 1 and not name.startswith(("/", ".", "~"))
    return name if is_hub_id else name.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _public_settings(text: str) -> str:
    """Settings in JSON, of paths in them only the last part."""
    try:
        stated = json.loads(text)
    except ValueError:
        return text
    public = _without_folders(stated)
    return text if public == stated else json.dumps(public)


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    is_path = isinstance(value, str) and re.match(r"[/~]|\.{1,2}[/\\]|[A-Za-z]:[/\\]", value)
    return _public_name(value) if is_path else value


def _ss_keys(header: AdapterHeader, base_name: str) -> dict[str, str]:
    """Kohya's keys, as far as the header knows them; a format adds those about its tensors."""
    keys = {
        "ss_base_model_version": SS_BASE_VERSIONS.get(header.family, header.family),
        "ss_sd_model_name": base_name,
        "ss_output_name": header.title,
        "ss_seed": str(header.seed),
        "ss_steps": str(header.steps),
        "ss_num_train_images": str(header.num_pictures),
        "ss_resolution": f"({header.resolution_px}, {header.resolution_px})",
        "ss_v2": str(header.family == "sd2"),
    }
    if header.clip_skip > 1:
        keys["ss_clip_skip"] = str(header.clip_skip)
    if header.trigger:
        tags = {header.title: {header.trigger: header.num_pictures}}
        keys["ss_tag_frequency"] = json.dumps(tags)
    return keys


def _modelspec_keys(header: AdapterHeader) -> dict[str, str]:
    side = header.resolution_px
    keys = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": _architecture(header),
        "modelspec.implementation": "diffusers",
        "modelspec.title": header.title or header.kind,
    }
    if side:
        keys["modelspec.resolution"] = f"{side}x{side}"
    if header.trigger:
        keys["modelspec.trigger_phrase"] = header.trigger
        skip = f"; clip skip {header.clip_skip}" if header.clip_skip > 1 else ""
        keys["modelspec.usage_hint"] = (
            f'put "{header.trigger}" into the prompt; strength {header.strength:g}{skip}'
        )
    return keys


def _architecture(header: AdapterHeader) -> str:
    """The base's architecture, and behind it what is added to it; whole weights are a base again."""
    architecture = ARCHITECTURES.get(header.family, header.family)
    if header.family == "sd2":  # the standard tells the 512 px epsilon from the 768 px v model
        architecture += "-768-v" if header.resolution_px >= 768 else "-512"
    # The standard has one word for all small changes of weights.
    kind = "lora" if header.kind in LOW_RANK else header.kind.replace("_", "-")
    return architecture if kind == "full" else f"{architecture}/{kind}"


def _foreign(metadata: Mapping[str, str], kind: str) -> AdapterHeader:
    return AdapterHeader(
        kind=kind,
        family=_foreign_family(metadata),
        base_name=metadata.get("ss_sd_model_name", ""),
        base_digest="",
        settings="",
        steps=_number(metadata.get("ss_steps", "")),
        clip_skip=_number(metadata.get("ss_clip_skip", "")) or 1,
        seed=_number(metadata.get("ss_seed", "")),
        trigger=metadata.get("modelspec.trigger_phrase", ""),
        title=metadata.get("ss_output_name", "") or metadata.get("modelspec.title", ""),
        num_pictures=_number(metadata.get("ss_num_train_images", "")),
    )


def _foreign_family(metadata: Mapping[str, str]) -> str:
    version = metadata.get("ss_base_model_version", "")
    architecture = metadata.get("modelspec.architecture", "")
    for family, ss_version in SS_BASE_VERSIONS.items():
        if version.startswith(ss_version) or architecture.startswith(ARCHITECTURES[family]):
            return family
    return ""


def _number(text: str) -> int:
    """A count that another tool wrote; some write ``None``."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
