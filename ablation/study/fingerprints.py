"""What makes two runs the same run: a fingerprint of all that can change the result."""

import hashlib
import json

from ablation.config import SCHEMA, Config


def fingerprint(config: Config) -> str:
    """The fingerprint of a run's config: 16 hexadecimal digits.

    It covers every key that can change the result, and every key that is swept: two files of
    weights make two runs, though a path changes nothing.

    A finished run is recognised by it. Whatever changes the fingerprint of an old config, a new key
    of the schema included, makes finished studies train again.
    """
    relevant = {
        name: key.of(config) for name, key in SCHEMA.items() if key.result or name in config.axes
    }
    text = json.dumps(relevant, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
