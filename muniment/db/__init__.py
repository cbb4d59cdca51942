"""The only door to asyncpg: a pool, migrations, and one typed module per file of SQL."""
