"""Documents: what an experiment of the book is, as validated, frozen records.

A document is a `Network`, an `Ensemble`, a `Threshold`, a `Construction`, a `Baseline` or a
`Calculation`, told apart by its field `kind`. Documents speak the book's words (quadratic,
log-likelihood), the code those of the field.
"""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from nndl_jax.calculations.backpropagation import Backpropagation
from nndl_jax.calculations.bumps import Bumps
from nndl_jax.calculations.chain import Chain
from nndl_jax.calculations.circuit import Circuit
from nndl_jax.calculations.ridges import Ridges
from nndl_jax.calculations.towers import Towers
from nndl_jax.documents.baseline import SVM, AverageDarkness, Baseline, RandomGuess
from nndl_jax.documents.calculation import Calculation, Polynomial, Softmax, WeightedInput
from nndl_jax.documents.claims import (
    Claim,
    ComparisonClaim,
    CurveClaim,
    NumberClaim,
    Side,
)
from nndl_jax.documents.construction import Construction
from nndl_jax.documents.data import Augmentation, Data, Distortions, Example, Shifts
from nndl_jax.documents.ensemble import Ensemble, KnownError
from nndl_jax.documents.experiment import Source
from nndl_jax.documents.layers import (
    Activation,
    Conv,
    Dense,
    Initializer,
    LayerShape,
    MaxPool,
    Model,
)
from nndl_jax.documents.learning import (
    Decay,
    GeneralizationLoss,
    NoImprovement,
    Plateau,
    Regularizer,
    Replay,
    Training,
)
from nndl_jax.documents.network import Network
from nndl_jax.documents.optimizers import Optimizer
from nndl_jax.documents.threshold import Threshold
from nndl_jax.reading.record import ID_PATTERN, FieldValue, Record
from nndl_jax.reading.schema import DescribedSchema

Document = Network | Ensemble | Threshold | Construction | Baseline | Calculation
DISCRIMINATORS = frozenset({"form", "kind", "rule"})
"""Fields that say which of several records stands somewhere."""
AnyDocument = Annotated[Document, Field(discriminator="kind")]
"""A document as a field of a record."""
DOCUMENTS: TypeAdapter[Document] = TypeAdapter(AnyDocument)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a document, for editors: kept as `spec/schema.json`."""
    schema = DOCUMENTS.json_schema(schema_generator=DescribedSchema)
    return {"title": "nndl_jax document", **schema}


__all__ = [
    "DISCRIMINATORS",
    "DOCUMENTS",
    "ID_PATTERN",
    "SVM",
    "Activation",
    "AnyDocument",
    "Augmentation",
    "AverageDarkness",
    "Backpropagation",
    "Baseline",
    "Bumps",
    "Calculation",
    "Chain",
    "Circuit",
    "Claim",
    "ComparisonClaim",
    "Construction",
    "Conv",
    "CurveClaim",
    "Data",
    "Decay",
    "Dense",
    "Distortions",
    "Document",
    "Ensemble",
    "Example",
    "FieldValue",
    "GeneralizationLoss",
    "Initializer",
    "KnownError",
    "LayerShape",
    "MaxPool",
    "Model",
    "Network",
    "NoImprovement",
    "NumberClaim",
    "Optimizer",
    "Plateau",
    "Polynomial",
    "RandomGuess",
    "Record",
    "Regularizer",
    "Replay",
    "Ridges",
    "Shifts",
    "Side",
    "Softmax",
    "Source",
    "Threshold",
    "Towers",
    "Training",
    "WeightedInput",
    "json_schema",
]
