"""Documents: what an experiment of the book is, as validated, frozen records.

A document is a `Network` or a `Baseline`, told apart by its field `kind`. The documents speak the
book's words (quadratic, log-likelihood); the code speaks the field's.
"""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from nndl_jax.schema.base import ID_PATTERN, FieldValue, Record
from nndl_jax.schema.baseline import SVM, AverageDarkness, Baseline, RandomGuess
from nndl_jax.schema.claims import Claim, ComparisonClaim, Metric, NumberClaim, Side, Source
from nndl_jax.schema.layers import (
    Activation,
    Conv,
    Dense,
    Initializer,
    LayerShape,
    MaxPool,
    Model,
)
from nndl_jax.schema.network import (
    Data,
    Network,
    Optimizer,
    Plateau,
    Regularizer,
    Schedule,
    Training,
)

Document = Network | Baseline
DOCUMENTS: TypeAdapter[Document] = TypeAdapter(Annotated[Document, Field(discriminator="kind")])


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a document, for editors: kept as `spec/schema.json`."""
    return {"title": "nndl_jax document", **DOCUMENTS.json_schema()}


__all__ = [
    "DOCUMENTS",
    "ID_PATTERN",
    "SVM",
    "Activation",
    "AverageDarkness",
    "Baseline",
    "Claim",
    "ComparisonClaim",
    "Conv",
    "Data",
    "Dense",
    "Document",
    "FieldValue",
    "Initializer",
    "LayerShape",
    "MaxPool",
    "Metric",
    "Model",
    "Network",
    "NumberClaim",
    "Optimizer",
    "Plateau",
    "RandomGuess",
    "Record",
    "Regularizer",
    "Schedule",
    "Side",
    "Source",
    "Training",
    "json_schema",
]
