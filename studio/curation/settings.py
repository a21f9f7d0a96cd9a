"""The recipe's ``dataset:`` section: where the pictures are and how they are judged."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from studio.curation.check_names import known_check
from studio.curation.clip_settings import ClipSettings
from studio.place import PathText, Place
from studio.settings import Section

Ruling = Literal["off", "info", "warn", "block"]
CheckName = Annotated[str, AfterValidator(known_check)]


class CurationSettings(Section):
    """Limits of the checks. The defaults are where experience says to start."""

    min_side_px: int | None = Field(None, ge=1)
    """Block pictures whose shorter side is below this many pixels. Empty: half the resolution."""

    near_duplicate_distance: int = Field(8, ge=0, le=32)
    """Hash distance (of 64 bits) up to which two pictures are compared as near duplicates; 0 means
    equal hashes."""

    blank_entropy_bits: float = Field(0.5, ge=0, le=8)
    """Block pictures whose colours carry less information than this. A line drawing is never blank,
    however few its strokes."""

    blur_edge_px: float = Field(1.8, gt=0)
    """Warn when the sharpest edges of a picture are wider than this, in pixels at training size."""

    material_evidence: float = Field(7.0, gt=0)
    """Speak of two materials in one set when that is e to the power of this likelier than one alone.
    More: seldom wrong, and silent on more mixed sets."""

    tone_deviations: float = Field(5.0, gt=0)
    """Remark on pictures that stand out of the set in light or colour by more than so many deviations."""

    low_information_bits: float = Field(2.5, ge=0, le=8)
    """Warn of a photograph whose colours carry less information than this; drawings are let pass."""

    max_clipped_share: float = Field(0.2, gt=0, lt=1)
    """Warn when more than this share of a photograph is burnt out to white or blocked up to black."""

    darkest_tone: float = Field(30, ge=0, le=255)
    """Warn of a photograph whose range of tones has its middle below this (0 is black)."""

    brightest_tone: float = Field(225, ge=0, le=255)
    """Warn of a photograph whose range of tones has its middle above this (255 is white)."""

    jpeg_quality_warn: float = Field(50, ge=0, le=100)
    """Warn of pictures once saved as JPEG below this quality (1 to 100), by file or by pixels."""

    jpeg_quality_block: float = Field(30, ge=0, le=100)
    """Block pictures once saved as JPEG below this quality."""

    upscaled_detail: float = Field(0.7, gt=0, le=1)
    """Warn when a picture was enlarged so much that its detail fills less than this share of its width."""

    smoothed_texture: float = Field(0.4, gt=0, le=1)
    """Warn when a photograph keeps less than this share of the fine texture that its edges let expect:
    denoisers and beauty filters take it away."""

    max_border_share: float = Field(0.02, gt=0, lt=1)
    """Warn when bars or a frame of one colour take more than this share of a picture."""

    max_crop_share: float = Field(0.35, gt=0, lt=1)
    """Warn when more than this share of a picture is cut off to fit the nearest bucket."""

    trigger_max_tokens: int = Field(4, ge=1)
    """Point out a trigger that the base model's tokenizer splits into more pieces than this."""

    named_share: float = Field(0.8, gt=0, le=1)
    """Point out words that stand in at least this share of the captions beside the trigger: what is
    learned is tied to them too."""

    min_pictures: int = Field(3, ge=1)
    """Stop before training when fewer pictures than this are kept."""

    advised_pictures: int = Field(50, ge=1)
    """Warn when fewer pictures than this are kept: more than 50 is good, 200 better."""

    ample_pictures: int = Field(200, ge=1)
    """Remark on what more pictures would be worth when fewer than this are kept."""

    content_model: Annotated[str, Place(never="(pocket)?")] = ""
    """A vision model to tell by what pictures show: ``pocket``, or a folder with CLIP, SigLIP, DINOv2,
    DINOv3 or ViT in transformers form. Empty: not looked at."""

    content_deviations: float = Field(3.0, gt=0)
    """Remark on pictures whose content is further from its nearest in the set than usual by more than
    so many deviations."""

    content_similarity: float = Field(0.95, gt=0, le=1)
    """Remark on pictures that show much the same: cosine of their embeddings above this."""

    severity: dict[CheckName, Ruling] = Field(default_factory=dict)
    """What a check's findings count for, by its name: ``block`` drops a picture and stops a set,
    ``warn`` and ``info`` only say so, ``off`` says nothing. Left out: the check's own judgement. Of
    copies, ``off`` means ``info``: they must not stand on both sides of the validation split."""

    keep: tuple[str, ...] = ()
    """Pictures to keep whatever the checks say, by name below the source folder. Broken ones stay
    out."""

    drop: tuple[str, ...] = ()
    """Pictures to leave out whatever the checks say, by name below the source folder."""


class CaptionSettings(Section):
    """What happens to a caption each time it is shown. All of it is off until asked for."""

    prefix: str = ""
    """Text put before every caption, with a blank between."""

    suffix: str = ""
    """Text put after every caption, with a blank between unless it begins with a comma or the like."""

    draw_line: bool = False
    """Take the lines of a caption file for alternatives and draw one at each showing. Off: all lines
    are one text."""

    wildcards: bool = False
    """Draw one of the alternatives of ``{red|blue|}`` at each showing. Off: braces are read as they
    stand."""

    tag_separator: str = Field(",", min_length=1)
    """What stands between the tags of a caption."""

    shuffle_tags: bool = False
    """Show the tags in another order each time, so that none is tied to its place."""

    keep_tokens: int = Field(0, ge=0)
    """How many tags at the beginning are neither shuffled nor dropped. Usual: 1 with a trigger."""

    keep_tokens_separator: str = ""
    """A mark such as ``|||`` in captions: the tags before it stay where they are, as do those after a
    second one. It takes the place of ``keep_tokens`` in captions that hold it."""

    tag_dropout: float = Field(0.0, ge=0.0, le=1.0)
    """Chance of leaving out each tag at each showing. Kept tags and those with the trigger always
    stay. Usual: 0 to 0.2."""


class DatasetSettings(Section):
    """The pictures to learn from."""

    source: Annotated[str, Place(never="hf:.*")]
    """Folder with the pictures, an archive or table of them, or hf:owner/name. Archives are .zip and
    .tar (WebDataset shards too: ``a-{000..003}.tar``), tables .parquet, .arrow and what ``save_to_disk``
    wrote; they are unpacked once into the user's cache. Captions come from .txt files beside the
    pictures, metadata.jsonl or metadata.csv, or the file names; of tables see ``caption_column``."""

    caption_column: str = ""
    """Column of a table that holds the captions; ``none``: no captions. Empty: text, caption, prompt or
    the like, whichever is there."""

    caption_folder: PathText = ""
    """Folder with captions that come before all others: ``fox.txt`` for ``fox.png``. Corrected captions
    and those of a captioner are written into one."""

    trigger: str = ""
    """Word or phrase that will call up what was learned; put before every caption without it."""

    resolution: int | None = Field(None, ge=64, le=2048, multiple_of=8)
    """Side in pixels of a square bucket; others have the same area. Empty: what the base was
    trained on."""

    max_aspect_ratio: float = Field(2.0, ge=1.0, le=4.0)
    """Longest bucket, width to height or height to width. 1 crops everything to a square."""

    flip_probability: float = Field(0.0, ge=0.0, le=1.0)
    """Chance of mirroring a picture left to right in a step. Leave at 0 for faces, text and
    characters."""

    crop: Literal["centre", "random"] = "centre"
    """Which part of a picture that is longer than its bucket is learned from: the middle, or several
    parts in turn."""

    crops_per_image: int = Field(4, ge=1, le=64)
    """How many parts of a picture are cached with ``crop: random``, spread evenly; one is drawn at
    each showing."""

    mask: Literal["none", "alpha", "folder"] = "none"
    """Where the picture is learned from: everywhere, where it is not transparent, or where the mask of
    the same name in ``mask_folder`` is white. Goes with ``loss.masked_loss``."""

    mask_folder: PathText = ""
    """Folder with a mask for each picture: same name, any picture format, same size; white is learned,
    black is not."""

    clip: ClipSettings = ClipSettings()
    """How clips are read; for Stable Video Diffusion, whose source is a folder of videos (.mp4, .webm,
    .mov), GIFs and folders of numbered frames."""

    caption: CaptionSettings = CaptionSettings()
    """What happens to captions each time they are shown."""

    caption_dropout: float = Field(0.1, ge=0.0, le=1.0)
    """Chance of training a step on an empty caption, of clips without the picture that they begin with,
    so that guidance keeps working. Usual: 0.05 to 0.2."""

    validation_share: float = Field(0.15, ge=0.0, le=0.5)
    """Share of the kept pictures held out from training and used only to measure. Near duplicates
    stay on one side."""

    curation: CurationSettings = CurationSettings()
    """Limits of the checks on the set."""

    @model_validator(mode="after")
    def _mask_folder_with_its_setting(self) -> Self:
        if self.mask == "folder" and not self.mask_folder.strip():
            raise ValueError(
                'mask is "folder" but mask_folder is empty; name the folder of the masks'
            )
        if self.mask != "folder" and self.mask_folder.strip():
            raise ValueError(
                f'mask_folder is "{self.mask_folder}" but mask is "{self.mask}"; '
                'set mask to "folder", or leave mask_folder out'
            )
        return self
