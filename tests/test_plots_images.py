"""Small images in a row: what they say, and what is refused."""

import numpy as np
import pytest
import torch

from course_lib.plots_images import plot_images


def test_the_sentence_names_each_image_with_its_range():
    panels = plot_images({"grey": np.array([[0.0, 0.25], [1.0, 0.5]]), "slopes": torch.tensor([[-2.0, 1.0]], requires_grad=True)})
    assert panels.description == "2 images: grey, from 0 to 1; slopes, from −2 to 1, dots are negative."
    assert [ax.get_title() for ax in panels] == ["grey", "slopes"]


def test_negative_numbers_are_marked_by_dots_and_not_by_colour_alone():
    grey, signed = plot_images({"grey": np.ones((2, 2)), "signed": np.array([[-3.0, 2.0], [1.0, -2.5]])})
    assert not grey.lines
    assert set(zip(*signed.lines[0].get_data(), strict=True)) == {(0, 0), (1, 1)}


@pytest.mark.parametrize("signed", [True, False])
def test_zero_is_white(signed):
    image = np.array([[0.0, -1.0 if signed else 1.0]])
    (ax,) = plot_images({"one": image})
    shown = ax.images[0]
    assert np.allclose(shown.cmap(shown.norm(0.0))[:3], 1, atol=0.02)


@pytest.mark.parametrize("wrong", [[np.ones((2, 2))], {}, {str(i): np.ones((2, 2)) for i in range(7)}])
def test_anything_but_a_dict_of_a_few_is_refused(wrong):
    with pytest.raises(TypeError, match="one to 6 pictures by title"):
        plot_images(wrong)


def test_a_flat_image_is_told_to_be_reshaped():
    with pytest.raises(ValueError, match=r"a 3: .* shape \(64,\); reshape it"):
        plot_images({"a 3": torch.ones(64)})


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        plot_images({"bad": np.array([[np.nan, 1.0]])})
