"""Metrics of generated examples."""
