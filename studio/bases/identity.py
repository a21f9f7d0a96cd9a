"""Which base model a name stands for: known before any weight is loaded, and without torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from studio.bases.configuration import read_configuration
from studio.bases.diffusers_folder import DiffusersFolder, read_diffusers_folder
from studio.bases.digests import file_digest, weights_digest
from studio.bases.families import Family
from studio.bases.published import HUB_IDS, PUBLISHED
from studio.bases.single_file import SingleFile, read_single_file
from studio.bases.source import Form, locate
from studio.bases.vae_override import VaeOverride, find_vae
from studio.errors import BaseModelError


@dataclass(frozen=True)
class BaseIdentity:
    """A base model that is on this machine and looks whole.

    Attributes:
        name: as it was given.
        form: ``pocket``, ``folder``, ``file`` or ``hub``; ``published`` where only the configuration is
            here (`identify_published`).
        content: the checked folder or file.
        vae: what is used in the place of its own VAE.
    """

    name: str
    form: Form
    content: DiffusersFolder | SingleFile
    vae: VaeOverride | None = None

    @property
    def family(self) -> Family:
        return self.content.configuration.family

    @property
    def path(self) -> Path:
        return self.content.path

    @property
    def resolution_px(self) -> int:
        """Side of the square pictures that it was trained on."""
        return self.content.configuration.resolution_px

    @property
    def num_frames(self) -> int | None:
        """Of the clips that it makes; None where it draws pictures."""
        return self.content.configuration.num_frames

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all weights, hexadecimal; hashed when first asked for, then remembered."""
        if isinstance(self.content, DiffusersFolder):
            return weights_digest(self.content.path, self.content.weight_files)
        return file_digest(self.content.path)

    @property
    def vae_digest(self) -> str:
        """SHA-256 over the weights of the VAE in the place of its own; empty where that is used."""
        return "" if self.vae is None else self.vae.digest

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know before relying on it: one line each, without the name."""
        found = self.content.remarks if isinstance(self.content, SingleFile) else ()
        if self.vae is None:
            return found
        return (*found, *(f"base.vae: {remark}" for remark in self.vae.remarks))


def identify_base(name: str, *, vae: str = "", allow_download: bool = False) -> BaseIdentity:
    """Find a base model and check its files' headers.

    Args:
        name: ``pocket``, a hub id, a diffusers folder or a single file.
        vae: what is used in the place of its own VAE, as in `studio.bases.settings.BaseSettings`.
        allow_download: fetch a hub id that is not in the local cache; otherwise stay offline.

    Raises:
        BaseModelError: it is not here, not whole, of an unknown family or not supported, or the VAE
            is not here or does not fit.
    """
    source = locate(name, allow_download=allow_download)
    content: DiffusersFolder | SingleFile
    if source.path.is_file():
        content = read_single_file(source.path, name)
    else:
        content = read_diffusers_folder(source.path, name)
    override = find_vae(vae, content) if vae else None
    if isinstance(content, SingleFile) and not content.has_vae and override is None:
        raise BaseModelError(
            f"base model {name!r} holds no VAE (no tensors called first_stage_model); name one as "
            "base.vae, or give a file that has one"
        )
    return BaseIdentity(name, source.form, content, override)


def identify_published(name: str) -> BaseIdentity | None:
    """A well-known hub id by its configuration alone, which ships with the studio; it cannot be loaded."""
    if name not in HUB_IDS:
        return None
    folder = PUBLISHED / HUB_IDS[name]
    content = DiffusersFolder(folder, read_configuration(folder, name), None, ())
    return BaseIdentity(name, "published", content)
