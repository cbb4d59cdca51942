"""Celery tasks: each decodes its ids and calls one service."""
