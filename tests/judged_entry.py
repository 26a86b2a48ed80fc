"""A claim as the stage `evaluate` writes it, for tests of what reads it."""

from pipeline.store.judged import Entry

ENTRY: Entry = {
    "document": "ch3-net",
    "title": "A net",
    "chapter": 3,
    "kind": "number",
    "statement": "a claim",
    "metric": "test_accuracy",
    "epoch": "last",
    "book": 0.9542,
    "num_epochs": None,
    "verdict": "consistent",
    "mean": 0.95,
    "spread": 0.001,
    "num_runs": 4,
    "expected": (0.94, 0.96),
    "probability": 0.5,
    "departure": None,
    "interval": None,
    "superiority": None,
    "kinds": None,
    "num_equal": None,
    "deviation": None,
    "foreign": None,
}
