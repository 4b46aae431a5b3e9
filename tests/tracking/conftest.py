"""Connections to stores are not shared between tests."""

import pytest

from ablation.tracking import store


@pytest.fixture(autouse=True)
def fresh_connections() -> None:
    """Each of these tests is a new process as far as the stores are concerned."""
    store.connect.cache_clear()
