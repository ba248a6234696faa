"""How good versions are: measured, judged by labelers, and what may be promoted."""
