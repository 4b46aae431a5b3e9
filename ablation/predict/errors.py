"""What a person is told where a run or a picture can't be used to predict."""

from ablation.errors import ConfigError


class PredictError(ConfigError):
    """A run or a picture that can't be read; its text says which and why."""
