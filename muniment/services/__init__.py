"""The use cases, one verb per module; they get the doors as arguments and know no Celery."""
