"""Samplers that know no schedule: `prior` for latent variables, `direct` for one call, `autoregressive` and `beam` for one token after
another.

Of tokens: `logits` shapes the law of the next one, `sequences` says what is known and when a row ends, `reading` holds a model's cache,
`places` puts tokens into the leaf, `language` keeps texts to a pattern, `stops` ends them, `speculative` drafts them.
"""
