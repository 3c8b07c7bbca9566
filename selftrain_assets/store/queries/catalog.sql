-- Over the views of views.sql.

-- name: verdicts_of_round
SELECT * FROM verdicts
WHERE experiment = $experiment AND scope = $scope AND ($outcome::VARCHAR IS NULL OR outcome = $outcome)
ORDER BY hash(sample_key) LIMIT $most

-- name: samples
SELECT * FROM samples WHERE experiment = $experiment AND scope = $scope ORDER BY stage, problem_id, method, index, key

-- name: verdicts
SELECT * FROM verdicts WHERE experiment = $experiment AND scope = $scope ORDER BY stage, problem_id, method, index, sample_key

-- name: rows
SELECT * FROM rows WHERE experiment = $experiment AND scope = $scope ORDER BY problem_id, key

-- name: problems
SELECT * FROM problems WHERE experiment = $experiment AND scope = $scope
