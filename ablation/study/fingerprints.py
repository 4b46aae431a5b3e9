"""What makes two runs the same run: a fingerprint of all that can change the result."""

import hashlib
import json

from ablation import first_version, parts, targets
from ablation.config import SCHEMA, Config
from ablation.targets import TARGET

#: Of the fingerprints. A run that an earlier version could express keeps the one it had there.
VERSION = 2


def fingerprint(config: Config) -> str:
    """The fingerprint of a run's config: 16 hexadecimal digits.

    It covers every key that can change the result, and every key that is swept: two files of
    weights make two runs, though a path changes nothing. Of a person's own part it covers the
    source, so that a change there makes another run.

    A finished run is recognised by it. Whatever changes the fingerprint of an old config makes
    finished studies train again; a new key of the schema is `later`.
    """
    relevant = {
        name: key.of(config)
        for name, key in SCHEMA.items()
        if (key.result and not (key.later and key.of(config) == key.default)) or name in config.axes
    }
    first = None if config.model.own else first_version.keys(config)
    relevant |= _parts(config) if first is None else first
    text = json.dumps(relevant, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _parts(config: Config) -> dict[str, object]:
    """The parts with the digests of their sources, by dotted names."""
    found: dict[str, object] = {"version": VERSION}
    own = {"model": config.model.own} if config.model.own else {}
    for group, part in {**{one: getattr(config, one) for one in parts.GROUPS}, **own}.items():
        target = part[TARGET]
        found |= parts.flat(group, part)
        if target is not None and target not in parts.SHIPPED:
            found[f"{group}.source"] = targets.source_digest(target)
    return found
