"""How a pair is left out of a contrast."""

LEFT_OUT = -1e9
"""Logit of a pair that does not count: finite, as log-sum-exp of -inf alone has no gradient."""
