"""Lesson 08, gradient debugging: the twelve cases, in the order of the notebook. See cases.py for what they share."""

import importlib

from course_lib.keys.cases import lesson

__all__ = ["lesson"]

for name in ("graph", "loss", "edge", "memory", "model", "hunt"):  # importing a module adds its cases to the lesson
    importlib.import_module(f"course_lib.keys.cases_{name}")
