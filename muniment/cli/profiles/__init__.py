"""The command groups `muniment profile` and `muniment batch`."""
