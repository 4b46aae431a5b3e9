"""What a person should know of decoded pictures before anything is trained on them."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablation.pictures.decode import Facts
from ablation.pictures.folders import DataError
from ablation.pictures.split import Split, sha256

#: Said of one picture, and of several.
COPIED = ("is a copy of another", "are copies of others")


@dataclass(frozen=True)
class Member:
    """A picture's place, and its file's digest."""

    split: str
    index: int
    label: int
    name: str
    content: str


def refuse_two_labels(groups: Sequence[Sequence[Member]], classes: Sequence[str]) -> None:
    """No file may be in two classes, in whichever splits.

    Args:
        groups: of `copies`.

    Raises:
        DataError: naming two places of each such file.
    """
    lines = [
        _both(pair, classes)
        for group in groups
        for content in dict.fromkeys(member.content for member in group)
        if (pair := _two_labels([member for member in group if member.content == content]))
    ]
    if lines:
        raise DataError(listed(lines, "picture has two labels", "pictures have two labels"))


def _two_labels(group: Sequence[Member]) -> tuple[Member, Member] | None:
    """The first of a group and one of another class."""
    other = next((member for member in group if member.label != group[0].label), None)
    return (group[0], other) if other else None


def _both(pair: tuple[Member, Member], classes: Sequence[str]) -> str:
    return " and ".join(f"{member.name} ({classes[member.label]})" for member in pair)


def listed(lines: Sequence[str], one: str, several: str) -> str:
    """A message that names the first ten of what must be mended."""
    shown = "\n".join(f"  {line}" for line in lines[:10])
    more = f"\n  … and {len(lines) - 10} more" if len(lines) > 10 else ""
    return f"{len(lines)} {one if len(lines) == 1 else several}; mend or remove:\n{shown}{more}"


def copies(splits: Mapping[str, Split]) -> list[list[Member]]:
    """Pictures of the same pixels, whatever their files are called and what else is in them.

    A file's bytes would miss a copy whose date or place was edited. All pixels are compared only
    where a part of them, and not the files, are the same: nearly never.
    """
    alike: dict[bytes, list[Member]] = {}
    for name, split in splits.items():
        for index, facts in enumerate(split.facts):
            if facts:
                where = int(split.labels[index]), split.names[index], split.contents[index]
                alike.setdefault(facts.mark, []).append(Member(name, index, *where))
    found: list[list[Member]] = []
    for group in alike.values():
        same = {group[0].content: group}
        if len({member.content for member in group}) > 1:
            same = {}
            for member in group:
                pixels = splits[member.split].pixels(member.index)
                key = f"{pixels.shape} {sha256(pixels.tobytes())}"
                same.setdefault(key, []).append(member)
        found += [members for members in same.values() if len(members) > 1]
    return found


def notes(
    splits: Mapping[str, Split], classes: Sequence[str], groups: Sequence[Sequence[Member]]
) -> Iterator[str]:
    """A line on each kind of thing that is allowed and should be known.

    Args:
        groups: of `copies`.
    """
    for name, split in splits.items():
        there = set(split.labels.tolist())
        lacking = [of for label, of in enumerate(classes) if label not in there]
        if lacking:
            more = f" and {len(lacking) - 6} more" if len(lacking) > 6 else ""
            yield f"{name} has no pictures of {', '.join(lacking[:6])}{more}"
    yield from _copied(splits, groups)
    pictures = [
        (picture, facts)
        for split in splits.values()
        for picture, facts in zip(split.names, split.facts, strict=True)
        if facts
    ]
    yield from of_pictures(pictures)


def of_pictures(pictures: Sequence[tuple[str, Facts]]) -> Iterator[str]:
    """Notes on pictures whatever they are for, from their names and facts."""
    kinds: tuple[tuple[Callable[[Facts], bool], str, str], ...] = (
        (lambda facts: facts.is_constant, "is of one colour", "are of one colour each"),
        (
            lambda facts: facts.n_frames > 1,
            "has several frames or pages; the first is read",
            "have several frames or pages each; the first is read",
        ),
    )
    for holds, one, several in kinds:
        names = [name for name, facts in pictures if holds(facts)]
        if names:
            yield f"{_count(len(names), one, several)} (such as {names[0]})"
    yield from _cut(pictures)
    yield from _dark(pictures)


def warnings(
    splits: Mapping[str, Split], classes: Sequence[str], groups: Sequence[Sequence[Member]]
) -> Iterator[str]:
    """A line on what is most likely a mistake: classes of which there is nothing to learn.

    Args:
        groups: of `copies`.
    """
    pairs = [pair for group in groups if (pair := _two_labels(group))]
    if pairs:
        said = _count(len(pairs), "has copies", "have copies")
        yield f"{said} of the same pixels in two classes (such as {_both(pairs[0], classes)})"
    for name, split in splits.items():
        is_constant = np.array([facts is not None and facts.is_constant for facts in split.facts])
        for label, of in enumerate(classes):
            members = np.flatnonzero(split.labels == label)
            if len(members) and is_constant[members].all():
                yield (
                    f"all {len(members)} pictures of {of} in {name} are of one colour each "
                    f"(such as {split.names[members[0]]}): there is nothing to see in them"
                )


def _copied(splits: Mapping[str, Split], groups: Sequence[Sequence[Member]]) -> Iterator[str]:
    for name in splits:
        within = [[m for m in group if m.split == name] for group in groups]
        twice = [members for members in within if len(members) > 1]
        if twice:
            n = sum(len(members) - 1 for members in twice)
            first, second = twice[0][:2]
            one, several = (f"of {name} {copied}" for copied in COPIED)
            yield f"{_count(n, one, several)} in it (such as {second.name} of {first.name})"
    for one, other in itertools.combinations(splits, 2):
        shared = [group for group in groups if {one, other} <= {m.split for m in group}]
        if shared:
            example = next(member.name for member in shared[0] if member.split == other)
            said = _count(
                len(shared), f"is in both {one} and {other}", f"are in both {one} and {other}"
            )
            yield (
                f"{said} (such as {example}): "
                f"accuracy on {other} is flattered by what was seen in {one}"
            )


def _cut(pictures: Sequence[tuple[str, Facts]]) -> Iterator[str]:
    cut = [
        (name, facts.values, facts.span)
        for name, facts in pictures
        if facts.values
        and facts.span
        and (facts.values[0] < facts.span[0] or facts.values[1] > facts.span[1])
    ]
    if cut:
        name, (low, high), span = cut[0]
        said = _count(len(cut), "has values", "have values")
        yield (
            f"{said} beyond data.value_range=[{span[0]:g},{span[1]:g}], cut to it "
            f"(such as {name}: {low:g} to {high:g})"
        )


def _dark(pictures: Sequence[tuple[str, Facts]]) -> Iterator[str]:
    """Files of 16 bits that hold 12, say: nothing in them tells so."""
    deep = [
        (name, facts.values[1])
        for name, facts in pictures
        if facts.values and facts.span == (0.0, 65535.0)
    ]
    if not deep:
        return
    name, largest = max(deep, key=lambda item: item[1])
    bits = max(int(largest).bit_length(), 8)
    if bits < 16:
        said = _count(len(deep), "of 16 bits has", "of 16 bits have")
        yield (
            f"{said} no value above {largest:.0f} (such as {name}), which is dark; "
            f"data.value_range=[0,{2**bits - 1}] if {bits} bits are meant"
        )


def _count(n: int, one: str, several: str) -> str:
    return f"{n} picture {one}" if n == 1 else f"{n:,} pictures {several}"
