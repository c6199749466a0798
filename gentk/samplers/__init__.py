"""Samplers that know no schedule: `prior` for latent variables, `direct` for one call, `autoregressive` for one token after another."""
