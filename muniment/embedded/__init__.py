"""Embedded PostgreSQL and Valkey, installed from wheels, and the supervisor behind `muniment up`."""
