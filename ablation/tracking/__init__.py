"""The MLflow store: the only room that talks to it."""
