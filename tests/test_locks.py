"""One process at a time, and nothing left of its lock."""

import subprocess
import sys
from pathlib import Path

COUNT = """
import sys
from pathlib import Path
from ablation import locks

file = Path(sys.argv[1])
for _ in range(300):
    with locks.alone(file):
        file.write_text(str(int(file.read_text()) + 1))
"""


def test_one_process_at_a_time_and_no_lock_is_left(tmp_path: Path) -> None:
    file = tmp_path / "number"
    file.write_text("0")
    words = [sys.executable, "-c", COUNT, str(file)]
    env = {"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    counting = [subprocess.Popen(words, env=env) for _ in range(4)]
    assert [one.wait() for one in counting] == [0] * 4
    assert file.read_text() == "1200"
    assert [one.name for one in tmp_path.iterdir()] == ["number"]
