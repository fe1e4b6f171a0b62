"""Another Python process that can import what the tests can."""

import os
import subprocess
import sys
from typing import Any


def python(code: str, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
    """Runs code with these arguments; its output is piped, the rest is as `Popen` has it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, **options)
