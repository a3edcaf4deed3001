"""Stores on their real engines, and the conformance suite on broken ones."""
