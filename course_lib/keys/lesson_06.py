"""Lesson 06, sensitivity of relu, sigmoid and softmax: its exercises, in the order of the notebook."""

import importlib

from course_lib.keys.sensitivity import lesson

__all__ = ["lesson"]

for name in ("softmax", "logs", "models"):  # importing a module adds its exercises to the lesson
    importlib.import_module(f"course_lib.keys.sensitivity_{name}")
