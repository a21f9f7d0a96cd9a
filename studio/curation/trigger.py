"""The word that calls up what was learned: where it stands in captions, and in what spellings."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"[\w'’<>-]+")
_MIN_LETTERS = 4  # in a shorter word, one letter more or less makes another word


def with_trigger(caption: str, trigger: str) -> str:
    """``trigger, caption``; a caption that holds the trigger already gets its spelling and no more.

    Capitals are nothing to a base's own words, but a word that it has yet to learn is known in one
    spelling only. Of a caption of several lines each is one of its own.
    """
    return "\n".join(_line_with_trigger(line, trigger) for line in caption.split("\n"))


def holds(caption: str, trigger: str) -> bool:
    """Whether every line has the trigger in it, in any capitals: nothing would be put in front."""
    return all(_in_any_capitals(trigger).search(line) for line in caption.split("\n"))


def spellings(caption: str, trigger: str) -> set[str]:
    """How the trigger is written there, capitals included."""
    return set(_in_any_capitals(trigger).findall(caption))


def longer_words(caption: str, trigger: str) -> set[str]:
    """Words of which the trigger is only a part, such as ``sunflower`` of ``sun``, in captions
    where it does not stand by itself too.
    """
    alone = re.compile(rf"(?<!\w){re.escape(trigger)}(?!\w)", re.IGNORECASE)
    if alone.search(caption):
        return set()
    return {word for word in _WORD.findall(caption) if trigger.lower() in word.lower()}


def misspellings(captions: Iterable[str], trigger: str) -> dict[str, int]:
    """Words that are one slip of the hand away from the trigger (a letter too many, too few, another
    one, or two changed over), and in how many captions.

    None for triggers that are short or of several words.
    """
    if len(trigger) < _MIN_LETTERS or not _WORD.fullmatch(trigger):
        return {}
    counts: dict[str, int] = {}
    for caption in captions:
        for word in set(_WORD.findall(caption)):
            if _is_one_slip(word.lower(), trigger.lower()):
                counts[word] = counts.get(word, 0) + 1
    return counts


def respelled(text: str, words: Iterable[str], trigger: str) -> str:
    """``text`` with each of ``words`` replaced by the trigger."""
    for word in words:
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", lambda _: trigger, text)
    return text


def _line_with_trigger(line: str, trigger: str) -> str:
    if not trigger:
        return line
    in_any_capitals = _in_any_capitals(trigger)
    if in_any_capitals.search(line):
        return in_any_capitals.sub(lambda _: trigger, line)
    return f"{trigger}, {line}" if line else trigger


def _in_any_capitals(trigger: str) -> re.Pattern[str]:
    return re.compile(re.escape(trigger), re.IGNORECASE)


def _is_one_slip(word: str, trigger: str) -> bool:
    if word == trigger or trigger in word or abs(len(word) - len(trigger)) > 1:
        return False
    start = _common(word, trigger)
    end = min(_common(word[::-1], trigger[::-1]), min(len(word), len(trigger)) - start)
    wrong, right = word[start : len(word) - end], trigger[start : len(trigger) - end]
    return (len(wrong) <= 1 and len(right) <= 1) or (len(wrong) == 2 and wrong == right[::-1])


def _common(first: str, second: str) -> int:
    """Length of what both begin with."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count
