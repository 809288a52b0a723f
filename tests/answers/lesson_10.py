"""Answers to lesson 10 as students write them, by checkpoint."""

from tests.answers import (
    engine_arrays,
    engine_data,
    engine_first,
    engine_functions,
    engine_layers,
    engine_probe,
    engine_steps,
    engine_tracks,
    quiz_of_10,
)
from tests.answers.bank_10 import bank

__all__ = [
    "bank", "engine_arrays", "engine_data", "engine_first", "engine_functions", "engine_layers", "engine_probe", "engine_steps",
    "engine_tracks", "quiz_of_10",
]
