"""Where a user's own settings lie on each platform."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def config_dir() -> Path:
    """The folder of the user's catalogue and defaults: HARNESS_CONFIG, or the platform's."""
    override = os.environ.get("HARNESS_CONFIG")
    if override:
        return Path(override).expanduser().absolute()
    return platformdirs.user_config_path("harness", appauthor=False)
