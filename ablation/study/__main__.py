"""`python -m ablation.study plans|forget NAME`: what was asked of a study, and what no longer is.

A plan that was mistyped keeps its study incomplete. Forgetting it removes what it asked for from
the ledger; runs that were trained for it stay.
"""

import argparse
from collections.abc import Sequence

from rich.console import Console

from ablation import process
from ablation.errors import ConfigError
from ablation.report.claims.words import count
from ablation.tracking import plans, store


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m ablation.study", description=__doc__)
    parser.add_argument("--tracking-uri", help="of the store; else MLFLOW_TRACKING_URI, else here")
    commands = parser.add_subparsers(dest="action", required=True)
    listing = commands.add_parser("plans", help="list what was asked of a study")
    listing.add_argument("study", metavar="NAME")
    forgetting = commands.add_parser("forget", help="no longer ask for what a plan asked for")
    forgetting.add_argument("study", metavar="NAME")
    forgetting.add_argument("plan", metavar="PLAN", help="its id, as `plans` lists it")
    given = parser.parse_args(arguments)
    with process.command():
        client = store.connect_existing(store.resolve_uri(given.tracking_uri), "--tracking-uri ")
        experiment = store.find_study(client, given.study)
        found = plans.by_id(experiment)
        console = Console(highlight=False, soft_wrap=True)
        if given.action == "plans":
            for name, plan in found.items():
                n_runs = count(len(plan.fingerprints), "run")
                console.print(f"{name}  {n_runs}  {plan.command}", markup=False)
            return
        if given.plan not in found:
            known = ", ".join(found) or "none"
            raise ConfigError(f"{given.plan}: {given.study} has no such plan; it has {known}")
        plans.forget(client, experiment, given.plan)
        n_runs = count(len(found[given.plan].fingerprints), "run")
        said = f"forgot {given.plan} ({n_runs}): {found[given.plan].command}"
        console.print(said, markup=False)


if __name__ == "__main__":
    main()
