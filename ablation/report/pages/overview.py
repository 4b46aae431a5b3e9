"""The sections "What was compared" and "All cells": factors, seeds, settings, how to read."""

from collections import Counter
from collections.abc import Iterator, Sequence

from ablation.report.claims.looks import looks_by_hand, planned_looks
from ablation.report.claims.metric import ACCURACY, MOST_UNEQUAL, Metric
from ablation.report.claims.results import Results, imbalance
from ablation.report.claims.tuning import LEARNING_RATE
from ablation.report.claims.words import count
from ablation.report.evidence.runs import level_of, params_of, tasks_of
from ablation.report.pages.blocks import Block, Table, Text
from ablation.report.pages.cell_text import (
    MOST_ROWS,
    have_diverged,
    n_diverged,
    reached,
    rest_in_file,
)
from ablation.report.pages.numbers import listed
from ablation.targets import TARGET

#: Named even where they are the same in all runs, in this order.
FACTORS = ("data", "model", "transfer", "augment", "loss", "reg", "optimizer", "scheduler")
SETTINGS = (LEARNING_RATE, "epochs", "batch_size")
#: Cells that are named in a sentence.
MOST_NAMED = 20


def what_was_compared(results: Results) -> Iterator[Block]:
    """The question, how to read the report, and what is missing from it."""
    if not results.cells:
        yield Text("No run has finished, so there is nothing to compare yet.", "warning")
        yield from _diverged(results)
        return
    yield from _sizes(results)
    yield Text(f"{_question(results)}. The same in all runs: {_fixed(results)}.")
    yield Text(_how_to_read(results), "remark")
    yield from _diverged(results)
    yield from _looks_by_hand(results)
    if not results.runs.is_complete:
        yield Text(
            "The grid is incomplete: effects are averaged over complete matched cells only, and "
            "missing runs may change every number. The ledger names them.",
            "warning",
        )
    for warning in results.warnings:
        yield Text(f"Note: {warning}.", "warning")
    for loss in results.losses:
        yield Text(f"{loss[0].upper()}{loss[1:]}.", "warning")


def _question(results: Results) -> str:
    factors = [f"{name} ({', '.join(levels)})" for name, levels in results.runs.factors.items()]
    pictures = {one.n_pictures for group in results.groups for one in group.intervals.values()}
    text = f"{best_validation(results.metric)} of {count(len(results.cells), 'cell')}"
    text += f": {' × '.join(factors)}" if factors else ""
    text += f"; {_replicates_in_words(results)}"
    if pictures:
        text += f"; {' or '.join(f'{n:,}' for n in sorted(pictures))} validation pictures"
    return text


#: What a run's score is.
DEFINITIONS = {
    "accuracy": "the share of validation pictures that it classified correctly",
    "balanced_accuracy": (
        "the mean over the classes of the share of their validation pictures that it classified "
        "correctly"
    ),
    "log_loss": "the mean cross-entropy of its probabilities on the validation pictures, in nats,",
    "brier": (
        "the mean squared error of its probabilities on the validation pictures, summed over the "
        "classes,"
    ),
    "score": "the mean of the scores that the task gave to its examples",
}


def _definition(metric: Metric) -> str:
    better = "; good values are low; it is taken" if metric.lower_is_better else ""
    own = f"the mean over the validation pictures of `{metric.key}`"
    return f"A run's {metric.label} is {DEFINITIONS.get(metric.key, own)}{better}"


def best_validation(metric: Metric) -> str:
    """What is compared, as the title of a table or the beginning of a sentence."""
    return "Best validation accuracy" if metric == ACCURACY else f"Validation {metric.label}"


def _sizes(results: Results) -> Iterator[Block]:
    """How unequal the classes are, and what that does to the report."""
    for labels in results.labels:
        if imbalance(labels) > MOST_UNEQUAL:
            sizes = Counter(labels).most_common()
            (most, n_most), (least, n_least) = sizes[0], sizes[-1]
            leads = (
                "so balanced accuracy leads: each class counts alike. `report.metric=accuracy` "
                "compares accuracies"
                if results.metric.key == "balanced_accuracy"
                else "so a high accuracy may be that of the largest class alone; "
                "`report.metric=balanced_accuracy` counts each class alike"
            )
            yield Text(
                f"The classes differ in size ({n_most:,} pictures of {most}, {n_least:,} of "
                f"{least}), {leads}.",
                "warning",
            )
            return


def _seeds(results: Results) -> list[int]:
    return sorted({seed for cell in results.cells for seed in cell.seeds})


def _replicates_in_words(results: Results) -> str:
    seeds, n_folds = _seeds(results), results.n_folds
    if not n_folds:
        return _seeds_in_words(seeds)
    n_divisions = len({seed // n_folds for seed in seeds})
    if n_divisions == 1:
        return f"{n_folds} folds, by which each picture is judged once"
    return (
        f"{n_divisions} divisions into {n_folds} folds, by each of which a picture is judged once"
    )


def _seeds_in_words(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"one seed ({seeds[0]})"
    is_range = seeds == list(range(seeds[0], seeds[-1] + 1))
    names = f"{seeds[0]} to {seeds[-1]}" if is_range else ", ".join(map(str, seeds))
    return f"{len(seeds)} seeds ({names})"


def _fixed(results: Results) -> str:
    """The factors and important settings that have one value in all runs."""
    table = results.runs.table
    varied = {*results.runs.factors, *results.runs.searched}
    keys = params_of(table)
    sections = dict.fromkeys(key.partition(".")[0] for key in keys if "." in key)
    shown = [*FACTORS, *(name for name in sections if name in keys and name != "task"), *SETTINGS]
    if tasks_of(table):
        # Settings of networks and pictures mean nothing to a task of a person's own.
        shown = [key for key in keys if key.startswith("task.")]
    parts = []
    for key in dict.fromkeys(shown):
        values = set(level_of(table, key))
        if key in keys and key not in varied and len(values) == 1:
            parts.append(f"{key.removesuffix(f'.{TARGET}')} {values.pop()}")
    return ", ".join(parts)


def _how_to_read(results: Results) -> str:
    text = (
        f"{_definition(results.metric)} at its best epoch, which is that of its best accuracy; a "
        "cell's is the mean over its "
        f"{'pictures' if results.n_folds else 'seeds'}. Brackets hold 95 % confidence intervals, "
    )
    if len(_seeds(results)) == 1:
        return f"{text}for new pictures on these weights only."
    what = "training pictures, new seeds" if results.n_folds else "seeds"
    text += f"for new {what} and new pictures alike.{_dependence(results)}{_shared(results)}"
    text += _looks(results)
    n_claims = max((g.comparison.n_claims for g in results.groups if g.comparison), default=0)
    if n_claims:
        text += (
            " Two sides are different where the p-value is below 0.05 after Holm's correction for "
            f"{'the one comparison' if n_claims == 1 else f'all {n_claims:,} comparisons'} of this "
            "report; effects, interactions and pairs of cells share the probability of an error in "
            "equal parts. They are the same within "
            f"{results.metric.amount(results.config.difference)} (`report.difference`) where the "
            "interval lies inside that on either side of 0. Otherwise the question is open."
        )
    return text


def _looks(results: Results) -> str:
    """What the looks of `seed=auto` share."""
    looks = planned_looks(results.runs.plans)
    if not looks:
        return ""
    confidence = 100 - 5 / len(looks)
    return (
        f" Seeds were added where questions were open (`seed=auto`), with a look at the data at "
        f"{', '.join(map(str, looks))} seeds at most. The looks share the probability of an error: "
        f"intervals of differences are of {confidence:.4g} %, and p-values are multiplied by "
        f"{len(looks)}."
    )


def _looks_by_hand(results: Results) -> Iterator[Block]:
    """What becomes of the probability of an error where a person added seeds after a look."""
    seeds = looks_by_hand(results.runs.plans)
    if len(seeds) > 1:
        yield Text(
            f"This study was looked at with {', '.join(map(str, seeds[:-1]))} "
            f"{results.replicate}s before, and "
            f"then extended to {seeds[-1]}. Over {len(seeds)} looks the probability of any false "
            f"claim is up to {5 * len(seeds)} %, not 5 %; `seed=auto` fixes the looks in advance.",
            "warning",
        )


def _dependence(results: Results) -> str:
    """What is done about the training sets that folds have in common, in a sentence."""
    if not results.n_folds:
        return ""
    share = f"1 / {results.n_folds}"
    return (
        " Runs of different folds were trained on many of the same pictures; their results are "
        f"taken to be correlated by {share} for it (Nadeau & Bengio 2003), so that more folds or "
        "divisions make an interval little shorter."
    )


def _shared(results: Results) -> str:
    """What the cells' variances between seeds have in common, in a sentence."""
    priors = [g.comparison.prior for g in results.groups if g.comparison and g.comparison.prior]
    if not priors:
        return ""
    freedom = " or ".join(sorted({f"{prior.prior_freedom:.1f}" for prior in priors}))
    n_cells = " or ".join(sorted({str(len(prior.place)) for prior in priors}))
    return (
        f" How far runs differ between {results.replicate}s is learned from all {n_cells} cells: "
        f"each cell's own variance is joined with {freedom} degrees of freedom of the variance "
        "that a cell of its accuracy has."
    )


def all_cells(results: Results) -> Iterator[Block]:
    """Every cell's accuracy in the order of the grid, where not all can be compared."""
    if len(results.groups) > 1:
        yield Text(
            "Not all cells were evaluated on the same pictures. Only those that were can be "
            "compared, so the report has a part for each set of pictures below."
        )
        yield all_cells_table(results)
        yield from rest_in_file(len(results.cells))


def all_cells_table(results: Results) -> Table:
    """A row for each cell, whichever pictures it was evaluated on."""
    group_of = {cell.levels: group for group in results.groups for cell in group.cells}
    rows = []
    for cell in results.cells[:MOST_ROWS]:
        note = f" ({n_diverged(cell)})" if cell.diverged else ""
        text = reached(cell, group_of[cell.levels]) + note
        rows.append((*cell.levels, text, str(len(cell.seeds))))
    header = (*results.factors, results.metric.header, f"{results.replicate}s")
    return Table(header, tuple(rows), "l" * len(results.factors) + "rr")


def _diverged(results: Results) -> Iterator[Block]:
    """The cells that are not compared, because runs diverged."""
    cells = have_diverged(results)
    if not cells:
        return
    one = len(cells) == 1
    text = (
        f"{count(len(cells), 'cell')} {'has' if one else 'have'} runs that diverged, and so "
        f"{'is' if one else 'are'} not ranked and in no comparison: {listed(cells, MOST_NAMED)}."
    )
    if any(cell.diverged for cell in results.cells):
        text += (
            " Where only some seeds diverged, the mean over the others leaves out the worst runs "
            "and is optimistic."
        )
    yield Text(text, "warning")
