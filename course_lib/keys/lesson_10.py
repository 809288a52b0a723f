"""Lesson 10, the capstone: its exercises, in the order of the notebook. See engine.py for what they share."""

import importlib

from course_lib.keys.engine import lesson

__all__ = ["lesson"]

# importing a module adds its exercises to the lesson
for name in (
    "engine_first", "engine_arrays", "engine_functions", "engine_layers", "engine_steps", "engine_data", "engine_probe",
    "engine_tracks", "engine_hills",
):  # fmt: skip
    importlib.import_module(f"course_lib.keys.{name}")
