"""The report counts right and names its pages safely."""

from dataclasses import replace
from types import SimpleNamespace

from course_lib.grader import report, views
from course_lib.grader.grade import Graded
from course_lib.judge import Layer, Problem, Status, Verdict
from tests.grader.toys import lesson

SLOPE, DOUBLE = lesson.exercises["slope_at"], lesson.exercises["double"]
PROBLEM = Problem(layer=Layer.VALUE, part="p", question="x = 1", got="you returned 3", wanted="w")


def verdict(exercise, status, score=0.0, **more):
    return Verdict(exercise=exercise.name, status=status, score=score, max_score=exercise.points, **more)


def handed_in(student, *verdicts):
    found = SimpleNamespace(student=student, notebook=f"{student}/01_toys.ipynb", note="")
    return SimpleNamespace(
        found=found, exercises=(SLOPE, DOUBLE), graded=[(Graded(verdict=v, seconds=0.1), "strong") for v in verdicts],
        attention=[], refusal="", lesson="01",
    )  # fmt: skip


def wrong(exercise, fingerprint="f"):
    return verdict(exercise, Status.WRONG, fingerprint=fingerprint, problem=PROBLEM)


RIGHT = [verdict(SLOPE, Status.CORRECT, 1.0), verdict(DOUBLE, Status.CORRECT, 1.0)]
CLASS = [
    handed_in("anna", *RIGHT),
    handed_in("ben", verdict(SLOPE, Status.MISCONCEPTION, misconception="A1", sentence="height"), wrong(DOUBLE)),
    handed_in("cem", verdict(SLOPE, Status.MISCONCEPTION, misconception="A1", sentence="height"), wrong(DOUBLE)),
    handed_in("dana", verdict(SLOPE, Status.OPEN), wrong(DOUBLE)),
    handed_in("emil", verdict(SLOPE, Status.NOT_JUDGED), wrong(DOUBLE, "other")),
]


def graded():
    return [(one.found.student, e, g.verdict) for one in CLASS
            for e, (g, _) in zip(one.exercises, one.graded, strict=True)]  # fmt: skip


def test_distribution_has_full_marks_in_the_last_tenth_and_counts_only_what_was_judged():
    totals = [report.total(one.found.student, [one], "p.html") for one in CLASS]
    assert [one.share for one in totals] == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert totals[-1].most == 1  # emil's slope could not be judged
    assert [count for _, count, _ in report.histogram(totals)] == [4, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_points_of_an_optional_exercise_come_on_top():
    extra = replace(DOUBLE, optional=True)
    for status, score, shown in ((Status.CORRECT, 1.0, "2 of 1 points"), (Status.OPEN, 0.0, "1 of 1 points")):
        one = handed_in("anna", RIGHT[0], verdict(extra, status, score))
        one.exercises = (SLOPE, extra)
        total = report.total("anna", [one], "p.html")
        assert (total.score, total.most) == (1.0 + score, 1)
        assert shown in report.feedback_page("anna", [one], [SLOPE, extra])
        (_, row) = views.grades([one], [SLOPE, extra])
        assert row[:5] == ["anna", 1.0, score, 1.0 + score, 1]


def test_exercises_are_counted_by_what_happened():
    counts = {
        exercise.name: (dict(groups), most) for exercise, groups, most in report.per_exercise([SLOPE, DOUBLE], graded())
    }
    assert counts["slope_at"] == ({"right": 1, "not yet": 2, "open": 1, "not judged": 1}, 5)
    assert counts["double"] == ({"right": 1, "not yet": 4}, 5)


def test_misconceptions_are_counted_and_clusters_need_three():
    assert report.misconceptions(graded()) == [(2, "slope_at", "A1", "height")]
    ((students, exercise, example),) = report.clusters(graded())
    assert (students, exercise.name, example.problem.got) == (["ben", "cem", "dana"], "double", "you returned 3")


def test_every_status_belongs_to_a_group():
    assert set(report.GROUP_OF) == set(Status)


def test_page_names_are_safe_and_different():
    students = [
        "anna",
        "Anna",
        "an na",
        "an?na",
        "../../etc/passwd",
        "con",
        "COM1.x",
        "",
        "x" * 200,
        "Öz",
        ".hidden",
        "-rf",
    ]
    names = report.page_names([handed_in(student) for student in students])
    assert len({name.casefold() for name in names.values()}) == len(students)
    for name in names.values():
        assert "/" not in name and name[0] not in ".-" and len(name) < 80 and name.endswith(".html")
        assert name.split(".")[0].lower() not in ("con", "com1", "")
    assert names["anna"] == "anna.html" and names["Öz"] == "Öz.html"


def test_report_of_an_empty_class_and_of_this_one_are_whole_pages():
    for submissions in ([], CLASS):
        page = report.report_page(submissions, [SLOPE, DOUBLE], report.page_names(submissions))
        assert page.rstrip().endswith("</html>") and "Misconceptions" in page


def test_feedback_escapes_what_a_student_wrote():
    problem = Problem(layer=Layer.VALUE, part="p", question="q", got="<b onclick=x>", wanted="w")
    one = handed_in("<i>eve</i>", RIGHT[0], verdict(DOUBLE, Status.WRONG, problem=problem))
    page = report.feedback_page("<i>eve</i>", [one], {})
    assert "<i>eve" not in page and "<b onclick" not in page and "&lt;b onclick=x&gt;" in page


def test_points_have_no_needless_zeros():
    assert [report.points(number) for number in (3.0, 2.5, 2 / 3, 0.0, 10)] == ["3", "2.5", "0.67", "0", "10"]
