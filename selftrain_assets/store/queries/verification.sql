-- Verdicts that are wanted, those that pools hold, and what a stage notes of them.

-- name: plan_verdicts
SELECT request.position, verification_key(sample.key, sample.digest, problem.digest, verifier.fingerprint) AS key,
       sample.key AS sample_key, request.problem_id, request.method, request.origin, request.translates,
       verifier.fingerprint AS verifier_fingerprint
FROM (SELECT key, sha256(completion) AS digest FROM {samples}) AS sample
JOIN {requests} AS request USING (key)
JOIN (SELECT id, problem_digest(question, answer, tests) AS digest FROM {problems}) AS problem ON problem.id = request.problem_id
JOIN {verifiers} AS verifier ON verifier.method IS NOT DISTINCT FROM request.method

-- name: verifiers
SELECT DISTINCT verifier_fingerprint FROM {planned} ORDER BY ALL

-- name: missing_of
SELECT * FROM {planned} ANTI JOIN {verdicts} USING (key) WHERE verifier_fingerprint = $verifier

-- name: count_of
SELECT count(*) FROM {planned} WHERE verifier_fingerprint = $verifier

-- name: answers_to_judge
SELECT missing.key, missing.sample_key, missing.problem_id, missing.method, sample.prompt,
       answer_of(sample.completion, sample.answer_start), sample.finish_reason
FROM {samples} AS sample JOIN {missing} AS missing ON missing.sample_key = sample.key

-- name: one_by_content
SELECT DISTINCT ON (content) * FROM {verdicts} WHERE content <> '' ORDER BY ALL

-- name: with_content
SELECT * FROM {verdicts} WHERE content IN (SELECT unnest($contents::VARCHAR[]))

-- name: verdicts_are_repeated
SELECT (SELECT count(*) FROM {planned} JOIN {verdicts} USING (key)) > (SELECT count(*) FROM {planned} SEMI JOIN {verdicts} USING (key))

-- name: membership
SELECT key, planned.sample_key, planned.problem_id, outcome, reward, planned.method, planned.origin, planned.translates
FROM {planned} AS planned JOIN {verdicts} USING (key)
ORDER BY position

-- name: members
-- Under the problem ids of this experiment, as the samples are (generation.sql).
SELECT verdict.* REPLACE (member.problem_id AS problem_id)
FROM {membership} AS member JOIN {verdicts} AS verdict USING (key)
ORDER BY member.position

-- name: outcomes
SELECT outcome, count(*), count(same_as) FROM {planned} LEFT JOIN {verdicts} USING (key) GROUP BY outcome

-- name: solved_and_verifiers
SELECT count(DISTINCT planned.problem_id) FILTER (outcome = 'pass'), string_agg(DISTINCT verifier, ', ' ORDER BY verifier)
FROM {planned} AS planned JOIN {verdicts} USING (key)

-- name: yields
SELECT planned.method, coalesce(planned.origin, planned.method), count(*), count(*) FILTER (outcome = 'pass')
FROM {planned} AS planned JOIN {verdicts} USING (key)
WHERE planned.method IS NOT NULL
GROUP BY ALL ORDER BY ALL

-- name: votes
SELECT request.method, greedy, request.problem_id, outcome, parsed, reward
FROM {requests} AS request
JOIN {planned} AS planned USING (position)
JOIN {verdicts} AS verdict ON verdict.key = planned.key
ORDER BY position

-- name: solved_problems
SELECT DISTINCT problem_id FROM {verdicts} WHERE outcome = 'pass'

-- name: failed
SELECT planned.key, planned.verifier_fingerprint, planned.sample_key, planned.problem_id, verdict.outcome
FROM {planned} AS planned JOIN {verdicts} AS verdict ON verdict.key = planned.key
WHERE verdict.outcome IN ('wrong', 'malformed') AND list_contains($verifiers::VARCHAR[], planned.verifier_fingerprint)
  AND planned.sample_key NOT IN (SELECT key FROM {samples} WHERE finish_reason = $unclosed)

-- name: failed_answers
SELECT failed.verifier_fingerprint, failed.sample_key, failed.problem_id, failed.outcome, verdict.parsed,
       answer_of(sample.completion, sample.answer_start)
FROM (SELECT * FROM {failed} ORDER BY sample_key, key LIMIT $most) AS failed
JOIN {verdicts} AS verdict ON verdict.key = failed.key
JOIN {samples} AS sample ON sample.key = failed.sample_key
ORDER BY failed.sample_key, failed.key

-- name: solutions
SELECT planned.problem_id, planned.method, hash(sample.completion) AS text, count(*) AS times, min(sample.key) AS sample_key,
       sum(sample.completion_tokens) AS tokens
FROM {planned} AS planned
JOIN {verdicts} AS verdict ON verdict.key = planned.key
JOIN {samples} AS sample ON sample.key = planned.sample_key
WHERE verdict.outcome = 'pass'
GROUP BY ALL

-- name: count_solutions
SELECT coalesce(sum(times), 0), count(*), sum(tokens) FROM {solutions}

-- name: most_repeated
SELECT solution.problem_id, times, left(completion, $characters)
FROM (SELECT * FROM {solutions} ORDER BY times DESC, sample_key LIMIT $most) AS solution
JOIN {samples} AS sample ON sample.key = solution.sample_key
ORDER BY times DESC, sample.key

-- name: malformed
SELECT sample.key, malformed.problem_id, left(sample.completion, $characters), reason
FROM (
    SELECT position, planned.sample_key, planned.problem_id, reason
    FROM {planned} AS planned JOIN {verdicts} USING (key)
    WHERE outcome = 'malformed' ORDER BY position LIMIT $most
) AS malformed
JOIN {samples} AS sample ON sample.key = malformed.sample_key
ORDER BY position

-- name: changed
-- Samples on which the verdicts of a finished stage and new ones differ.
SELECT planned.position, planned.problem_id, planned.sample_key, before.key AS key_before, now.key AS key_now
FROM {planned} AS planned
JOIN {verdicts} AS now ON now.key = planned.key
JOIN {membership} AS member ON member.sample_key = planned.sample_key AND member.problem_id = planned.problem_id
JOIN {earlier} AS before ON before.key = member.key
WHERE (member.outcome, member.reward) IS DISTINCT FROM (now.outcome, now.reward)

-- name: changed_samples
SELECT record.* REPLACE (changed.problem_id AS problem_id)
FROM {changed} AS changed JOIN {records} AS record ON record.key = changed.sample_key ORDER BY position

-- name: verdicts_before
SELECT record.* REPLACE (changed.problem_id AS problem_id)
FROM {changed} AS changed JOIN {records} AS record ON record.key = changed.key_before ORDER BY position

-- name: verdicts_now
SELECT record.* REPLACE (changed.problem_id AS problem_id)
FROM {changed} AS changed JOIN {records} AS record ON record.key = changed.key_now ORDER BY position

-- name: count_judged
SELECT count(*) FROM {planned} SEMI JOIN {verdicts} USING (key)
