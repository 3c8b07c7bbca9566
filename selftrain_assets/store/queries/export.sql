-- The rows of a dataset, each with its problem, sample and verdict.

-- name: verdicts_of
SELECT $iteration AS iteration, $source AS source, key, sample_key, problem_id, method FROM {verdicts}

-- name: joined
SELECT r.key AS row_key, r.problem_id, p.question, p.answer, r.prompt, r.completion, r.weight, r.source, r.method, r.origin,
       r.translates, r.turn, r.sections, r.iteration AS round, r.sample_key, s.index AS sample_index, s.seed, s.policy, s.engine,
       thought_of(s.completion, s.answer_start) AS thought, answer_of(s.completion, s.answer_start) AS sampled_answer, r.forced,
       s.finish_reason, s.prompt_tokens, s.completion_tokens, v.outcome, v.reward, v.parsed, v.reason, v.verifier,
       r.position, corrected.sample_key IS NOT NULL AS ends_right
FROM {rows} AS r
LEFT JOIN {problems} AS p ON p.id = r.problem_id
LEFT JOIN {judged} AS j ON j.iteration = r.iteration AND j.sample_key = r.sample_key AND j.problem_id = r.problem_id
    AND j.source = CASE WHEN r.source IN (SELECT source FROM {judged}) THEN r.source ELSE 'self' END AND j.method IS NOT DISTINCT FROM r.method
LEFT JOIN {corrected} AS corrected ON corrected.iteration = r.iteration AND corrected.sample_key = r.sample_key
    AND corrected.problem_id = r.problem_id
LEFT JOIN {samples} AS s ON s.key = r.sample_key
LEFT JOIN {verdicts} AS v ON v.key = j.key

-- name: in_order
SELECT * EXCLUDE (position, ends_right) FROM {joined} ORDER BY position

-- name: count_wrong
-- Rows, and how many of them have no problem, no sample, no verdict, or none that lets them be learnt.
SELECT count(*), count(*) FILTER (
    question IS NULL OR (sample_key IS NOT NULL AND (policy IS NULL OR outcome IS NULL
        OR NOT (ends_right OR outcome = 'pass'))))
FROM {joined}

-- name: splits
SELECT split, count(*) FROM {rows} AS r JOIN {problems} AS p ON p.id = r.problem_id GROUP BY 1 ORDER BY 1

-- name: sources
SELECT source, iteration, method, count(*), count(DISTINCT problem_id) FROM {rows} GROUP BY ALL ORDER BY ALL
