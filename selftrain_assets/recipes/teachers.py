"""Teachers: models that are sampled in place of the policy.

A teacher is a model here, a checkpoint of another experiment, or a model behind a server.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PrivateAttr, Tag

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.server import Api, ServerSettings
from selftrain_assets.domain.settings import Identity


class CheckpointOf(Identity):
    """The checkpoint of a round, of this or another experiment."""

    experiment: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$", description="its experiment")
    iteration: int = Field(ge=1, description="its round")


class ServedTeacher(ServerSettings):
    """A model that only a server has; only its name is known here.

    Its samples are stored under `digest`, which stands for its weights: a hash of its name, `api`
    and `revision`, which alone decide what it answers. The address of the server and how it is
    called (`base_url`, key, concurrency) can change without any sample being drawn again. So two
    servers must not give the same name to different models; where one does, or puts new weights
    under an old name, `revision` tells them apart.
    """

    _section: str = PrivateAttr("recipe.teacher")

    type: Literal["openai"] = "openai"
    model: str = Field(min_length=1, description="its name on the server")
    api: Api = Field(
        "chat",
        description=(
            "chat: each prompt is one user message, with few-shot examples as turns before it,"
            " without the student's chat template that prompt.chat puts around it; completions: the"
            " prompt is completed as it is"
        ),
    )
    revision: str = Field(
        "", description="any text; another one is another model, whose samples are drawn anew"
    )

    @property
    def identity(self) -> dict[str, str]:
        """The settings that decide what the model answers."""
        return {"model": self.model, "api": self.api, "revision": self.revision}

    @property
    def digest(self) -> str:
        """A hash of the identity, used in place of a digest of weights."""
        return fingerprint("served", self.identity)

    def __str__(self) -> str:
        return f"{self.model} at {self.base_url}"


def _kind(value: Any) -> str:
    """The type to validate a value as; for a dict, the one that shares most fields with it."""
    if isinstance(value, dict):
        fits = {
            kind.__name__: len(kind.model_fields.keys() & value.keys())
            for kind in (CheckpointOf, ServedTeacher)
        }
        return max(fits, key=fits.__getitem__)
    return type(value).__name__ if isinstance(value, CheckpointOf | ServedTeacher) else "str"


Teacher = Annotated[
    Annotated[str, Tag("str")]
    | Annotated[CheckpointOf, Tag("CheckpointOf")]
    | Annotated[ServedTeacher, Tag("ServedTeacher")],
    Discriminator(_kind),
]
"""A directory or hub name, {experiment, iteration}, or {base_url, model}."""
