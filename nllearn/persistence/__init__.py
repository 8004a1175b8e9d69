"""Fitted estimators in files that hold data and never code."""

from nllearn.persistence._estimator import load, save
from nllearn.persistence._onnx import export_onnx

__all__ = ["export_onnx", "load", "save"]
