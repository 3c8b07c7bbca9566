-- What a person looks at first.

-- name: samples
SELECT prompt, completion, thought_of(completion, answer_start) AS thought, answer_of(completion, answer_start) AS answer, seed,
       finish_reason, key
FROM {samples} LIMIT $most

-- name: verdicts
-- A few right and a few wrong ones.
SELECT prompt, completion, thought_of(completion, answer_start) AS thought, answer_of(completion, answer_start) AS answer,
       outcome AS verdict, reason, sample_key
FROM {verdicts} AS verdict JOIN {samples} AS sample ON sample.key = verdict.sample_key
WHERE (outcome = 'pass') = $right LIMIT $most

-- name: solved_shares
SELECT avg(CAST(outcome = 'pass' AS INT)) FROM {verdicts} GROUP BY problem_id

-- name: corrections_first
SELECT * FROM {turns} ORDER BY update IS NULL LIMIT $most

-- name: first
SELECT * FROM {records} LIMIT $most
