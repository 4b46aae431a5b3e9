"""Looks at a study to which seeds are added."""

from dataclasses import replace
from pathlib import Path

from ablation import report
from ablation.config import ReportConfig
from ablation.report.claims.looks import looks_by_hand, planned_looks
from ablation.report.evidence import archive, archive_writer
from ablation.report.evidence.store import Stored
from ablation.study.ledger import Plan
from ablation.tracking.store import connect
from tests.report.made_up import Study, store
from tests.report.reading import results_of, write


def plan(*seeds: str, looks: tuple[int, ...] = ()) -> Plan:
    return Plan("", {"reg": ["l1"], **({"seed": seeds} if seeds else {})}, [], looks)


def test_each_number_of_seeds_with_a_report_is_a_look() -> None:
    assert looks_by_hand([plan("0", "1", "2"), plan("0", "1", "2"), plan("3", "4")]) == [3, 5]
    assert looks_by_hand([plan(), plan("0", "1", "2")]) == [3]
    assert looks_by_hand([plan()]) == []
    assert planned_looks([plan(), plan("0", "1", looks=(3, 5))]) == (3, 5)


def test_looks_survive_in_the_store_and_in_a_file(tmp_path: Path) -> None:
    made = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(0, 1, 2), looks=(3, 5))
    evidence = Stored(connect(store(tmp_path, made)), made.name)
    archive_writer.save(evidence, tmp_path / "evidence.zip")
    archived = archive.Archived(tmp_path / "evidence.zip")
    assert planned_looks(evidence.plans) == planned_looks(archived.plans) == (3, 5)


def test_planned_looks_share_the_error_and_the_report_says_so(tmp_path: Path) -> None:
    once = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(0, 1, 2))
    (one,) = results_of(tmp_path / "a", once).groups
    (shared,) = results_of(tmp_path / "b", replace(once, looks=(3, 5, 10, 20))).groups
    assert one.comparison is not None
    assert shared.comparison is not None
    before, after = one.comparison.contrasts[0], shared.comparison.contrasts[0]
    assert after.found.confidence == 0.9875
    assert after.corrected_p == min(4 * before.found.p_value, 1)
    _, text = write(tmp_path / "c", replace(once, looks=(3, 5, 10, 20)))
    assert "The looks share the probability of an error" in text


def test_a_study_that_was_extended_by_hand_is_told_the_truth(tmp_path: Path) -> None:
    first = Study({"reg": ["l1", "l2"]}, lambda _: 0.9, seeds=(0, 1, 2))
    more = replace(first, seeds=(3, 4), later=1000)
    client = connect(store(tmp_path / "store", first, more))
    written = report.write(Stored(client, first.name), tmp_path, ReportConfig())
    text = written.path.read_text()
    assert "was looked at with 3 seeds before, and then extended to 5" in text
    assert "up to 10 %, not 5 %" in text
