"""The audit of labels: rows drawn for a person to look at, and what the answers say."""

from nllearn.audit._answers import audit_labels
from nllearn.audit._audit import Audit, Interval
from nllearn.audit._labels import AuditedLabels, draw_audit_sample

__all__ = ["Audit", "AuditedLabels", "Interval", "audit_labels", "draw_audit_sample"]
