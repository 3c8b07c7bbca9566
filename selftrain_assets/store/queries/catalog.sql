-- Over the views of views.sql.

-- name: verdicts_of_round
SELECT * FROM verdicts
WHERE experiment = $experiment AND scope = $scope AND ($outcome::VARCHAR IS NULL OR outcome = $outcome)
ORDER BY hash(sample_key) LIMIT $most
