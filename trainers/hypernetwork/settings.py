"""The ``trainer:`` section of a hypernetwork recipe."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from studio.settings import TrainerSettings

DROPOUT = 0.3
ActivationFunc = Literal[
    "linear", "relu", "leakyrelu", "elu", "swish", "tanh", "sigmoid",
    "celu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "logsigmoid", "mish",
    "relu6", "rrelu", "selu", "silu", "softplus", "softshrink", "softsign", "tanhshrink",
]  # fmt: skip
WeightInit = Literal[
    "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"
]
Multiple = Annotated[float, Field(gt=0, le=32)]
Share = Annotated[float, Field(ge=0, lt=1)]


class HypernetworkSettings(TrainerSettings):
    """A hypernetwork in the sense of AUTOMATIC1111's stable-diffusion-webui (2022)."""

    kind: Literal["hypernetwork"] = "hypernetwork"
    """The method."""

    layer_structure: tuple[Multiple, ...] = Field((1, 2, 1), min_length=2)
    """Width of each layer as a multiple of the context's; it starts and ends with 1. 1, 2, 1 is usual;
    1, 2, 2, 1 or 1, 4, 1 learn finer, copy sooner and make a larger file."""

    activation_func: ActivationFunc = "relu"
    """What bends the numbers between layers, by A1111's name. ``relu``, ``leakyrelu``, ``swish`` (which is
    Hardswish) and ``mish`` are usual; ``linear`` is none. ComfyUI knows linear, relu, leakyrelu, elu,
    swish, tanh, sigmoid, softsign and mish."""

    activate_output: bool = False
    """Apply the activation behind the last layer too."""

    add_layer_norm: bool = False
    """Normalise the numbers behind each layer. A1111 follows; ComfyUI does only where the activation is
    ``linear`` or activate_output is on."""

    use_dropout: bool = False
    """Leave numbers out at random while training: 30% behind each layer but the last two, unless
    dropout_structure says otherwise. It copies less and learns slower."""

    last_layer_dropout: bool = False
    """With use_dropout: leave numbers out before the last layer as well."""

    dropout_structure: tuple[Share, ...] | None = None
    """Share of numbers left out behind each width of layer_structure, as many as those; the first and
    the last are 0. For example 0, 0.1, 0. Empty: as use_dropout says."""

    weight_init: WeightInit = "kaiming_normal"
    """How the layers' weights are drawn: ``normal`` with a standard deviation of 0.01 is A1111's own
    default; kaiming suits relu and its kin, xavier suits tanh and sigmoid."""

    zero_last_layer: bool = True
    """Start the last layer at zero, so that training sets out from exactly the base model, with hidden
    layers that are ready to be used: it learns sooner and steadier. False: A1111's start, which changes
    the pictures a little from the first step on."""

    widths: tuple[int, ...] | None = Field(None, min_length=1)
    """Context widths to train for: those of the text (768 for SD 1.x, 1024 for SD 2.x, 2048 for SDXL) and
    those of self-attention (320, 640, 1280). Empty: all that the base has, A1111's default too."""

    @property
    def dropouts(self) -> tuple[float, ...]:
        """The share left out behind each width of ``layer_structure``."""
        count = len(self.layer_structure)
        if self.dropout_structure is not None:
            return self.dropout_structure
        if not self.use_dropout or count < 3:
            return (0.0,) * count
        last = DROPOUT if self.last_layer_dropout else 0.0
        return (0.0, *[DROPOUT] * (count - 3), last, 0.0)

    @model_validator(mode="after")
    def _from_one_to_one(self) -> Self:
        layers = self.layer_structure
        if layers[0] != 1 or layers[-1] != 1:
            raise ValueError(
                f"layer_structure {', '.join(f'{m:g}' for m in layers)} must start and end with 1, "
                "for what comes out is added to what went in"
            )
        return self

    @model_validator(mode="after")
    def _dropout_fits(self) -> Self:
        if self.last_layer_dropout and not self.use_dropout:
            raise ValueError("last_layer_dropout: true has no effect without use_dropout: true")
        shares, count = self.dropout_structure, len(self.layer_structure)
        if shares is None:
            return self
        if len(shares) != count or shares[0] != 0 or shares[-1] != 0:
            raise ValueError(
                f"dropout_structure {', '.join(f'{s:g}' for s in shares)} must have {count} numbers, "
                "as layer_structure has, the first and the last 0"
            )
        if self.last_layer_dropout:
            raise ValueError("give dropout_structure or last_layer_dropout, not both")
        return self
