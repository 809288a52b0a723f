"""All explorers in one place; each lesson's live in explore_NN.

Each returns an Explorer with tasks that check themselves, and each works without a notebook: .set(a=1.0).text.
"""

from course_lib.explore_00 import shape_lens
from course_lib.explore_01 import derivative_detective, tangent_zoom
from course_lib.explore_02 import compass_on_a_hill

__all__ = ["compass_on_a_hill", "derivative_detective", "shape_lens", "tangent_zoom"]
