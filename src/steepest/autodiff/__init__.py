"""Differentiation of recorded values. It names no primitive: each brings its own rule."""
