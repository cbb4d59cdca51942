"""The use cases, one verb per module; they take resources as arguments and do not know Celery."""
