"""PostgreSQL: a connection pool, migrations, and one typed module per SQL file. Only this package imports asyncpg."""
