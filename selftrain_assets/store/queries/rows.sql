-- What is measured of a table of training rows.

-- name: row_counts
-- Equal texts of a problem are counted as one solution; `own` rows are those that no human wrote.
SELECT rows.*, coalesce(problem."group", '') AS "group"
FROM (
    SELECT problem_id, source <> 'human' AS own, md5_number(normalized_text(completion)) AS solution, count(*) AS times
    FROM {rows} GROUP BY ALL
) AS rows
LEFT JOIN {problems} AS problem ON problem.id = rows.problem_id

-- name: is_mixed
SELECT bool_or(own) AND NOT bool_and(own) FROM {counts}

-- name: have_groups
SELECT count(*) > 0 FROM {counts} WHERE (own OR NOT $own) AND "group" <> ''

-- name: frequencies
-- How many kinds have how many rows each.
SELECT n, count(*) FROM (
    SELECT sum(times)::BIGINT AS n FROM {counts}
    WHERE own OR NOT $own
    GROUP BY CASE WHEN $kind <> 'groups' THEN problem_id END, CASE $kind WHEN 'solutions' THEN solution END,
             CASE $kind WHEN 'groups' THEN "group" END
)
GROUP BY n ORDER BY n

-- name: texts
-- Hashed, so that the rows of a problem stay together and the first of them are a sample of all.
SELECT coalesce(question, prompt) || chr(10) || completion
FROM {rows} AS r LEFT JOIN {problems} AS problem ON problem.id = r.problem_id
ORDER BY md5(problem_id), r.key LIMIT $most

-- name: count_as_drawn
SELECT count(*) FILTER (as_drawn), count(*) FILTER (NOT as_drawn), count(tokens) FILTER (NOT as_drawn)
FROM (SELECT tokens, coalesce(tokenizer = $tokenizer, false) AS as_drawn FROM {rows})

-- name: some_rows
SELECT completion, ended_by, tokens FROM {rows}
WHERE coalesce(tokenizer = $tokenizer, false) = $as_drawn ORDER BY key LIMIT $most

-- name: overlap
-- By prompt and completion: rows of both tables, of the first alone, and of the other alone.
SELECT count(*) FILTER (in_first AND in_this), count(*) FILTER (NOT in_this), count(*) FILTER (NOT in_first)
FROM (
    SELECT bool_or(in_first) AS in_first, bool_or(NOT in_first) AS in_this
    FROM (SELECT prompt, completion, true AS in_first FROM {first} UNION ALL SELECT prompt, completion, false FROM {this})
    GROUP BY prompt, completion
)
