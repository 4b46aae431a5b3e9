"""What a person should know of the pictures of a study before anything is trained on them.

Copies, pictures that look alike, a picture with two labels, pictures of one colour, values that
were clipped.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablation.pictures import near
from ablation.pictures.decode import Facts
from ablation.pictures.errors import DataError, listed
from ablation.pictures.hashes import sha256
from ablation.pictures.split import Split


@dataclass(frozen=True)
class Member:
    """A picture that has copies: its place in a split, and the SHA-256 of its file."""

    split: str
    index: int
    label: int
    name: str
    content: str


def refuse_two_labels(copied: Sequence[Sequence[Member]], classes: Sequence[str]) -> None:
    """Refuse files that are in two classes, whether in one split or in two.

    Args:
        copied: what `copies` returns.
        classes: the names of the classes.

    Raises:
        DataError: it names two places of each such file.
    """
    lines = [
        _both(pair, classes)
        for group in copied
        for content in dict.fromkeys(member.content for member in group)
        if (pair := _two_labels([member for member in group if member.content == content]))
    ]
    if lines:
        raise DataError(listed(lines, "picture has two labels", "pictures have two labels"))


def _two_labels(group: Sequence[Member]) -> tuple[Member, Member] | None:
    """The first of a group and one of another class, if there is one."""
    other = next((member for member in group if member.label != group[0].label), None)
    return (group[0], other) if other else None


def _both(pair: tuple[Member, Member], classes: Sequence[str]) -> str:
    return " and ".join(f"{member.name} ({classes[member.label]})" for member in pair)


def copies(splits: Mapping[str, Split]) -> list[list[Member]]:
    """Groups of pictures with the same pixels.

    Pixels are compared, not files: a copy may have another date or place in its file. All pixels
    are compared only where some of them agree and the files differ, which is rare.

    Args:
        splits: the splits by their names.
    """
    alike: dict[bytes, list[tuple[str, int]]] = {}
    for name, split in splits.items():
        for index, facts in enumerate(split.facts):
            if facts:
                alike.setdefault(facts.pixel_hash, []).append((name, index))
    found: list[list[Member]] = []
    for places in alike.values():
        if len(places) == 1:
            continue
        group = [_member(name, splits[name], index) for name, index in places]
        same = {group[0].content: group}
        if len({member.content for member in group}) > 1:
            same = {}
            for member in group:
                pixels = splits[member.split].pixels(member.index)
                key = f"{pixels.shape} {sha256(pixels.tobytes())}"
                same.setdefault(key, []).append(member)
        found += [members for members in same.values() if len(members) > 1]
    return found


def _member(name: str, split: Split, index: int) -> Member:
    label, picture, content = int(split.labels[index]), split.names[index], split.contents[index]
    return Member(name, index, label, picture, content)


def notes(
    splits: Mapping[str, Split], classes: Sequence[str], copied: Sequence[Sequence[Member]]
) -> Iterator[str]:
    """Notes on what is allowed and should be known, a line on each kind of thing.

    Args:
        splits: the splits by their names.
        classes: the names of the classes.
        copied: what `copies` returns.
    """
    for name, split in splits.items():
        there = set(split.labels.tolist())
        missing = [of for label, of in enumerate(classes) if label not in there]
        if missing:
            more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
            yield f"{name} has no pictures of {', '.join(missing[:6])}{more}"
    yield from _copied_within(splits, copied)
    yield from _copied_across(splits, copied)
    yield from _alike(splits)
    pictures = [
        (picture, facts)
        for split in splits.values()
        for picture, facts in zip(split.names, split.facts, strict=True)
        if facts
    ]
    yield from notes_on_pictures(pictures)


def notes_on_folds(folds: Sequence[Mapping[str, Split]]) -> Iterator[str]:
    """Notes on pictures that are judged by runs which were trained on copies of them.

    Args:
        folds: of one division, each as its run gets the pictures: train and val.
    """
    copied: list[str] = []
    looking: list[tuple[str, str]] = []
    for splits in folds:
        train, val = splits["train"], splits["val"]
        for group in copies(splits):
            if {member.split for member in group} >= {"train", "val"}:
                copied += [member.name for member in group if member.split == "val"]
        pairs = near.alike(train.looks, val.looks)
        if pairs is None:
            yield "folds were not searched for pictures that look like those of others: too many"
            break
        looking += [
            (val.names[theirs], train.names[ours])
            for ours, theirs in pairs
            if not _is_copy(train, ours, val, theirs)
        ]
    if copied:
        said = _count(len(copied), "has a copy in another fold", "have copies in other folds")
        yield f"{said} (such as {copied[0]}), which makes the accuracy look too high"
    if looking:
        said = _count(len(looking), "looks like one of another fold", "look like some of others")
        yield (
            f"{said} (such as {' and '.join(looking[0])}); if they are copies, the accuracy is too "
            "high"
        )


def notes_on_pictures(pictures: Sequence[tuple[str, Facts]]) -> Iterator[str]:
    """Notes that do not depend on what the pictures are used for.

    Args:
        pictures: the name of each, and what decoding tells of it.
    """
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
    yield from _clipped(pictures)
    yield from _dark(pictures)


def warnings(
    splits: Mapping[str, Split], classes: Sequence[str], copied: Sequence[Sequence[Member]]
) -> Iterator[str]:
    """Warnings of what is most likely a mistake, and would mislead the training.

    Args:
        splits: the splits by their names.
        classes: the names of the classes.
        copied: what `copies` returns.
    """
    pairs = [pair for group in copied if (pair := _two_labels(group))]
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


def _copied_within(
    splits: Mapping[str, Split], copied: Sequence[Sequence[Member]]
) -> Iterator[str]:
    for name in splits:
        within = [[m for m in group if m.split == name] for group in copied]
        several = [members for members in within if len(members) > 1]
        if several:
            n = sum(len(members) - 1 for members in several)
            first, second = several[0][:2]
            said = _count(n, f"of {name} is a copy of another", f"of {name} are copies of others")
            yield f"{said} in it (such as {second.name} of {first.name})"


def _copied_across(
    splits: Mapping[str, Split], copied: Sequence[Sequence[Member]]
) -> Iterator[str]:
    for one, other in itertools.combinations(splits, 2):
        shared = [group for group in copied if {one, other} <= {m.split for m in group}]
        if shared:
            example = next(member.name for member in shared[0] if member.split == other)
            said = _count(
                len(shared), f"is in both {one} and {other}", f"are in both {one} and {other}"
            )
            yield f"{said} (such as {example}), which makes the accuracy on {other} look too high"


def _alike(splits: Mapping[str, Split]) -> Iterator[str]:
    """A line on each split with pictures that look like those of the first, and are no copies."""
    (first, train), *others = splits.items()
    for name, split in others:
        pairs = near.alike(train.looks, split.looks)
        if pairs is None:
            yield f"{name} was not searched for pictures that look like those of {first}: too many"
            continue
        found = [
            (ours, theirs) for ours, theirs in pairs if not _is_copy(train, ours, split, theirs)
        ]
        if found:
            ours, theirs = found[0]
            said = _count(len(found), "looks like one", "look like some")
            yield (
                f"{said} of {first} and {'is' if len(found) == 1 else 'are'} in {name} (such as "
                f"{split.names[theirs]} and {train.names[ours]}); if they are copies, the accuracy "
                f"on {name} is too high"
            )


def _is_copy(one: Split, index: int, other: Split, its_index: int) -> bool:
    ours, theirs = one.facts[index], other.facts[its_index]
    return bool(ours and theirs and ours.pixel_hash == theirs.pixel_hash)


def _clipped(pictures: Sequence[tuple[str, Facts]]) -> Iterator[str]:
    clipped = [
        (name, facts.values, facts.value_range)
        for name, facts in pictures
        if facts.values
        and facts.value_range
        and (facts.values[0] < facts.value_range[0] or facts.values[1] > facts.value_range[1])
    ]
    if clipped:
        name, (low, high), (black, white) = clipped[0]
        said = _count(len(clipped), "has values", "have values")
        yield (
            f"{said} beyond data.value_range=[{black:g},{white:g}], clipped to it "
            f"(such as {name}: {low:g} to {high:g})"
        )


def _dark(pictures: Sequence[tuple[str, Facts]]) -> Iterator[str]:
    """A note on files of 16 bits that may hold 12: nothing in them says so."""
    deep = [
        (name, facts.values[1])
        for name, facts in pictures
        if facts.values and facts.value_range == (0.0, 65535.0)
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
