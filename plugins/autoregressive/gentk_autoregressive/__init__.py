"""Models that draw one token after another, with an exact likelihood: text, pixels, codes."""
