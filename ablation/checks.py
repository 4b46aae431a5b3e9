"""What is checked before the first run: places to write to, pictures, networks, weights."""

import itertools
from collections.abc import Iterator, Sequence

from ablation.config import Config, chosen
from ablation.errors import ConfigError
from ablation.pictures import data
from ablation.study.grid import Grid
from ablation.targets import TARGET
from ablation.tracking import places


def check_places(asked: Grid, uri: str) -> None:
    """Find out whether the report and the store can be written, before anything is computed.

    Raises:
        ConfigError: one of them can't.
    """
    places.check_results(asked.base.results, asked.study)
    places.check_store(uri)


def pictures(configs: Sequence[Config]) -> Iterator[str]:
    """Load the pictures that the runs will share; yields lines on each source of pictures.

    Raises:
        DataError: naming the folder or the pictures that can't be used.
    """
    on_pictures = [config for config in configs if config.task[TARGET] is None]
    for config in {repr(config.data): config for config in on_pictures}.values():
        loaded: data.Pictures | data.Folded
        if config.data.folds:
            seeds = dict.fromkeys(one.seed for one in on_pictures if one.data == config.data)
            loaded = data.folded(config.data, config.cache, list(seeds))
        else:
            loaded = data.load(config.data, config.cache)
        name = config.data.root if config.data.source != "digits" else config.data.source
        yield f"{name}: {loaded.summary()}"
        yield from loaded.lines()


def networks(configs: Sequence[Config]) -> Iterator[str]:
    """Find the device, the networks and their weights; yields a line on each network and its views.

    Raises:
        ConfigError: no such device, a network that can't be trained as it was asked for, or no
            network's weights are available.
    """
    from ablation.network import device, model, preprocessing, transfer
    from ablation.training import trial

    # Here, so that a launcher's workers find the number of threads in their environment.
    device.prepare(configs[0].threads)
    for wanted in {config.device for config in configs}:
        device.choose(wanted)
    configs = [config for config in configs if config.task[TARGET] is None]
    if not configs:
        return
    missing = _missing_weights(configs)
    filled = [preprocessing.filled(config) for config in configs]
    for config in {repr((one.model, one.data.size)): one for one in filled}.values():
        model.refuse_size(config.model, chosen(config.data.size))
    for config in {repr((one.model, one.transfer)): one for one in filled}.values():
        transfer.refuse_stages(model.skeleton(config.model), config.transfer)
    first = configs[0]
    pictures = data.load(first.data, first.cache, first.seed)
    trial.refuse_unusable(filled, len(pictures.classes))
    yield from dict.fromkeys(map(preprocessing.in_words, filled))
    yield from dict.fromkeys(itertools.chain(*map(_stages_in_words, filled)))
    yield from (f"warning: {problem}" for problem in missing)


def _stages_in_words(config: Config) -> list[str]:
    from ablation.network import model, transfer

    line = transfer.in_words(config.model.name, model.skeleton(config.model), config.transfer)
    return [line] if line else []


def _missing_weights(configs: Sequence[Config]) -> list[str]:
    """A sentence on each network whose weights are not available; its runs will fail.

    Raises:
        ConfigError: so would all runs.
    """
    from ablation.network import model

    pretrained = {
        repr(config.model): config.model for config in configs if config.transfer.pretrained
    }
    problems = []
    for network in pretrained.values():
        try:
            model.weights_digest(network)
        except ConfigError as error:
            problems.append(str(error))
    needs_none = any(not config.transfer.pretrained for config in configs)
    if problems and len(problems) == len(pretrained) and not needs_none:
        raise ConfigError("\n".join(problems))
    return problems
