-- Of any relations that have keys.

-- name: missing
SELECT * FROM {wanted} ANTI JOIN {held} USING (key)

-- name: count_missing
SELECT count(*) FROM {wanted} ANTI JOIN {held} USING (key)
