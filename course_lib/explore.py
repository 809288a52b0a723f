"""All explorers in one place; each lesson's live in explore_NN.

Each returns an Explorer with tasks that check themselves, and each works without a notebook: .set(a=1.0).text.
"""

from course_lib.explore_00 import shape_lens
from course_lib.explore_01 import derivative_detective, tangent_zoom
from course_lib.explore_02 import compass_on_a_hill
from course_lib.explore_04 import cotangent_mixer, sum_trick_lie_detector
from course_lib.explore_05 import jacobian_microscope, ribbon_view
from course_lib.explore_06 import depth_dial, softmax_seesaw
from course_lib.explore_07 import learning_rate_dial, loop_builder
from course_lib.explore_08 import gradient_xray
from course_lib.explore_09 import staircase_walk, upstream_dial
from course_lib.explore_10 import backward_order
from course_lib.writer import function_writer

__all__ = [
    "backward_order", "compass_on_a_hill", "cotangent_mixer", "depth_dial", "derivative_detective", "function_writer",
    "gradient_xray", "jacobian_microscope", "learning_rate_dial", "loop_builder", "ribbon_view", "shape_lens",
    "softmax_seesaw", "staircase_walk", "sum_trick_lie_detector", "tangent_zoom", "upstream_dial",
]
