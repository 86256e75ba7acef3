"""A model that a server has loaded: where it is asked, and what the server says of itself."""

from __future__ import annotations

from typing import Literal

from harness.schema.record import Record
from harness.schema.settings import ServedSettings

ServerApi = Literal["openai", "ollama"]
"""How it is asked: OpenAI's chat completions, or Ollama's own chat, which tells its times."""

WHEEL = "xllamacpp"
"""What carries the llama-server of the extra `serve`, and begins its version."""


class Served(Record):
    """
    Of a model that is asked for at `url`, which holds no credentials.

    `model` is what a request calls it, `server` the program ("llama-server") and `version` its own.
    With `is_local` it runs on the machine that measures, which therefore works for both. With
    `started_for` the harness starts it itself, anew for each Run and at another port, for the file
    of the same plan that has this key; `system_info` are then the instructions that it was built
    for, in llama.cpp's words.
    """

    url: str
    model: str
    server: str
    version: str | None = None
    api: ServerApi = "openai"
    is_local: bool = False
    started_for: str | None = None
    system_info: str | None = None
    settings: ServedSettings = ServedSettings()

    @property
    def title(self) -> str:
        """The program with its version, and that it runs elsewhere if it does."""
        told = f"{self.server} {self.version}" if self.version else self.server
        return told if self.is_local else f"{told} elsewhere"
