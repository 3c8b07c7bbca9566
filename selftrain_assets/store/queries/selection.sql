-- From verified samples to training rows, by the rules of domain/selection.py. Narrow columns are read until the rows are
-- chosen, so that memory does not grow with the length of completions.

-- name: verified_samples
SELECT $iteration AS iteration, $source AS source, sample_key, problem_id, outcome, reward, method, origin, translates
FROM {verdicts}

-- name: correct_samples
-- A pass is kept, and an answer that is wrong in part, if its reward reaches the threshold; no other outcome is, whatever
-- reward it may have. A sample that rounds share counts once, as the newest says.
SELECT newest.*, sample.index,
       sample.completion_tokens - coalesce(CASE WHEN sample.learnt_from IS NOT NULL THEN sample.answer_token END, 0)
           AS learnt_tokens,
       sample.learnt_from, sample.finish_reason, prompt.stratum,
       CASE $dedup WHEN 'text' THEN md5_number(normalized_text(answer_of(sample.completion, sample.learnt_from)))
                   WHEN 'equations' THEN md5_number(equation_path(answer_of(sample.completion, sample.learnt_from)))
       END AS solution
FROM (
    SELECT sample_key, max(iteration) AS iteration, arg_max(problem_id, iteration) AS problem_id,
           arg_max(reward, iteration) AS reward, arg_max(source, iteration) AS source, arg_max(method, iteration) AS method,
           arg_max(origin, iteration) AS origin, arg_max(translates, iteration) AS translates
    FROM {verified}
    WHERE NOT list_contains($retracted_rounds::BIGINT[], iteration)
    GROUP BY sample_key
    HAVING arg_max(reward, iteration) >= $threshold
       AND (arg_max(outcome, iteration) = 'pass' OR arg_max(outcome, iteration) = 'wrong' AND arg_max(reward, iteration) > 0)
) AS newest
JOIN (SELECT *, CASE $thoughts WHEN 'drop' THEN answer_start END AS learnt_from FROM {samples}) AS sample
    ON sample.key = newest.sample_key
JOIN {prompts} AS prompt ON prompt.problem_id = newest.problem_id AND prompt.method IS NOT DISTINCT FROM newest.method
WHERE NOT list_contains($retracted_samples::VARCHAR[], newest.sample_key)
  AND NOT coalesce(list_contains($retracted_samples::VARCHAR[], newest.translates), false)

-- name: chosen_samples
-- Drop what was cut off, which has no end that could be learnt; one of those that say the same; `cap` of each problem and
-- method; as many as there would be without translations; as many of each stratum as of the smallest.
WITH usable AS (
    SELECT * FROM {correct}
    WHERE ($cut_off = 'keep' OR finish_reason = 'stop') AND NOT list_contains($retracted_sources::VARCHAR[], source)
), distinct_solutions AS (
    SELECT * FROM usable WHERE $dedup = 'none'
    UNION ALL
    (SELECT * FROM usable WHERE $dedup <> 'none'
     QUALIFY row_number() OVER (PARTITION BY problem_id, method, solution
                                ORDER BY origin IS NOT NULL, iteration DESC, index, sample_key) = 1)
), ranked AS (
    SELECT * EXCLUDE (solution, index, learnt_tokens), row_number() OVER (PARTITION BY problem_id, method ORDER BY
        CASE $choice WHEN 'first' THEN index WHEN 'shortest' THEN learnt_tokens END,
        CASE $choice WHEN 'random' THEN at_random($seed, 'cap', sample_key) END, sample_key) AS rank
    FROM distinct_solutions
), capped AS (
    SELECT *, CASE $size_match WHEN 'per_method' THEN method END AS lot FROM ranked WHERE $cap = 0 OR rank <= $cap
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY lot ORDER BY at_random($seed, 'size', sample_key), sample_key) AS number
    FROM capped
), sizes AS (
    SELECT CASE $size_match WHEN 'per_method' THEN method END AS lot,
           sum(CASE $cap WHEN 0 THEN solutions ELSE least(solutions, $cap) END) AS own
    FROM (SELECT method, problem_id, count(*) AS solutions FROM distinct_solutions WHERE origin IS NULL GROUP BY ALL)
    GROUP BY ALL
), matched AS (
    SELECT numbered.* EXCLUDE (lot, number)
    FROM numbered LEFT JOIN sizes ON sizes.lot IS NOT DISTINCT FROM numbered.lot
    WHERE $size_match = 'off' OR number <= own
), balanced AS (
    SELECT *, row_number() OVER (PARTITION BY stratum ORDER BY at_random($seed, 'balance', sample_key), sample_key) AS place
    FROM matched
)
SELECT sample_key, iteration, problem_id, source, b.method, b.origin, translates, learnt_from, rank, coalesce(pair.weight, 1)
           * (CASE $weight WHEN 'reward' THEN reward WHEN 'exp' THEN exp(reward) ELSE 1 END)::DOUBLE AS weight
FROM balanced AS b LEFT JOIN {pairs} AS pair ON pair.origin = b.origin AND pair.method = b.method
WHERE $balance = 'none' OR place <= (SELECT min(n) FROM (SELECT count(*) AS n FROM matched GROUP BY stratum))

-- name: first_at_random
SELECT * FROM {chosen} ORDER BY at_random($seed, 'mix', sample_key), sample_key LIMIT $most

-- name: rows_of_samples
-- An end token of another tokenizer is none of the model's, and some servers do not say what ended a sample: then the model's
-- own end is learnt. Without its thought a completion begins where the answer does; within a token that is a border which
-- nobody drew, and the text is learnt.
SELECT row_key(prompt, completion, weight, source, sample_key, tokens, ended_by, forced) AS key, problem_id, prompt, completion,
       weight, source, sample_key, iteration, method, origin, translates, NULL::BIGINT AS turn,
       NULL::STRUCT(length BIGINT, factor DOUBLE)[] AS sections, tokens, CASE WHEN tokens IS NOT NULL THEN tokenizer END AS tokenizer, ended_by, forced, rank
FROM (
    SELECT chosen.*, answer_of(sample.completion, learnt_from) AS completion,
           CASE WHEN learnt_from IS NULL THEN prompt.prompt ELSE coalesce(prompt.answer_prompt, prompt.prompt) END AS prompt,
           CASE WHEN learnt_from IS NULL THEN sample.tokens
                WHEN sample.answer_token IS NOT NULL THEN sample.tokens[sample.answer_token + 1:] END AS tokens,
           sample.tokenizer,
           CASE WHEN sample.finish_reason <> 'stop' THEN ''
                WHEN sample.tokenizer = ends.tokenizer OR list_contains(ends.stops, sample.ended_by) THEN sample.ended_by
                ELSE prompt.end END AS ended_by,
           CASE WHEN learnt_from IS NULL THEN sample.forced END AS forced
    FROM {chosen} AS chosen
    JOIN {samples} AS sample ON sample.key = chosen.sample_key
    CROSS JOIN {ends} AS ends
    JOIN {prompts} AS prompt ON prompt.problem_id = chosen.problem_id AND prompt.method IS NOT DISTINCT FROM chosen.method
)

-- name: training_rows
SELECT * EXCLUDE (part, rank) FROM (
    SELECT *, 0 AS part FROM {sampled_rows}
    UNION ALL
    SELECT *, rowid AS rank, 1 AS part FROM {other_rows}
)
ORDER BY part, problem_id, method, rank

-- name: samples_are_repeated
SELECT count(*) > count(DISTINCT sample_key) FROM {correct}

-- name: count_rows
SELECT count(*), count(*) FILTER (source <> 'human'), count(*) FILTER (source = 'human'),
       count(*) FILTER (source <> 'human' AND iteration < $iteration),
       count(DISTINCT problem_id) FILTER (source <> 'human')
FROM (SELECT source, iteration, problem_id FROM {chosen} UNION ALL SELECT source, iteration, problem_id FROM {other_rows})

-- name: rows_by_source
SELECT source, count(*) FROM {chosen} GROUP BY ALL

-- name: count_verified
SELECT count(*), count(*) FILTER (outcome = 'pass') FROM {verified} SEMI JOIN {prompts} USING (problem_id)

-- name: count_cut_off
SELECT count(*) FROM {correct} WHERE NOT ($cut_off = 'keep' OR finish_reason = 'stop')

-- name: rows_by_method
SELECT method, CASE source WHEN 'human' THEN 'human' ELSE coalesce(origin, method) END, count(*)
FROM {rows} WHERE method IS NOT NULL GROUP BY ALL ORDER BY ALL

-- name: rows_by_problem
SELECT problem_id, count(*) FROM {chosen} GROUP BY ALL

-- name: texts_learnt
SELECT sample_key, chosen.problem_id, completion
FROM (SELECT * FROM {chosen} ORDER BY sample_key LIMIT $most) AS chosen
JOIN {samples} AS sample ON sample.key = chosen.sample_key
UNION ALL
SELECT NULL, problem_id, completion FROM {other_rows}

-- name: rows_only_in
SELECT * FROM {these} ANTI JOIN {others} USING (key) ORDER BY problem_id, key
