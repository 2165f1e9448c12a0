"""Product search in French, inside PostgreSQL.

`french` turns text into stems, `slips` repairs typing, `ranking` orders hits; these three are pure. `index` keeps the
tables of `models` true in the transaction of a product write, `find` asks them.
"""
