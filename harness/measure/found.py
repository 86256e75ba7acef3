"""What a command line asks to be measured, with its models at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.measure.session import MeasureRequest, Session, prepare
from harness.measure.subjects import Subjects
from harness.schema.model import ModelFile, ModelKey


@dataclass(frozen=True)
class Found:
    """A request, the models that it is about, and those that guess for them."""

    request: MeasureRequest
    models: Subjects
    drafts: Subjects

    @property
    def title(self) -> str:
        """What is measured."""
        return self.models.title

    @property
    def paths(self) -> Mapping[ModelKey, Path]:
        """Where all of them lie."""
        return {**self.drafts.paths, **self.models.paths}

    @property
    def subjects(self) -> Subjects:
        """All of them."""
        return Subjects((*self.models.models, *self.drafts.models), self.paths)

    def session(self) -> Session:
        """
        The session that answers the request on this machine.

        Raises:
            UsageError: Settings that cannot be, or what a model cannot do.
        """
        files = [model for model in self.drafts.models if isinstance(model, ModelFile)]
        return prepare(self.request, self.models.models, self.models.paths, files)
