"""The pages of a report: what is said, in which order, as Markdown and as HTML.

The content is made once, as sections of blocks; each template only sets them. In a text, what
stands between backticks is code.
"""

import base64
import itertools
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from ablation.report import integrity, tables
from ablation.report.cells import Group
from ablation.report.comparison import Claim, Interaction, LevelEffect, cell_name, in_words
from ablation.report.figures import Picture, largest
from ablation.report.results import LEARNING_RATE, Results, tuning_note
from ablation.report.runs import level_of, params_of
from ablation.report.tables import Table, count, percent

#: What the pages are called, and the folder of their figures.
MARKDOWN, HTML, FIGURES = "report.md", "report.html", "figures"

#: What a reader wants to see even where it is the same in all runs, in this order.
FACTORS = ("data", "model", "transfer", "reg", "optimizer", "scheduler")
SETTINGS = (LEARNING_RATE, "epochs", "batch_size")
#: Most items of a list on a page, most in a sentence, and how many are few enough for all.
MOST_ITEMS, MOST_IN_WORDS, FEW = 20, 8, 4


@dataclass(frozen=True)
class Text:
    text: str
    tone: str = ""  # "", "remark", "warning" or "breach"


@dataclass(frozen=True)
class Bullets:
    items: tuple[tuple[str, str], ...]  # A label, which may be empty, and a text.


@dataclass(frozen=True)
class Code:
    text: str


Block = Text | Bullets | Code | Table | Picture


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    title: str
    breaches: tuple[str, ...]
    sections: tuple[Section, ...]


def compose(results: Results, pictures: Sequence[Mapping[str, Sequence[Picture]]]) -> Page:
    """Everything that a report says, in the order in which a careful reader asks for it.

    Args:
        results: what to tell.
        pictures: for each group of cells, its figures by section.
    """
    sections = [Section("What was compared", tuple(_what(results)))]
    if len(results.groups) > 1:
        sections.append(Section("All cells", tuple(_all(results))))
    for make in (_answers, _ranking, _pairs, _effects, _shares, _selection, _searched):
        sections += _of_groups(make, results, pictures)
    sections.append(Section("Ledger", tuple(_ledger(results))))
    if results.checks:
        sections.append(Section("Integrity of the arms", tuple(_integrity(results))))
    for make in (_curves, _time):
        sections += _of_groups(make, results, pictures)
    sections.append(Section("How this was made", tuple(_made(results))))
    ledger = results.runs.ledger
    title = results.runs.study
    if not results.runs.is_complete:
        ended = {*ledger.finished, *ledger.diverged, *ledger.failed, *ledger.running}
        asked = set(ledger.planned) or ended
        done = len(asked & set(ledger.finished))
        n_lost = len(asked & set(ledger.diverged))
        diverged = f", {n_lost:,} diverged" if n_lost else ""
        title += f" (INCOMPLETE: {done:,} of {count(len(asked), 'run')} finished{diverged})"
    return Page(title, tuple(results.breaches), tuple(sections))


Pictures = Mapping[str, Sequence[Picture]]
Maker = Callable[[Results, Group, Pictures], Iterator[Block]]


def _of_groups(make: Maker, results: Results, pictures: Sequence[Pictures]) -> Iterator[Section]:
    """A section for each group that has something to say."""
    for group, drawn in zip(results.groups, pictures, strict=True):
        blocks = tuple(make(results, group, drawn))
        where = f": {group.name}" if group.name else ""
        if blocks:
            yield Section(TITLES[make.__name__] + where, blocks)


# --- What was compared, and the answers


def _what(results: Results) -> Iterator[Block]:
    found = results.runs
    if not results.cells:
        yield Text("No run has finished, so there is nothing to compare yet.", "warning")
        yield from _diverged(results)
        return
    factors = " × ".join(f"{name} ({', '.join(levels)})" for name, levels in found.factors.items())
    seeds = sorted({seed for cell in results.cells for seed in cell.seeds})
    pictures = {one.n_images for group in results.groups for one in group.intervals.values()}
    text = f"Best validation accuracy of {count(len(results.cells), 'cell')}"
    text += f": {factors}" if factors else ""
    text += f"; {_listed_seeds(seeds)}"
    if pictures:
        text += f"; {' or '.join(f'{n:,}' for n in sorted(pictures))} validation pictures"
    yield Text(f"{text}. The same in all runs: {_fixed(results)}.")
    yield Text(_how_to_read(results, seeds), "remark")
    yield from _diverged(results)
    if not found.is_complete:
        yield Text(
            "The grid is incomplete: effects are averaged over complete matched cells only, and "
            "missing runs may change every figure. The ledger names them.",
            "warning",
        )
    for warning in results.warnings:
        yield Text(f"Note: {warning}.", "warning")
    for loss in results.losses:
        yield Text(f"{loss[0].upper()}{loss[1:]}.", "warning")


def _diverged(results: Results) -> Iterator[Block]:
    """The cells of which nothing may be claimed, because runs of theirs came to no number."""
    cells = tables.have_diverged(results)
    if cells:
        are = "cells hold" if len(cells) > 1 else "cell holds"
        text = (
            f"{len(cells):,} {are} runs that diverged, and so {'are' if len(cells) > 1 else 'is'} "
            f"not ranked and in no comparison: {_some(cells, MOST_ITEMS)}."
        )
        if any(cell.diverged for cell in results.cells):
            text += (
                " Where some seeds diverged, the mean over the others leaves out the worst and "
                "flatters."
            )
        yield Text(text, "warning")


def _all(results: Results) -> Iterator[Block]:
    yield Text(
        "Not all cells answered the same pictures. Only those that did can be paired, so the "
        "cells of each set of pictures are compared apart below."
    )
    yield tables.all_cells(results)
    yield from _left_out(len(results.cells), "cells", "cells.csv")


def _listed_seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"one seed ({seeds[0]})"
    is_range = seeds == list(range(seeds[0], seeds[-1] + 1))
    listed = f"{seeds[0]} to {seeds[-1]}" if is_range else ", ".join(map(str, seeds))
    return f"{len(seeds)} seeds ({listed})"


def _fixed(results: Results) -> str:
    """The factors and the settings of note that have one value in all runs."""
    table = results.runs.table
    varied = {*results.runs.factors, *results.runs.searched}
    keys = params_of(table)
    sections = dict.fromkeys(key.partition(".")[0] for key in keys if "." in key)
    parts = []
    for key in dict.fromkeys([*FACTORS, *(name for name in sections if name in keys), *SETTINGS]):
        values = set(level_of(table, key))
        if key in keys and key not in varied and len(values) == 1:
            parts.append(f"{key} {values.pop()}")
    return ", ".join(parts)


def _how_to_read(results: Results, seeds: Sequence[int]) -> str:
    text = (
        "An accuracy is the share of validation pictures that a run classed right at its best "
        "epoch; a cell's is the mean over its seeds. Brackets hold 95 % intervals, "
    )
    if len(seeds) == 1:
        text += (
            "for new pictures on these weights only: with one seed, nothing can be said about "
            "other seeds. `-m seed=range(5)` would."
        )
    else:
        text += "for new seeds and new pictures alike."
    n_claims = max((g.comparison.n_claims for g in results.groups if g.comparison), default=0)
    if n_claims > 1:
        text += (
            f" Two things are told apart where p stays below 0.05 after Holm's correction for "
            f"all {n_claims:,} comparisons (effects, interactions and pairs of cells have equal "
            "shares in it)."
        )
    return text


def _answers(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    if not group.ranked:
        yield Text("In every cell runs diverged, so there is nothing that can be compared.")
        return
    if len(group.ranked) == 1:
        cell = group.ranked[0]
        name = f"{cell_name(cell.levels)}: " if cell.levels else ""
        yield Text(
            f"{name}{tables.accuracy(cell, group)} %, {count(len(cell.seeds), 'seed')}. "
            "There is no other cell to compare it with."
        )
        return
    if group.comparison is None:
        yield Text("Without predictions, no difference between these cells can be judged.")
        return
    items = list(_effects_in_words(results, group.comparison.effects))
    items += _interactions_in_words(results, group.comparison.interactions)
    items.append(("best cell", _best_in_words(results, group)))
    yield Bullets(tuple(items))


def _effects_in_words(results: Results, claims: Sequence[LevelEffect]) -> Iterator[tuple[str, str]]:
    """Level by level; in one sentence where a factor with several levels changed nothing."""
    for factor, found in itertools.groupby(claims, key=lambda claim: claim.factor):
        effects = list(found)
        if len(effects) > 1 and all(claim.same == "predictions" for claim in effects):
            levels = ", ".join([effects[0].baseline, *(claim.level for claim in effects)])
            yield (
                factor,
                f"all its levels ({levels}) gave the same prediction on every picture in every "
                f"matched pair of cells: at these settings {factor} changed no prediction.",
            )
            continue
        for claim in effects:
            yield factor, _sentence(results, claim)


def _sentence(results: Results, claim: Claim) -> str:
    notes = [tables.left_out(results, claim), tuning_note(results, claim)]
    return "; ".join([in_words(claim, results.config.difference), *filter(None, notes)]) + "."


def _interactions_in_words(
    results: Results, claims: Sequence[Interaction]
) -> Iterator[tuple[str, str]]:
    """Those that are told apart; the others in words too where they are few."""
    told = [claim for claim in claims if claim.told_apart]
    others = [claim for claim in claims if not claim.told_apart]
    told.sort(key=lambda claim: -abs(claim.found.difference))
    for claim in [*told[:MOST_IN_WORDS], *(others if len(others) <= FEW else [])]:
        yield tables.claim_factors(claim), _sentence(results, claim)
    if len(told) > MOST_IN_WORDS:
        yield "interactions", f"{len(told) - MOST_IN_WORDS} more are told from none; see below."
    if len(others) > FEW:
        yield (
            "interactions",
            f"{len(others)} of {len(claims)} can't be told from none; they are in the table below.",
        )


def _best_in_words(results: Results, group: Group) -> str:
    first, *others = group.ranked
    start = f"{cell_name(first.levels)} ranks first with {tables.accuracy(first, group)} %"
    if group.unranked or results.lost:
        start += " among the cells in which no run diverged"
    beside = tables.beside_anchor(group)
    if tables.anchor(group) != first.levels:
        reference = tables.anchor(group)
        assert reference is not None
        claim = beside.get(first.levels)
        open_one = claim is not None and not claim.told_apart
        ending = ", and can't be told apart from the reference" if open_one else ""
        return (
            f"{start}{ending}; with this many cells each is compared with one only, the reference "
            f"{cell_name(reference)}, which was not chosen by its result."
        )
    open_ones = [cell for cell in others if not _is_apart(beside.get(cell.levels))]
    if not open_ones:
        return f"{start}, and is told apart from every other cell."
    of = f"{len(open_ones)} of the {len(others)} others" if len(others) > 1 else "the other"
    names = _some(cell_name(cell.levels) for cell in open_ones)
    return f"{start}, and can't be told apart from {of}: {names}."


def _is_apart(claim: Claim | None) -> bool:
    return claim is not None and claim.told_apart


# --- Tables and figures of a group


def _ranking(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    if len(group.cells) == 1 and not results.lost:
        return
    yield tables.ranking(results, group)
    yield from _left_out(len(group.ranked), "cells", "cells.csv")
    yield from _dagger(results, tables.beside_anchor(group).values())
    yield from drawn.get("ranking", ())


def _dagger(results: Results, claims: Iterable[Claim]) -> Iterator[Block]:
    text = tables.dagger(results, claims)
    if text:
        yield Text(text, "remark")


def _left_out(number: int, what: str, file: str) -> Iterator[Block]:
    if number > tables.MOST_ROWS:
        text = f"The first {tables.MOST_ROWS} of {number:,} {what}; `{file}` has all."
        yield Text(text, "remark")


def _pairs(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    slices = tables.first_pair(results, group)
    if slices:
        yield Text("Best validation accuracy, %, with its 95 % interval.", "remark")
    for pair in slices[: tables.MOST_SLICES]:
        yield pair.as_table()
    if len(slices) > tables.MOST_SLICES:
        yield Text(
            f"{tables.MOST_SLICES} of {len(slices):,} combinations of the other factors; "
            "`cells.csv` has all.",
            "remark",
        )
    for pair in tables.other_pairs(results, group):
        yield pair.as_table()
    n_pairs = len(tables.pairs_of_factors(tables.factors_of(results, group)))
    if n_pairs > tables.MOST_PAIRS:
        yield Text(f"{tables.MOST_PAIRS} of {n_pairs} pairs of factors.", "remark")
    yield from drawn.get("pairs", ())


def _effects(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    if group.comparison is None or not group.comparison.effects:
        return
    base = ", ".join(
        f"{factor} {level}"
        for factor, level in group.comparison.baseline.items()
        if any(claim.factor == factor for claim in group.comparison.effects)
    )
    yield Text(
        f"Each level against the baseline level ({base}), averaged over cells that are alike in "
        "all else. `report.baseline.FACTOR=LEVEL` sets another.",
        "remark",
    )
    yield tables.effects(results, group.comparison.effects)
    interactions = largest(group.comparison.interactions)
    if interactions:
        yield tables.effects(results, interactions)
    if len(interactions) < len(group.comparison.interactions):
        yield Text(
            f"The {len(interactions)} largest of {len(group.comparison.interactions)} "
            "interactions; `contrasts.csv` has all.",
            "remark",
        )
    yield from _dagger(results, [*group.comparison.effects, *interactions])
    yield from drawn.get("effects", ())


def _shares(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    found = tables.shares(group)
    if found is not None:
        yield Text(
            "How much of the variance of the runs' accuracies each factor explains, beyond what "
            "chance alone would give it.",
            "remark",
        )
        yield found
    elif len(group.cells) > 1 and all(len(cell.seeds) == 1 for cell in group.cells):
        yield Text(
            "Not given: with one seed, what chance did can't be told from what the factors did."
        )
    elif len(group.cells) > 1:
        yield Text("Not given: they need every cell of the grid, with seeds that all cells share.")


def _selection(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    if not group.ranked:
        return
    gain = float(np.mean([cell.mean - cell.last.mean() for cell in group.ranked]))
    optimism = tables.optimism(results, group)
    if optimism is None:
        yield Text(
            "The best epoch was chosen on the same validation pictures that it is reported on, "
            f"so its accuracy flatters. It is {percent(gain)} points above the last epoch's on "
            "average. `data.test_fraction=0.2` holds pictures back that are looked at once."
        )
    else:
        yield Text(
            f"The best epoch was chosen on validation data and shows {optimism.val} % on average. "
            f"The same weights get {optimism.test} % on {count(optimism.n_pictures, 'picture')} "
            "that were held back and looked at once. "
            + (
                f"The first figure was optimistic by {optimism.difference}."
                if optimism.is_told
                else "That the first figure was optimistic can't be told: the difference is "
                f"{optimism.difference}."
            )
        )
    if results.runs.searched:
        names = ", ".join(results.runs.searched)
        yield Text(f"{names} was chosen on the same validation pictures, which flatters further.")
    yield tables.selection(results, group)
    yield from _left_out(len(group.ranked), "cells", "cells.csv")


def _searched(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    names = list(results.runs.searched)
    fixed = [key for key in results.config.nuisance if key not in names]
    for key in fixed:
        yield Text(f"{key} was to be searched and has one value in all runs.", "warning")
    if not names:
        return
    yield Text(
        f"Each cell is shown at its own best {' and '.join(names)}, by the mean over the seeds."
    )
    at_edge = [
        cell
        for cell in group.cells
        if any(tables.is_at_edge(cell, number) for number in range(len(names)))
    ]
    if at_edge:
        listed = _some(cell_name(cell.levels) for cell in at_edge)
        yield Text(
            f"In {count(len(at_edge), 'cell')} the best value lies on the edge of the searched "
            f"range: {listed}. A better one may lie beyond: search further.",
            "warning",
        )
    budgets = {len(cell.tried) for cell in group.cells}
    if len(budgets) > 1:
        yield Text(
            f"Cells were searched over {min(budgets)} to {max(budgets)} values: those with more "
            "had more chances.",
            "warning",
        )
    yield tables.searched(results, group)
    yield from _left_out(len(group.cells), "cells", "cells.csv")


def _curves(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    yield from drawn.get("curves", ())


def _time(results: Results, group: Group, drawn: Pictures) -> Iterator[Block]:
    if len(group.ranked) > 1 and any(np.isfinite(cell.seconds).all() for cell in group.ranked):
        yield from drawn.get("time", ())
        yield tables.times(group)
        yield from _left_out(len(group.ranked), "cells", "cells.csv")


TITLES = {
    "_answers": "Answers",
    "_ranking": "Ranking",
    "_pairs": "Pairs of factors",
    "_effects": "Effects",
    "_shares": "Shares of variance",
    "_selection": "Selection of the epoch",
    "_searched": "Searched settings",
    "_curves": "Learning curves",
    "_time": "Accuracy and training time",
}


# --- The study as a whole


def _ledger(results: Results) -> Iterator[Block]:
    ledger = results.runs.ledger
    finished = set(ledger.finished)
    unplanned = finished - set(ledger.planned)
    duplicates = {name: runs for name, runs in ledger.finished.items() if len(runs) > 1}
    yield Table(
        ("planned", "finished", "diverged", "failed", "running", "missing", "duplicates"),
        (
            (
                f"{len(ledger.planned):,}" if ledger.planned else "not recorded",
                f"{len(finished):,}",
                f"{len(ledger.diverged):,}",
                f"{len(ledger.failed):,}",
                f"{len(ledger.running):,}",
                f"{len(ledger.missing):,}",
                f"{sum(len(runs) - 1 for runs in duplicates.values()):,}",
            ),
        ),
        "rrrrrrr",
    )
    by_status: dict[str, list[tuple[str, str]]] = {}
    for status, name, _, error in tables.unfinished(results):
        by_status.setdefault(status, []).append((name, error))
    for status, column in (("diverged", "what happened"), ("failed", "error")):
        if status in by_status:
            listed = by_status[status][:MOST_ITEMS]
            yield Table((f"{status} run", column), tuple(listed), "ll")
    if "running" in by_status:
        yield Text(f"Running: {_some((name for name, _ in by_status['running']), MOST_ITEMS)}.")
    if "missing" in by_status:
        yield tables.missing(results)
    if any(len(content) > MOST_ITEMS for content in by_status.values()):
        yield Text("Not all may be listed here; `runs.csv` has all.", "remark")
    if duplicates:
        repeated = [
            f"{runs[0].name} ({len(runs)} times; the newest counts, {runs[0].id})"
            for runs in duplicates.values()
        ]
        yield Text(f"Duplicates: {_some(repeated, MOST_ITEMS)}.")
    if unplanned and ledger.planned:
        names = [ledger.finished[fingerprint][0].name for fingerprint in sorted(unplanned)]
        yield Text(f"Finished without being part of a grid: {_some(names, MOST_ITEMS)}.")
    if not ledger.planned:
        yield Text(
            "No grid was recorded, so only what was logged is counted here: a run that was never "
            "started can't be known to be missing.",
            "remark",
        )


def _integrity(results: Results) -> Iterator[Block]:
    rows = []
    for check in results.checks:
        if check.breaches:
            verdict = "BREACH: " + "; ".join(check.breaches)
        elif check.warnings:
            verdict = "note: " + "; ".join(check.warnings)
        elif not check.n_concerned:
            verdict = "concerns no run"
        elif not check.n_checked:
            verdict = "not recorded"
        else:
            verdict = "holds"
        of = f"{check.n_checked:,} of {check.n_concerned:,}" if check.n_concerned else "–"
        rows.append((check.holds, of, verdict))
    yield Table(("what must hold", "runs checked", "found"), tuple(rows), "lrl")


def _made(results: Results) -> Iterator[Block]:
    table = results.runs.table
    commands = [plan.command for plan in results.runs.plans]
    commands += [c for c in _values(results, "command") if c not in commands]
    if commands:
        yield Code("\n".join(commands[:MOST_ITEMS]))
    items = []
    commits = _values(results, "code_commit")
    if commits:
        dirty = "true" in _values(results, "code_dirty")
        items.append(("code", ", ".join(commits) + (", with uncommitted changes" if dirty else "")))
    for text in _values(results, "versions"):
        listed = ", ".join(f"{k} {v}" for k, v in integrity.versions(text).items())
        items.append(("versions", listed))
    for label, tag, key in (("pictures", "data", "data"), ("weights", "weights", "model")):
        digests = integrity.column(table, f"tags.{tag}_digest").tolist()
        for level, digest in dict.fromkeys(zip(level_of(table, key), digests, strict=True)):
            if isinstance(digest, str) and digest != "none":
                items.append((f"{label} of {level}, digest", digest))
    device, precision = (integrity.column(table, f"tags.{tag}") for tag in ("device", "precision"))
    places = (device + ", " + precision).dropna().unique()
    if len(places):
        items.append(("computed on", "; ".join(map(str, places))))
    items.append(("every run", f"`runs.csv`, and MLflow's experiment {results.runs.study}"))
    if results.is_small:
        text = "`evidence.zip`; `python -m ablation.report evidence=evidence.zip` makes this again"
    else:
        study = shlex.quote(results.runs.study)
        text = (
            f"not kept here, as it holds {results.n_probabilities:,} probabilities; `python -m "
            f"ablation.report study={study} evidence=FILE` writes it"
        )
    items.append(("evidence", text))
    yield Bullets(tuple(items))


def _values(results: Results, tag: str) -> list[str]:
    return [str(v) for v in integrity.column(results.runs.table, f"tags.{tag}").dropna().unique()]


def _some(names: Iterable[str], most: int = MOST_IN_WORDS) -> str:
    listed = list(names)
    more = f"; and {len(listed) - most:,} more" if len(listed) > most else ""
    return "; ".join(listed[:most]) + more


# --- Setting


def save(page: Page, folder: Path) -> None:
    """Write report.md, report.html and figures/*.png into a folder that has none."""
    figures = folder / FIGURES
    figures.mkdir()
    for section in page.sections:
        for block in section.blocks:
            if isinstance(block, Picture):
                (figures / f"{block.name}.png").write_bytes(block.png)
    for name in (HTML, MARKDOWN):
        (folder / name).write_text(render(page, name), encoding="utf-8")


def render(page: Page, name: str) -> str:
    """The page through one of the templates, report.md or report.html."""
    environment = Environment(
        loader=PackageLoader("ablation.report"),
        autoescape=name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "md": _markdown,
        "cell": lambda text: _markdown(text).replace("|", "\\|"),
        "html": _html,
        "base64": lambda png: base64.b64encode(png).decode(),
    }
    environment.globals["kind"] = lambda block: type(block).__name__
    return environment.get_template(f"{name}.j2").render(page=page)


def _markdown(text: str) -> str:
    """A text whose names can't be taken for markup: some_name, <tag>, *."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\\*_<>#])", r"\\\1", part).replace("\n", " ") for part in parts[::2]]
    return "`".join(parts)


def _html(text: str) -> Markup:
    parts = str(escape(text)).split("`")
    for at in range(1, len(parts) - 1, 2):
        parts[at] = f"<code>{parts[at]}</code>"
    return Markup("".join(parts))
