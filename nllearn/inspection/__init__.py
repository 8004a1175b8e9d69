"""Tables, plots and the review page from plain arrays; the classifiers import it when asked."""

from nllearn.inspection._content import content_reader, rows_within
from nllearn.inspection._decisions import (
    Decision,
    apply_decisions_to,
    audit_answers,
    read_decisions,
)
from nllearn.inspection._exports import export_issues, guard_cell, unguard_cell
from nllearn.inspection._feature_map_display import FeatureMapDisplay
from nllearn.inspection._frames import as_frame
from nllearn.inspection._issues import label_issue_table, mark_label_issues
from nllearn.inspection._label_studio import export_label_studio, label_studio_config
from nllearn.inspection._loss_mixture_display import LossMixtureDisplay
from nllearn.inspection._map import feature_map
from nllearn.inspection._model_card import write_model_card
from nllearn.inspection._nearest import named_rows, nearest_rows, similarity_of
from nllearn.inspection._noise_rate import known_noise_rate
from nllearn.inspection._page import embed_json
from nllearn.inspection._payload import loss_payload, worst_classes
from nllearn.inspection._quality_display import LabelQualityDisplay
from nllearn.inspection._review import write_review_page
from nllearn.inspection._review_page import ReviewPage
from nllearn.inspection._sensitivity_display import ParameterSensitivityDisplay
from nllearn.inspection._threshold_display import ThresholdDisplay
from nllearn.inspection._thresholds import threshold_lines, threshold_table
from nllearn.inspection._transition_display import TransitionMatrixDisplay

__all__ = [
    "Decision",
    "FeatureMapDisplay",
    "LabelQualityDisplay",
    "LossMixtureDisplay",
    "ParameterSensitivityDisplay",
    "ReviewPage",
    "ThresholdDisplay",
    "TransitionMatrixDisplay",
    "apply_decisions_to",
    "as_frame",
    "audit_answers",
    "content_reader",
    "embed_json",
    "export_issues",
    "export_label_studio",
    "feature_map",
    "guard_cell",
    "known_noise_rate",
    "label_issue_table",
    "label_studio_config",
    "loss_payload",
    "mark_label_issues",
    "named_rows",
    "nearest_rows",
    "read_decisions",
    "rows_within",
    "similarity_of",
    "threshold_lines",
    "threshold_table",
    "unguard_cell",
    "worst_classes",
    "write_model_card",
    "write_review_page",
]
