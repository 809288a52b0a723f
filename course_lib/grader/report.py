"""Make the pages of a grading run: report_page() for the instructor, feedback_page() for one student.

Self-contained HTML without scripts. Everything a student wrote is text by the time it is here, and is escaped by the
templates; the pages forbid themselves to load or run anything.
"""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from course_lib.judge import Status

CLUSTER = 3  # students with the same unknown wrong answer
BINS = 10
RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)  # no file names on Windows
GROUPS = {
    "right": (Status.CORRECT,),
    "partly": (Status.PARTIAL,),
    "not yet": (Status.MISCONCEPTION, Status.WRONG, Status.WRONG_TYPE, Status.RAISED, Status.TIMED_OUT,
                Status.OUT_OF_MEMORY),
    "open": (Status.OPEN, Status.MISSING),
    "not judged": (Status.REFUSED, Status.NOT_JUDGED),
}  # fmt: skip
GROUP_OF = {status: group for group, statuses in GROUPS.items() for status in statuses}

pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


# --- the instructor's page -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """A student's sum over what could be judged."""

    student: str
    page: str
    score: float
    most: int
    groups: dict  # group: how many exercises

    @property
    def share(self):
        return self.score / self.most if self.most else 0.0


def report_page(submissions, exercises, pages_of):
    """The whole class on one page."""
    totals = [total(student, handed_in, pages_of[student]) for student, handed_in in by_student(submissions).items()]
    graded = [(one.found.student, exercise, g.verdict) for one in submissions
              for exercise, (g, _) in zip(one.exercises, one.graded, strict=True)]  # fmt: skip
    counted = [one for one in totals if one.most]
    return pages.get_template("report.html").render(
        totals=totals, groups=list(GROUPS), bins=histogram(counted), exercises=per_exercise(exercises, graded),
        median=median(one.share for one in counted) if counted else None,
        misconceptions=misconceptions(graded), clusters=clusters(graded), notebooks=len(submissions),
        tiers=sorted({tier for one in submissions for _, tier in one.graded} - {"none"}) or ["none"],
        attention=[one for one in submissions if one.attention], pages_of=pages_of,
    )  # fmt: skip


def by_student(submissions):
    found = {}
    for one in submissions:
        found.setdefault(one.found.student, []).append(one)
    return found


def verdicts_on(handed_in):
    """Pairs (exercise, verdict) of what one student has handed in."""
    return [(exercise, one.verdict) for submission in handed_in
            for exercise, (one, _) in zip(submission.exercises, submission.graded, strict=True)]  # fmt: skip


def most_of(pairs):
    """The points that pairs (exercise, verdict) add up to; an optional exercise's come on top and are not in it."""
    return sum(verdict.max_score for exercise, verdict in pairs if not exercise.optional)


def total(student, handed_in, page):
    pairs = verdicts_on(handed_in)
    judged = [pair for pair in pairs if GROUP_OF[pair[1].status] != "not judged"]
    return Total(
        student=student, page=page, score=sum(verdict.score for _, verdict in judged), most=most_of(judged),
        groups=Counter(GROUP_OF[verdict.status] for _, verdict in pairs),
    )  # fmt: skip


def histogram(totals):
    """[(label, count, share of the highest)] over tenths of the points; full marks are in the last."""
    counts = [0] * BINS
    for one in totals:
        counts[min(BINS - 1, int(one.share * BINS + 1e-9))] += 1
    highest = max(counts, default=0) or 1
    return [(f"{10 * i}–{10 * (i + 1)}", count, count / highest) for i, count in enumerate(counts)]


def per_exercise(exercises, graded):
    """[(exercise, {group: count}, number of verdicts)], in the order of the course."""
    counts = {exercise.name: Counter() for exercise in exercises}
    for _, exercise, verdict in graded:
        counts[exercise.name][GROUP_OF[verdict.status]] += 1
    return [(exercise, counts[exercise.name], counts[exercise.name].total()) for exercise in exercises]


def misconceptions(graded):
    """[(count, exercise, id, sentence)], the commonest first."""
    counts = Counter(
        (exercise.name, verdict.misconception, verdict.sentence) for _, exercise, verdict in graded
        if verdict.misconception
    )  # fmt: skip
    return [(count, *what) for what, count in counts.most_common()]


def clusters(graded):
    """Wrong answers that no known mistake explains and several students share: [(students, exercise, a verdict)]."""
    found = {}
    for student, exercise, verdict in graded:
        if verdict.fingerprint and verdict.problem and not verdict.misconception:
            found.setdefault((exercise.name, verdict.fingerprint), []).append((student, exercise, verdict))
    large = [members for members in found.values() if len({student for student, _, _ in members}) >= CLUSTER]
    large.sort(key=len, reverse=True)
    return [(sorted({student for student, _, _ in members}), *members[0][1:]) for members in large]


# --- a student's page ------------------------------------------------------------------------------------------------


def feedback_page(student, handed_in, exercises):
    """What one student may see: the words of every verdict, no expected values."""
    lessons = [(one, [(exercise, g.verdict, card(g.verdict, exercise))
                      for exercise, (g, _) in zip(one.exercises, one.graded, strict=True)])
               for one in handed_in]  # fmt: skip
    pairs = verdicts_on(handed_in)
    return pages.get_template("feedback.html").render(
        student=student, lessons=lessons, group_of=GROUP_OF, score=sum(verdict.score for _, verdict in pairs),
        most=most_of(pair for pair in pairs if GROUP_OF[pair[1].status] != "not judged"),
        waiting=sum(GROUP_OF[verdict.status] == "not judged" for _, verdict in pairs),
    )  # fmt: skip


def words(verdict, exercise):
    """A verdict as text."""
    from course_lib import feedback

    return feedback.plain(verdict, exercise)


def card(verdict, exercise):
    """A verdict as HTML that is already escaped."""
    from course_lib import feedback

    return Markup(feedback.html(verdict, exercise))


# --- names -----------------------------------------------------------------------------------------------------------


def page_names(submissions):
    """{student: file name}: safe on every system, and a different one for every student."""
    names, taken = {}, set()
    for student in by_student(submissions):
        plain = re.sub(r"[^\w.-]+", "-", student).strip(".-")[:60]
        if RESERVED.match(plain):
            plain = f"student-{plain}"
        if plain != student or plain.casefold() in taken or not plain:
            plain = f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:8]}".lstrip("-")
        taken.add(plain.casefold())
        names[student] = f"{plain}.html"
    return names


def points(number):
    """A score without needless zeros: 3, 2.5, 0.67."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


pages.filters["points"] = points
pages.filters["percent"] = lambda share: f"{100 * share:.0f} %"
pages.filters["link"] = lambda name: quote(f"feedback/{name}")
pages.filters["name"] = lambda path: path.rpartition("/")[2]
pages.filters["css"] = lambda group: group.replace(" ", "-")
