"""The only package that imports asyncpg: a pool, migrations, and one typed module per file of SQL."""
