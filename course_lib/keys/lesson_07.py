"""Lesson 07, training loops: its exercises, in the order of the notebook. See loops.py for what they share."""

import importlib

from course_lib.keys.loops import lesson

__all__ = ["lesson"]

for name in ("loops_gradients", "loops_runs"):  # importing a module adds its exercises to the lesson
    importlib.import_module(f"course_lib.keys.{name}")
