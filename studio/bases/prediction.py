"""What a single file was trained to predict, by whatever it says of itself. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.bases.checkpoint_header import CheckpointHeader
from studio.bases.families import Family

V_MARKER = "v_pred"
"""An empty tensor that models of v-prediction carry, by a convention of their makers."""
ZERO_SNR_MARKER = "ztsnr"
"""The same for a noise schedule that ends without signal; Lin et al., 2023, arXiv 2305.08891."""
SD2_EPSILON_STEP = 875_000
"""The step at which SD 2.0's model of 512 px was saved, which predicts epsilon."""
_SPEC_PREDICTION = ("modelspec.prediction_type", "modelspec.prediction_key", "prediction_type")
_SPEC_ARCHITECTURE = "modelspec.architecture"
_EPSILON, _V = ("epsilon", "eps"), ("v", "v_prediction", "v-prediction", "v_pred")


@dataclass(frozen=True)
class Prediction:
    """What is known of it.

    Attributes:
        is_v: whether it predicts v; epsilon otherwise.
        scheduler: what the noise scheduler's configuration has in place of the published one's.
        remark: for the user, where it was guessed.
    """

    is_v: bool
    scheduler: Mapping[str, object] = field(default_factory=dict)
    remark: str = ""


def prediction_of(header: CheckpointHeader, family: Family, name: str) -> Prediction:
    """Judge by metadata, then marker tensors, then the step, then the name.

    Args:
        name: the file's, which for SD 2.x often has the resolution in it.
    """
    if family == "svd":
        return Prediction(is_v=True)
    said = _said(header, family)
    scheduler: dict[str, object] = {}
    if said is not None and family != "sd2":
        scheduler["prediction_type"] = "v_prediction" if said else "epsilon"
    if ZERO_SNR_MARKER in header.tensors:
        scheduler["rescale_betas_zero_snr"] = True
        if family in ("sd1", "sd2"):
            scheduler["_class_name"] = (
                "DDIMScheduler"  # the published one knows of no such schedule
            )
    if said is not None or family != "sd2":
        return Prediction(bool(said), scheduler)
    return _of_sd2_by_name(name, scheduler)


def _said(header: CheckpointHeader, family: Family) -> bool | None:
    """Whether it predicts v, by what is in the file."""
    values = (header.metadata.get(key, "").lower() for key in _SPEC_PREDICTION)
    known = next((value for value in values if value in (*_EPSILON, *_V)), None)
    if known is not None:
        return known in _V
    architecture = header.metadata.get(_SPEC_ARCHITECTURE, "").lower()
    if family == "sd2" and "stable-diffusion-v2" in architecture:
        return "768-v" in architecture
    if V_MARKER in header.tensors:
        return True
    return False if header.global_step == SD2_EPSILON_STEP and family == "sd2" else None


def _of_sd2_by_name(name: str, scheduler: dict[str, object]) -> Prediction:
    sizes = set(re.findall(r"(?<!\d)(512|768)(?!\d)", name))
    what = "epsilon at 512 px" if sizes == {"512"} else "v at 768 px"
    why = "its name says so" if len(sizes) == 1 else "nothing in the file says which"
    remark = (
        f"taken for a model of SD 2.x that predicts {what}, for {why}; if pictures come out as noise, "
        "set loss.prediction_type, or put a configuration folder beside the file"
    )
    return Prediction(sizes != {"512"}, scheduler, remark)
