-- Requests, what pools hold of them, and the samples of finished stages.

-- name: plan_requests
-- One line per draw of each prompt, under the key of domain/identity.py.
SELECT $first + prompt_index * $samples_per_prompt + index AS position, sample_key($draws_key, prompt, index) AS key, problem_id,
       $method::VARCHAR AS method, $origin::VARCHAR AS origin, translates, $draws_index AS draws_index, prompt_index, index,
       $greedy AS greedy
FROM {prompts}, range($samples_per_prompt) AS draws(index)

-- name: requests_in_order
SELECT draws_index, prompt_index, index FROM {requests} ORDER BY position

-- name: membership
SELECT key, problem_id, method, origin, translates FROM {requests} ORDER BY position

-- name: members
-- Under the problem ids of this experiment: a pool knows prompts, and another experiment may have drawn from the same prompt
-- for a problem with another id.
SELECT sample.* REPLACE (request.problem_id AS problem_id)
FROM {requests} AS request JOIN {samples} AS sample USING (key)
ORDER BY request.position

-- name: cut_off_and_engines
SELECT count(*) FILTER (finish_reason <> 'stop'), string_agg(DISTINCT engine, ', ' ORDER BY engine)
FROM {requests} JOIN {samples} USING (key)

-- name: responses
SELECT draws_index, prompt_index, answer_of(completion, answer_start), sample.key, finish_reason
FROM {requests} JOIN {samples} AS sample USING (key)

-- name: greedy_answers
SELECT request.problem_id, answer_of(completion, answer_start)
FROM {requests} AS request JOIN {samples} AS sample USING (key)
WHERE method IS NULL AND greedy
ORDER BY position

-- name: thoughts
SELECT count(*), count(answer_start), count(*) FILTER (finish_reason = $unclosed), count(forced)
FROM {requests} JOIN {samples} USING (key)

-- name: thought_lengths
SELECT avg(tokens), median(tokens), quantile_cont(tokens, 0.9), max(tokens)
FROM (SELECT answer_token AS tokens FROM {requests} JOIN {samples} USING (key) WHERE answer_token IS NOT NULL)

-- name: answer_lengths
SELECT avg(tokens), median(tokens), quantile_cont(tokens, 0.9), max(tokens)
FROM (
    SELECT completion_tokens - answer_token AS tokens FROM {requests} JOIN {samples} USING (key)
    WHERE answer_token IS NOT NULL AND finish_reason <> $unclosed
)

-- name: correct_answers
-- Each distinct answer that passed, under the key of its first sample, less what was retracted.
SELECT method, sample.problem_id, answer_of(completion, answer_start), min(sample.key)
FROM {verdicts} AS verdict
JOIN {samples} AS sample ON sample.key = verdict.sample_key AND sample.problem_id = verdict.problem_id
WHERE outcome = 'pass' AND NOT list_contains($retracted::VARCHAR[], sample.key)
GROUP BY ALL ORDER BY ALL

-- name: attempts
SELECT sample.problem_id, sample.key, answer_of(sample.completion, sample.answer_start), verdict.outcome, sample.finish_reason
FROM {samples} AS sample
LEFT JOIN {verdicts} AS verdict ON verdict.sample_key = sample.key AND verdict.problem_id = sample.problem_id
ORDER BY sample.problem_id, sample.index, sample.key

-- name: count_lost_edits
SELECT count(*) FROM (SELECT feedback_sample AS key FROM {turns} UNION SELECT update_sample FROM {turns})
ANTI JOIN {samples} USING (key) WHERE key IS NOT NULL

-- name: text_digests
SELECT key, sha256(completion) FROM {samples}

-- name: count_keys
SELECT count(DISTINCT key) FROM {samples}
