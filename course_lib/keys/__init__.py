"""What is asked in each lesson, what must hold, and how people go wrong: one module lesson_NN with its `lesson`."""
