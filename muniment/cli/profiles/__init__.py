"""`muniment profile` and `muniment batch`."""
