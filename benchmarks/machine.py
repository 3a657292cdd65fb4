"""One line that says on what machine and commit a benchmark ran."""

import os
import platform
import subprocess
from pathlib import Path

import torch


def machine() -> str:
    """Processor, cores, versions and commit; a `+` marks uncommitted changes."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{model}, {os.cpu_count()} cores, {versions}, commit {_commit()}"


def _commit() -> str:
    def git(*arguments: str) -> str:
        result = subprocess.run(("git", *arguments), capture_output=True, text=True, check=False)
        return result.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")
