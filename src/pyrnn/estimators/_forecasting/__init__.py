"""Forecaster and its parts: series and windows, learning, predictions, evaluation."""
