"""Tests of the torture machine."""
