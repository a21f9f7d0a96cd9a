"""What captions hold that is addressed to a program: a web page's, or a prompt box's."""

from __future__ import annotations

import html
import re

_TAGS = (
    "a|b|blockquote|br|center|code|div|em|font|h[1-6]|hr|i|img|li|ol|p|pre|small|span|strong|sub"
    "|sup|table|tbody|td|th|tr|u|ul"
)
_HTML_TAG = re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
_ADDRESS = re.compile(r"https?://\S+")
# The webuis' own words: adapters, prompt chunks, and (emphasis:1.2). Plain brackets stay, for tags
# such as "saber (fate)" have them.
_ADAPTER = re.compile(r"<(?:lora|lyco|hypernet|ti):[^<>]*>", re.IGNORECASE)
_CHUNK = re.compile(r"\b(?:BREAK|ADDCOMM|ADDBASE|ADDCOL|ADDROW)\b")
_EMPHASIS = re.compile(r"\(+([^()]*?):\s*\d?\.\d+\)+")
_ESCAPED = re.compile(r"\\([()\[\]])")
_EMPTY_TAGS = re.compile(r"\s*,(?:\s*,)+")

_REMOVED = (_HTML_TAG, _ADAPTER, _CHUNK, _ADDRESS)


def markup_in(text: str) -> list[str]:
    """Every piece of markup, each once, in the order in which they stand."""
    patterns = (*_REMOVED, _EMPHASIS, _ESCAPED)
    found = [(m.start(), m.group()) for pattern in patterns for m in pattern.finditer(text)]
    found += [
        (m.start(), m.group()) for m in _ENTITY.finditer(text) if html.unescape(m.group()) != m[0]
    ]
    return list(dict.fromkeys(piece for _, piece in sorted(found)))


def without_markup(text: str) -> str:
    """The words alone: tags, adapters and addresses removed, entities and escapes written as the
    characters that they stand for. Text without markup stays as it is.
    """
    if not markup_in(text):
        return text
    text = html.unescape(text)
    for pattern in _REMOVED:
        text = pattern.sub(" ", text)
    text = _ESCAPED.sub(r"\1", _EMPHASIS.sub(r"\1", text))
    lines = (_EMPTY_TAGS.sub(",", " ".join(line.split())) for line in text.splitlines())
    return "\n".join(line.replace(" ,", ",").strip(" ,") for line in lines)
