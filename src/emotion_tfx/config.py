"""All settings in one object: from the command line, the environment, or ``emotion.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from emotion_tfx.errors import UserError


@dataclass(frozen=True)
class Paths:
    """Where a pipeline keeps its things.

    Attributes:
        root: The folder of it all.
    """

    root: Path

    @property
    def data(self) -> Path:
        """The prepared corpus: one CSV a split, and its report."""
        return self.root / "data"

    @property
    def artifacts(self) -> Path:
        """What the components of the pipeline write."""
        return self.root / "pipeline"

    @property
    def metadata(self) -> Path:
        """The ML Metadata store."""
        return self.root / "metadata.sqlite"

    @property
    def hyperparameters(self) -> Path:
        """What the last search found best."""
        return self.root / "hyperparameters.json"

    @property
    def serving_model(self) -> Path:
        """Pushed versions, as a server wants them."""
        return self.root / "serving_model" / "emotion"

    @property
    def report(self) -> Path:
        """The report on the last run."""
        return self.root / "report"

    @property
    def log(self) -> Path:
        """What TFX, Beam and TensorFlow have to say."""
        return self.root / "pipeline.log"


class Settings(BaseSettings):
    """Settings, each also an environment variable ``EMOTION_…`` and a line of ``emotion.toml``."""

    model_config = SettingsConfigDict(env_prefix="EMOTION_", toml_file="emotion.toml")

    output: Path = Field(Path("output"), description="Folder for all that a run writes.")
    cache: Path = Field(
        Path.home() / ".cache" / "emotion-tfx", description="Folder for corpora once fetched."
    )
    min_accuracy: float = Field(0.75, ge=0, le=1, description="No model below this is pushed.")
    max_drop: float = Field(
        0.01, ge=0, le=1, description="How far a model may fall below the last and be pushed."
    )
    written_weight: float = Field(
        3.0,
        ge=0,
        description="What each of our own written texts counts in training beside one of the "
        "corpus, though all of them never more than all of it; 0 leaves them out.",
    )
    seed: int = Field(0, description="Of weights, order and dropout in training.")
    beam_args: list[str] = Field(
        ["--runner=DirectRunner", "--direct_running_mode=in_memory"],
        description="Options of the Beam engine.",
    )
    drift_window: int = Field(
        5000,
        ge=500,
        description="How many of the last answers a server compares with those that its model "
        "was judged on.",
    )
    server: str = Field(
        "http://127.0.0.1:8501", description="Address of the server that the web app asks."
    )
    api_key: SecretStr | None = Field(None, description="What that server wants to be shown.")
    google_identity: bool = Field(
        False,
        description="Whether the web app shows that server a token of the Google service account "
        "it runs as, which a private service on Cloud Run wants to see.",
    )
    prometheus: str | None = Field(
        None, description="Address of a Prometheus that watches the server."
    )
    feedback: str | None = Field(
        None,
        description="Address of the database for feedback, as SQLAlchemy writes it; "
        "feedback.sqlite in the output folder without it.",
    )

    @classmethod
    def load(cls, **given: Any) -> Settings:  # noqa: ANN401
        """The settings, with those given put over the environment's and the file's.

        Raises:
            UserError: One of them cannot be what it says, or the file is no TOML.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            raise UserError(
                f"The setting {name!r} is not right: {first['msg']}",
                f"Mend it in the environment (EMOTION_{name.upper()}) or in emotion.toml.",
            ) from error
        except (SettingsError, ValueError) as error:
            raise UserError(
                f"The settings cannot be read: {error}",
                "Mend emotion.toml or the environment variables EMOTION_….",
            ) from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and that over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def feedback_address(self) -> str:
        """Where feedback is kept, as SQLAlchemy writes it."""
        return self.feedback or f"sqlite:///{self.output.absolute() / 'feedback.sqlite'}"

    def paths(self, *, sample: bool) -> Paths:
        """Where a run keeps its things; runs on the bundled sample keep apart from all others."""
        output = self.output.absolute()
        return Paths(output / "sample" if sample else output)
