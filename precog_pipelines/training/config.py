"""The typed form of ``config/models.yaml``: fitting, walk-forward, promotion, sanity bands."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from precog_core.config import load_section

if TYPE_CHECKING:
    import psycopg

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class XGBoostConfig(_Section):
    """Hyper-parameters of the gradient-boosted trees; changing one needs a new ``version``."""

    version: str = Field(default="v1.0", pattern=r"^v[0-9]+\.[0-9]+$")
    max_depth: Positive = 3
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.03
    max_rounds: Positive = 2000
    early_stopping_rounds: Positive = 50
    subsample: Annotated[float, Field(gt=0, le=1)] = 0.8
    colsample_bytree: Annotated[float, Field(gt=0, le=1)] = 0.8
    reg_lambda: Annotated[float, Field(ge=0)] = 5.0
    min_child_weight: Annotated[float, Field(ge=0)] = 20.0
    monotone_increasing: tuple[str, ...] = ("elo_diff",)
    seed: int = 42

    def definition(self) -> dict[str, Any]:
        """What the model version stores: all hyper-parameters, without the version itself."""
        return self.model_dump(mode="json", exclude={"version"})


Version = Annotated[str, Field(pattern=r"^v[0-9]+\.[0-9]+$")]


class LogisticConfig(_Section):
    """The regression. ``features``: those of them that the dataset has are its inputs."""

    version: Version = "v1.0"
    c: Annotated[float, Field(gt=0)] = 1.0
    features: tuple[str, ...] = ()

    def definition(self) -> dict[str, Any]:
        """What the model version stores."""
        return self.model_dump(mode="json", exclude={"version"})


class EnsembleConfig(_Section):
    """The weighted mean of logits; ``weights`` by family."""

    version: Version = "v1.0"
    weights: dict[str, Share] = {"elo": 0.40, "logistic": 0.35, "xgboost": 0.25}
    min_weight_present: Share = 0.60

    @model_validator(mode="after")
    def _weights_are_shares(self) -> "EnsembleConfig":
        if abs(sum(self.weights.values()) - 1) > 1e-9:
            raise ValueError(f"weights sum to {sum(self.weights.values())}; expected 1")
        return self

    def definition(self) -> dict[str, Any]:
        """What the model version stores."""
        return self.model_dump(mode="json", exclude={"version"})


class AnchoredConfig(_Section):
    """The market's price, corrected. ``shrinkage`` is the ridge penalty on the correction."""

    version: Version = "v1.0"
    features: tuple[str, ...] = ()
    shrinkage: Annotated[float, Field(gt=0)] = 200.0

    def definition(self) -> dict[str, Any]:
        """What the model version stores."""
        return self.model_dump(mode="json", exclude={"version"})


class TuningConfig(_Section):
    """The hyper-parameter search of the boosted trees; ``holdout_seasons`` stay unseen."""

    trials: Positive = 40
    seed: int = 42
    holdout_seasons: Positive = 1
    first_test_season_back: Positive = 8


class WalkForwardConfig(_Section):
    """Which games each season's model may learn from."""

    min_train_seasons: Positive = 3
    embargo_d: Annotated[int, Field(ge=0)] = 1
    early_stopping_share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    min_calibration_seasons: Positive = 3
    threads: Positive = 2
    calibration: Literal["platt", "isotonic"] = "platt"
    isotonic_min_games: Positive = 5_000

    def definition(self) -> dict[str, Any]:
        """The rules that decide a fit; the number of threads decides nothing."""
        # Versions stored before there was a choice say nothing of it.
        unsaid = {"calibration", "isotonic_min_games"} if self.calibration == "platt" else set()
        return self.model_dump(mode="json", exclude={"threads"} | unsaid)


class ChampionConfig(_Section):
    """The gate from challenger to champion (models.md, section 6)."""

    min_games: Positive = 100
    max_brier_excess: Annotated[float, Field(ge=0)] = 0.001
    max_ece: Share = 0.05


class SanityBand(_Section):
    """What honest results of one league look like (models.md, section 5)."""

    elo_brier_low: Share
    elo_brier_high: Share
    warn_brier_below: Share
    alarm_brier_below: Share
    alarm_accuracy_above: Share


class LeakConfig(_Section):
    """Signs that the future reached the training data."""

    max_gain_over_market: Share = 0.005
    max_feature_gain_share: Share = 0.80
    exempt_features: tuple[str, ...] = ("elo_diff", "points_margin")
    max_train_test_gap: Share = 0.03
    full_season_share: Share = 0.9


class ModelsConfig(_Section):
    """Everything in ``config/models.yaml``."""

    xgboost: XGBoostConfig = XGBoostConfig()
    logistic: LogisticConfig = LogisticConfig()
    ensemble: EnsembleConfig = EnsembleConfig()
    anchored: AnchoredConfig = AnchoredConfig()
    tuning: TuningConfig = TuningConfig()
    feature_sets: tuple[str, ...] = ("v1.0",)
    walk_forward: WalkForwardConfig = WalkForwardConfig()
    champion: ChampionConfig = ChampionConfig()
    elo_alone: dict[str, Annotated[str, Field(min_length=20)]] = {}
    sanity: dict[str, SanityBand] = {}
    leaks: LeakConfig = LeakConfig()

    def first_judged(self, league: str) -> int:
        """How many seasons Elo of ``league`` runs before one counts.

        As many as a fit needs, so that all models are judged on the same seasons; none where Elo is
        the only model, since its parameters are fixed and each game is out of sample anyway.
        """
        return 0 if league in self.elo_alone else self.walk_forward.min_train_seasons

    def band(self, league: str) -> SanityBand | None:
        """The league's sanity band; None where nobody has written down honest results yet."""
        return self.sanity.get(league)


def load_models_config(conn: "psycopg.Connection | None" = None) -> ModelsConfig:
    """The configuration in force; with ``conn`` including overrides kept in the database."""
    return load_section("models", ModelsConfig, conn=conn)
