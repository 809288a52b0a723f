"""The explorer of lesson 08 knows in which row the first discrepancy enters, and leads there from every other row."""

import torch

from course_lib.explore_08 import HEALTHY, PATIENTS, gradient_xray
from course_lib.views import ROOM
from course_lib.xrays import xray
from tests.test_xrays import AT, wrong_backward

RIGHT = {"A": "2", "B": "1", "C": HEALTHY, "D": "1", "E": "2"}  # by reading the five functions


def say(explorer, **where):
    return explorer.set(**where).press("said")


def test_the_right_rows_complete_the_tasks_and_wrong_ones_do_not():
    explorer = gradient_xray()
    for row in ("0", "1", "3", "5", HEALTHY):
        say(explorer, patient="A", row=row)
        assert not any(explorer.done) and not explorer.text.startswith("Right")
    for i, (patient, row) in enumerate(RIGHT.items()):
        assert not explorer.done[1]
        assert say(explorer, patient=patient, row=row).text.startswith("Right")
        assert explorer.done[0] and (i == 4 or f"{i + 1} of 5" in explorer.task_lines()[1])
    assert all(explorer.done)


def test_looking_at_rows_tells_nothing_away():
    explorer = gradient_xray()
    for patient in PATIENTS:
        for row in explorer.controls["row"].stops:
            assert "Right" not in explorer.set(patient=patient, row=row).text and not any(explorer.done)


def test_a_wrong_row_is_told_which_way_to_go():
    explorer = gradient_xray()
    assert "Go on upwards" in say(explorer, patient="B", row="3").text
    assert "victim" in say(explorer, patient="B", row="0").text
    assert "is right" in say(explorer, patient="C", row="2").text
    assert "Not healthy" in say(explorer, patient="E", row=HEALTHY).text


def test_every_sentence_is_short_and_has_no_word_of_python():
    explorer = gradient_xray()
    for patient in PATIENTS:
        for row in explorer.controls["row"].stops:
            for text in (explorer.set(patient=patient, row=row).text, explorer.press("said").text):
                assert len(text) <= len(ROOM) and "None" not in text and not explorer.failed, text


def test_a_function_of_ones_own_is_examined():
    explorer = gradient_xray(wrong_backward, AT)
    assert list(explorer.controls) == ["row", "said"]
    assert not any(say(explorer, row="4").done)
    assert say(explorer, row=str(xray(wrong_backward, AT).culprit)).done == [True]


def test_the_table_of_the_picture_is_that_of_the_xray():
    explorer = gradient_xray().set(patient="B")
    ray = xray(PATIENTS["B"], torch.tensor([0.7, -1.3, 0.0, 0.4], dtype=torch.float64))
    shown = {mover.get_text() for mover in explorer.scene.movers if hasattr(mover, "get_text")}
    assert {cell for row in ray.rows for cell in row.cells} <= shown
