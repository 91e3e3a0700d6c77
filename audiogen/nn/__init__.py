"""Layers that no single paper owns."""
