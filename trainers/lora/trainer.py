"""The LoRA trainer: peft's layers while training, merged weights when a file is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from pydantic import ValidationError
from torch import nn

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, RecipeError
from studio.training.randomness import RandomStreams
from studio.training.trainer import ParamGroup, Trainer
from trainers.lora.merging import merged
from trainers.lora.settings import LoraSettings

TEXT_TARGET_MODULES = ("q_proj", "k_proj", "v_proj", "out_proj")
_PEFT_NAME = "default"


class LoraTrainer(Trainer[LoraSettings]):
    """Trains W + scale * B A in place of W; only A and B (and with DoRA the row lengths) move."""

    kind = "lora"
    Settings = LoraSettings

    @classmethod
    def check(cls, settings: LoraSettings, family: str) -> Iterable[str]:
        if settings.train_text_encoder and family == "svd":
            yield "trainer.train_text_encoder: true, but an svd base has no text encoder"
        if settings.text_encoder_learning_rate and not settings.train_text_encoder:
            yield (
                f"trainer.text_encoder_learning_rate: {settings.text_encoder_learning_rate} has no "
                "effect; set trainer.train_text_encoder: true as well, or leave it out"
            )

    @property
    def trains_text_encoder(self) -> bool:
        return self.settings.train_text_encoder

    def attach(self) -> list[ParamGroup]:
        """Put peft's layers into the U-Net and, where asked for, the text encoder.

        B starts at zero, so nothing changes yet; A is drawn from the run's own random stream.

        Raises:
            RecipeError: a target module is no layer of the U-Net.
        """
        self._require_targets()
        for part in self._parts.values():
            part.requires_grad_(False)
        with RandomStreams(self.context.seed).seeding_torch("lora_init", 0):
            self._inject(self.base.unet, self.settings.target_modules)
            if self.trains_text_encoder:
                self._inject(self.base.text_encoder, TEXT_TARGET_MODULES)
        return [
            ParamGroup(name, _trainable(part), self._learning_rate(name))
            for name, part in self._parts.items()
        ]

    @contextmanager
    def detached(self) -> Iterator[None]:
        layers = [
            (part, name, layer) for part in self._parts.values() for name, layer in _layers(part)
        ]
        try:
            for part, name, layer in layers:
                part.set_submodule(name, layer.get_submodule("base_layer"))
            yield
        finally:
            for part, name, layer in layers:
                part.set_submodule(name, layer)

    def adapter(self) -> Adapter:
        tensors = {
            f"{name}.{key}": parameter.detach().float().cpu().clone().contiguous()
            for name, part in self._parts.items()
            for key, parameter in _trainable(part).items()
        }
        header = AdapterHeader(
            kind=self.kind,
            family=self.base.family,
            base_name=self.base.name,
            base_digest=self.base.digest,
            settings=self.settings.model_dump_json(),
            seed=self.context.seed,
            trigger=self.context.trigger,
            resolution_px=self.context.resolution_px,
        )
        return Adapter(header, tensors)

    @classmethod
    @contextmanager
    def apply(cls, adapter: Adapter, base: BaseModel, strength: float = 1.0) -> Iterator[None]:
        """Merge the adapter into the base's weights, as the webuis do: sampling costs nothing extra.

        Several may be applied at once; each sees the weights as those before it left them, which
        matters to DoRA only.

        Raises:
            AdapterError: another kind or family, a layer that the base lacks, or one of another shape.
        """
        header = adapter.header
        if header.kind != cls.kind:
            raise AdapterError(f"this is a {header.kind} adapter, not a {cls.kind}")
        if header.family != base.family:
            raise AdapterError(
                f"the adapter is for a base of the family {header.family}, "
                f"but {base.name} is of the family {base.family}; choose a base that fits"
            )
        try:
            settings = LoraSettings.model_validate_json(header.settings)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise AdapterError(
                f"the adapter's header has settings that are no LoRA's: {problem}; export it anew"
            ) from error
        with merged(adapter.tensors, base, settings.scale, strength):
            yield

    @property
    def _parts(self) -> dict[str, nn.Module]:
        parts: dict[str, nn.Module] = {"unet": self.base.unet}
        if self.trains_text_encoder:
            parts["text_encoder"] = self.base.text_encoder
        return parts

    def _learning_rate(self, part: str) -> float | None:
        return self.settings.text_encoder_learning_rate if part == "text_encoder" else None

    def _inject(self, part: nn.Module, target_modules: tuple[str, ...]) -> None:
        settings = self.settings
        alpha = settings.rank if settings.alpha is None else settings.alpha
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=alpha,  # type: ignore[arg-type]  # fractions are as good as whole numbers
            lora_dropout=settings.dropout,
            target_modules=list(target_modules),
            use_dora=settings.use_dora,
            use_rslora=settings.use_rslora,
        )
        inject_adapter_in_model(config, part, adapter_name=_PEFT_NAME)
        # peft's own record of it on the model: detached, the base must bear no trace, and nothing reads it.
        del part.peft_config
        part.eval()
        for parameter in _trainable(part).values():
            parameter.data = parameter.data.float()

    def _require_targets(self) -> None:
        names = [name for name, _ in self.base.unet.named_modules()]
        problems = [
            f"trainer.target_modules: {target!r} is no layer of the U-Net of {self.base.name}; "
            "write the end of a layer's name, such as to_q"
            for target in self.settings.target_modules
            if not any(name == target or name.endswith(f".{target}") for name in names)
        ]
        if problems:
            raise RecipeError(problems)


def _layers(part: nn.Module) -> list[tuple[str, nn.Module]]:
    names = [name for name, module in part.named_modules() if isinstance(module, BaseTunerLayer)]
    return [(name, part.get_submodule(name)) for name in names]


def _trainable(part: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters of peft by their neutral names: module path, then lora_A.weight and the like."""
    return {
        _neutral(name): parameter
        for name, parameter in part.named_parameters()
        if parameter.requires_grad
    }


def _neutral(name: str) -> str:
    """A live name of peft's without the adapter's own, as in the field's files."""
    return name.replace(
        f"lora_magnitude_vector.{_PEFT_NAME}.weight", "lora_magnitude_vector"
    ).replace(f".{_PEFT_NAME}.", ".")
