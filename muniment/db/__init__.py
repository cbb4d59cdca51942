"""Access to PostgreSQL: a connection pool, migrations, and one typed module per SQL file. Only here, asyncpg is used."""
