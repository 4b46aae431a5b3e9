"""Which run predicts, and why another does not."""

from ablation.predict.runs import best_run
from tests.predict.made_up import Call, Trained, made_run


def test_best_is_the_earliest_of_the_most_accurate_that_finished(trained: Trained) -> None:
    client = trained.client
    made_run(client, "made-up", 0.5)
    first = made_run(client, "made-up", 0.9)
    made_run(client, "made-up", 0.9)
    made_run(client, "made-up", 1.0, "FAILED")
    assert best_run(client, "made-up").info.run_id == first
    # Without a name, the study of the newest finished run.
    only = made_run(client, "newest", 0.1)
    assert best_run(client).info.run_id == only
    made_run(client, "newest-failed", 1.0, "FAILED")
    assert best_run(client).info.run_id == only


def test_a_run_that_did_not_finish_says_so(trained: Trained, call: Call) -> None:
    run_id = made_run(trained.client, "failures", 0.5, "FAILED")
    trained.client.set_tag(run_id, "error", "out of memory")
    code, _, err = call(run_id, str(trained.pictures))
    assert code == 1
    assert "did not finish, it is FAILED (out of memory)" in err


def test_a_deleted_run_says_so(trained: Trained, call: Call) -> None:
    run_id = made_run(trained.client, "failures")
    trained.client.delete_run(run_id)
    code, _, err = call(run_id, str(trained.pictures))
    assert code == 1
    assert "this run was deleted in MLflow" in err
