"""Maintain archive stores."""
