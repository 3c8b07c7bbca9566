-- Of any relations that have keys.

-- name: missing
SELECT * FROM {wanted} AS wanted ANTI JOIN {held} AS held USING (key)

-- name: count_missing
SELECT count(*) FROM {wanted} AS wanted ANTI JOIN {held} AS held USING (key)
