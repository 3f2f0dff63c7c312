"""Scores of AU detection and intensity, with missing labels masked."""
