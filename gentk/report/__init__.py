"""Comparisons as people read them: one HTML page, Markdown, a picture, and tables for programs."""
