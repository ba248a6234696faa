"""Simulated labelers, who use the HTTP API as a browser would.

They stand in for people in tests, benchmarks and demonstrations, and measure what people cannot:
since their hidden utility is known, so is whether a round of training has moved towards it.
"""
