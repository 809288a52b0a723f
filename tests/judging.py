"""What tests of judge and diagnosis share: an exercise from a key, and the verdict on an answer to it."""

from course_lib.exercise import Exercise
from course_lib.judge import LocalSource, judge


def verdict_on(answer, key, *, points=4, signature="(a)", mistakes=(), seed="public", source=LocalSource):
    """What judge says about an answer to an exercise with this key."""
    exercise = Exercise(
        name="task",
        lesson="09",
        number="9.1",
        title="",
        signature=signature,
        points=points,
        minutes=1,
        section="09a",
        key=key,
    )
    for id, mistake in mistakes:
        exercise.mistake(id)(mistake)
    return judge(exercise, source(answer), seed=seed)


def one_demand(demand, *args):
    """A key with a single part that asks once and demands one thing."""

    def key(ask):
        with ask.part("the part"):
            demand(ask(*args))

    return key


def returns(value):
    return lambda *args: value
