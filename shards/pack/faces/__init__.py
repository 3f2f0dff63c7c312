"""Frames into face crops: detect, follow, align, judge, encode."""
