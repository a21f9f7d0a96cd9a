"""The sentences that a new word is learned in.

They hold all that the pictures share beside the word, so that the word does not have to (Gal et al., 2023,
section 4.1, take theirs from CLIP's).
"""

from __future__ import annotations

FILLER = "{}"

OBJECT = (
    "{}",
    "a photo of {}",
    "a picture of {}",
    "a drawing of {}",
    "a clear photo of {}",
    "a close view of {}",
    "a simple picture of {}",
    "a good photo of one {}",
    "a small {}",
    "a large {}",
    "the {} alone",
    "one {} seen from the side",
    "{} in the middle of the picture",
    "{} on a plain background",
    "this is {}",
    "here you see {}",
    "my {}",
    "the same {} once more",
    "a bright image of {}",
    "a dark image of {}",
    "an illustration that shows {}",
)

STYLE = (
    "{}",
    "a picture in the style of {}",
    "a drawing in the style of {}",
    "a painting in the style of {}",
    "an image made as {}",
    "something drawn as {}",
    "an object in {} style",
    "a scene in {} style",
    "{} style",
    "{} art",
    "artwork by {}",
    "a small work of {}",
    "a fine example of {}",
    "a typical {} picture",
    "the look of {}",
    "colours and lines of {}",
    "a plain subject shown as {}",
    "a design in the manner of {}",
    "an illustration after {}",
    "one more picture in the {} style",
    "a detail in the style of {}",
)


def sentences(templates: str | tuple[str, ...]) -> tuple[str, ...]:
    """The templates that the setting means; none where captions are used instead."""
    if not isinstance(templates, str):
        return templates
    return {"object": OBJECT, "style": STYLE, "captions": ()}[templates]
