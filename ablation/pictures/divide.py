"""Pictures divided into splits, stratified and seeded."""

from ablation.config import DataConfig
from ablation.pictures.folders import DataError as DataError
from ablation.pictures.split import Picture as Picture


def divide(
    pictures: list[Picture], config: DataConfig, test_fraction: float
) -> dict[str, list[Picture]]:
    parts = {}
    rest = pictures
    if test_fraction:
        rest, parts["test"] = hold_out(rest, test_fraction, config.split_seed, "data.test_fraction")
    train, val = hold_out(rest, config.val_fraction, config.split_seed, "data.val_fraction")
    return {"train": train, "val": val, **parts}


def limit(
    train: list[Picture], val: list[Picture], config: DataConfig
) -> tuple[list[Picture], list[Picture]]:
    parts = []
    for part, count, key in (
        (train, config.train_pictures, "data.train_pictures"),
        (val, config.val_pictures, "data.val_pictures"),
    ):
        if count is not None and count > len(part):
            raise DataError(f"{key}={count}: there are {len(part)}")
        if count is None or count == len(part):
            parts.append(part)
        else:
            parts.append(hold_out(part, count, config.split_seed, key)[1])
    return parts[0], parts[1]


def hold_out(
    pictures: list[Picture], size: float | int, seed: int, key: str
) -> tuple[list[Picture], list[Picture]]:
    """Divide stratified and seeded; both parts keep the order of the pictures."""
    from sklearn.model_selection import train_test_split

    labels = [picture.label for picture in pictures]
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
