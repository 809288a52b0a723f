from tests.grader.toys import server  # noqa: F401
