"""The wheel, installed as a user installs it."""
