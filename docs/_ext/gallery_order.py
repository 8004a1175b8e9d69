"""Order of the examples in the gallery."""

from __future__ import annotations

# The first ones are for a first visit. An example that is not named comes after them.
_ORDER = [
    "plot_first_fit",
    "plot_worst_labels",
    "plot_digit_images",
    "plot_noise_rates",
    "plot_loss_mixture",
    "plot_anchors",
    "plot_transition_matrix",
    "plot_label_quality",
    "plot_cleaner_in_a_pipeline",
    "plot_cleaned_classifier",
    "plot_mixed_table",
    "plot_review_page",
    "plot_trusted_rows",
    "plot_several_annotators",
    "plot_imbalanced_classes",
    "plot_grid_search",
    "plot_own_selector",
]


def in_reading_order(file_name: str) -> tuple[int, str]:
    """Key that sorts the files of the gallery.

    Parameters
    ----------
    file_name : str
        Such as ``plot_first_fit.py``.

    Returns
    -------
    key : tuple of int and str
    """
    stem = file_name.removesuffix(".py")
    return (_ORDER.index(stem) if stem in _ORDER else len(_ORDER)), stem
