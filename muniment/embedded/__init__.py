"""PostgreSQL and Valkey started from wheels, and the supervisor behind `muniment up`."""
