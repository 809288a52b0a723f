"""The course's helpers for notebooks: pictures, explorers, predictions, check().

Everything is loaded on first use, so `import course_lib` costs next to nothing.
"""

import importlib

_HOMES = {
    "check": "selfcheck", "hint": "selfcheck", "progress": "selfcheck",
    "attempt": "quiz", "exit_ticket": "quiz", "fill": "quiz", "predict": "quiz", "recall": "quiz", "reveal": "quiz",
    "shape_lens": "explore_00", "derivative_detective": "explore_01", "function_writer": "writer", "tangent_zoom": "explore_01",
    "compass_on_a_hill": "explore_02",
    "cotangent_mixer": "explore_04", "sum_trick_lie_detector": "explore_04",
    "jacobian_microscope": "explore_05", "ribbon_view": "explore_05",
    "depth_dial": "explore_06", "softmax_seesaw": "explore_06",
    "learning_rate_dial": "explore_07", "loop_builder": "explore_07", "live_training": "training",
    "gradient_xray": "explore_08", "staircase_walk": "explore_09", "upstream_dial": "explore_09",
    "backward_order": "explore_10",
    "plot_contour": "plots_fields", "plot_descent": "plots_fields", "plot_slices": "plots_fields",
    "plot_jacobian": "plots_jacobians", "plot_map": "plots_jacobians", "plot_ribbons": "plots_jacobians",
    "plot_activation": "plots_networks", "plot_gradient_flow": "plots_networks", "plot_losses": "plots_networks",
    "plot_images": "plots_images", "plot_regions": "plots_regions", "plot_softmax": "plots_networks",
    "plot_function": "plots", "plot_remainder": "plots", "plot_secants": "plots", "plot_step_error": "plots",
    "plot_tangent": "plots", "plot_with_derivative": "plots", "plot_zoom": "plots",
    "trace": "graph", "draw_graph": "drawing", "backprop_stepper": "stepper", "step_through": "stepper",
    "xray": "xrays",
    "Formula": "formula",
}  # fmt: skip

__all__ = sorted(_HOMES)


def __getattr__(name):
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"course_lib has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"course_lib.{home}"), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
