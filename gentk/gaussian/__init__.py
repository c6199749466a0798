"""Gaussian paths x_t = α(t) x + σ(t) ε: schedules, parameterisations, spacings, samplers, guidance.

t = 0 is data and t = 1 is noise, everywhere. Diffusion, score matching and flow matching differ only in the schedule and in what the
network is asked for; both are chosen apart from each other and from the sampler.
"""
