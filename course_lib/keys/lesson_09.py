"""Lesson 09, your own gradients: its exercises, in the order of the notebook. See custom.py for what they share."""

import importlib

from course_lib.keys.custom import lesson

__all__ = ["lesson"]

for name in ("custom_stable", "custom_purpose", "custom_twice"):  # importing a module adds its exercises to the lesson
    importlib.import_module(f"course_lib.keys.{name}")
