"""Elementwise primitives, one file per kind; `family` owns broadcasting."""
