"""Divides pictures into splits: stratified by class, and the same for the same seed."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ablation.config import DataConfig, chosen
from ablation.pictures.describe import Picture
from ablation.pictures.errors import DataError

Indices = npt.NDArray[np.int64]


def divide(
    pictures: list[Picture], config: DataConfig, test_fraction: float
) -> dict[str, list[Picture]]:
    """Divide pictures into train and val, and test where a share of them is for it.

    Args:
        pictures: all of them.
        config: its `val_fraction` is a share of what is left after the test pictures.
        test_fraction: the share of test pictures; 0 for none.

    Raises:
        DataError: too few pictures for one of each class in each part.
    """
    parts = {}
    rest = pictures
    if test_fraction:
        rest, parts["test"] = hold_out(rest, test_fraction, config.split_seed, "data.test_fraction")
    train, val = hold_out(rest, config.val_fraction, config.split_seed, "data.val_fraction")
    return {"train": train, "val": val, **parts}


def limit(
    train: list[Picture], val: list[Picture], config: DataConfig
) -> tuple[list[Picture], list[Picture]]:
    """Draw as many training and validation pictures as the config asks for.

    Raises:
        DataError: there are fewer, or too few for one of each class.
    """
    return (
        _drawn(train, config.train_pictures, config.split_seed, "data.train_pictures"),
        _drawn(val, config.val_pictures, config.split_seed, "data.val_pictures"),
    )


def _drawn(pictures: list[Picture], count: int | None, seed: int, key: str) -> list[Picture]:
    if count is None or count == len(pictures):
        return pictures
    if count > len(pictures):
        raise DataError(f"{key}={count}: there are {len(pictures)}")
    return hold_out(pictures, count, seed, key)[1]


def hold_out(
    pictures: list[Picture], size: float | int, seed: int, key: str
) -> tuple[list[Picture], list[Picture]]:
    """Divide pictures in two, stratified by class; both parts keep their order.

    Args:
        pictures: what is divided.
        size: of the second part: a share (float, 0..1) or a number of pictures (int).
        seed: decides which pictures are in which part.
        key: the setting that asked for it, for the message.

    Raises:
        DataError: too few pictures for one of each class in each part.
    """
    from sklearn.model_selection import train_test_split

    labels = [picture.label for picture in pictures]
    if isinstance(size, float) and any(picture.group is not None for picture in pictures):
        return _hold_out_groups(pictures, size, seed, key)
    try:
        rest, held = train_test_split(
            range(len(pictures)), test_size=size, stratify=labels, random_state=seed
        )
    except ValueError as error:
        raise DataError(
            f"{key}={size:g}: {len(pictures)} pictures can't be divided so that each class has one "
            f"in each part ({error})"
        ) from error
    return [pictures[i] for i in sorted(rest)], [pictures[i] for i in sorted(held)]


def fold(
    labels: Sequence[int], groups: Sequence[str | None], config: DataConfig, seed: int
) -> tuple[Indices, Indices]:
    """One fold of a division of pictures into `data.folds`, stratified by class.

    Args:
        labels: the class of each picture.
        groups: what each belongs to; pictures of a group are in one fold.
        config: its `folds`, and its `split_seed`, which decides the divisions.
        seed: of the run. Seeds 0 to K - 1 are the folds of the first division into K, the next K
            seeds those of another.

    Returns:
        The indices of the pictures to train on and of those that are judged, increasing.

    Raises:
        DataError: a class has fewer pictures, or groups, than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    n_folds = chosen(config.folds)
    division, number = divmod(seed, n_folds)
    _refuse_few(labels, groups, n_folds)
    # Of one number each, so that another split seed or division is another draw.
    (state,) = np.random.SeedSequence([config.split_seed, division]).generate_state(1)
    has_groups = any(group is not None for group in groups)
    kind = StratifiedGroupKFold if has_groups else StratifiedKFold
    made = kind(n_folds, shuffle=True, random_state=int(state))
    of = [str(at) if group is None else f"g{group}" for at, group in enumerate(groups)]
    parts = made.split(labels, labels, of) if has_groups else made.split(labels, labels)
    train, judged = next(itertools.islice(parts, number, None))
    return np.sort(train), np.sort(judged)


def _refuse_few(labels: Sequence[int], groups: Sequence[str | None], n_folds: int) -> None:
    members: dict[int, set[object]] = {}
    for at, (label, group) in enumerate(zip(labels, groups, strict=True)):
        members.setdefault(label, set()).add(at if group is None else group)
    fewest = min(map(len, members.values()), default=0)
    if fewest < n_folds:
        what = "groups of pictures" if any(group is not None for group in groups) else "pictures"
        raise DataError(
            f"data.folds={n_folds}: a class has {fewest} {what}, so not one for each fold; "
            f"data.folds={max(fewest, 2)} at most"
            if fewest >= 2
            else f"data.folds={n_folds}: a class has {fewest} {what}; folds need two at least"
        )


def _hold_out_groups(
    pictures: list[Picture], share: float, seed: int, key: str
) -> tuple[list[Picture], list[Picture]]:
    """As `hold_out`, with the pictures of a group in one part: the share is met roughly.

    Of the divisions into 1 / share parts by whole groups, scikit-learn's `StratifiedGroupKFold`
    takes one whose parts have nearly the same shares of the classes.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    labels = [picture.label for picture in pictures]
    groups = [picture.name if picture.group is None else picture.group for picture in pictures]
    folds = StratifiedGroupKFold(max(round(1 / share), 2), shuffle=True, random_state=seed)
    try:
        rest, held = next(folds.split(labels, labels, groups))
    except ValueError as error:
        raise DataError(
            f"{key}={share:g}: the {len(set(groups))} groups of {len(pictures)} pictures can't be "
            f"divided so ({error})"
        ) from error
    lacking = set(labels) - {labels[at] for at in rest}
    if lacking:
        raise DataError(
            f"{key}={share:g}: the {len(set(groups))} groups can't be divided so that each class "
            "has pictures to train on; take another data.split_seed or share"
        )
    return [pictures[at] for at in sorted(rest)], [pictures[at] for at in sorted(held)]
