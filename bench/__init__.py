"""Benchmarks: side by side with rivals in one run, ratios first. They measure and never assert."""
