"""The scripts in examples/, as a user starts them."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_example(name: str, *arguments: object, code: int = 0, timeout: float = 60) -> str:
    """What a script printed, if it ended with exit code `code`; of a failure, the one line on standard error."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == code, done.stderr
    if code == 0:
        return done.stdout
    (line,) = done.stderr.splitlines()
    prefix = f"{Path(name).name}: "
    assert line.startswith(prefix)
    assert not done.stdout
    return line.removeprefix(prefix)
