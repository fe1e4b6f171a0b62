"""The console script."""

import subprocess
import sys


def test_help_of_every_command_waits_for_no_engine_and_no_statistics() -> None:
    heavy = {"torch", "ray", "optuna", "deepspeed", "tensorboard", "scipy", "matplotlib"}
    code = f"import sys, mmsearch.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
