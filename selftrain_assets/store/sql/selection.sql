-- From verified samples to training rows, by the rules of domain/selection.py. Reads narrow columns until the rows are chosen,
-- so that memory does not grow with the length of completions.
--
-- in:   verified(iteration, source, sample_key, problem_id, outcome, reward, method, origin, translates), sample_pool,
--       prompts(problem_id, prompt, stratum, method, answer_prompt), pairs(origin, method, weight), and the rules as variables
-- out:  correct, one line per correct sample; candidates, those of them that may become rows; chosen, those that do; training_rows, with
--       those of the table human_rows

-- Only PASS is kept, whatever reward another outcome may have. A sample that rounds share counts once, as the newest says.
CREATE TABLE correct AS
SELECT c.*, s.index, s.completion_tokens - coalesce(CASE WHEN s.learnt_from IS NOT NULL THEN s.answer_token END, 0) AS learnt_tokens,
       s.learnt_from, s.finish_reason, p.stratum,
       CASE getvariable('dedup') WHEN 'text' THEN md5_number(normalized_text(answer_of(s.completion, s.learnt_from)))
                                 WHEN 'equations' THEN md5_number(equation_path(answer_of(s.completion, s.learnt_from))) END AS solution
FROM (SELECT sample_key, max(iteration) AS iteration, arg_max(problem_id, iteration) AS problem_id, arg_max(reward, iteration) AS reward,
             arg_max(source, iteration) AS source, arg_max(method, iteration) AS method, arg_max(origin, iteration) AS origin,
             arg_max(translates, iteration) AS translates
      FROM verified
      WHERE NOT list_contains(getvariable('retracted_rounds'), iteration)
      GROUP BY sample_key
      HAVING arg_max(outcome, iteration) = 'pass' AND arg_max(reward, iteration) >= getvariable('threshold')) AS c
JOIN (SELECT *, CASE getvariable('thoughts') WHEN 'drop' THEN answer_start END AS learnt_from FROM sample_pool) AS s ON s.key = c.sample_key
JOIN prompts AS p ON p.problem_id = c.problem_id AND p.method IS NOT DISTINCT FROM c.method
WHERE NOT list_contains(getvariable('retracted_samples'), c.sample_key)
  AND NOT coalesce(list_contains(getvariable('retracted_samples'), c.translates), false);

-- What was cut off has no end that could be learnt.
CREATE VIEW candidates AS
SELECT * EXCLUDE (finish_reason) FROM correct WHERE getvariable('cut_off') = 'keep' OR finish_reason = 'stop';

CREATE TABLE chosen AS
WITH usable AS (
    SELECT * FROM candidates WHERE NOT list_contains(getvariable('retracted_sources'), source)
), fresh AS (
    SELECT * FROM usable WHERE getvariable('dedup') = 'none'
    UNION ALL
    (SELECT * FROM usable WHERE getvariable('dedup') <> 'none'
     QUALIFY row_number() OVER (PARTITION BY problem_id, method, solution
                                ORDER BY source = 'translated', iteration DESC, index, sample_key) = 1)
), ranked AS (
    SELECT * EXCLUDE (solution, index, learnt_tokens), row_number() OVER (PARTITION BY problem_id, method ORDER BY
        CASE getvariable('choice') WHEN 'first' THEN index WHEN 'shortest' THEN learnt_tokens END,
        CASE getvariable('choice') WHEN 'random' THEN at_random('cap', sample_key) END, sample_key) AS rank
    FROM fresh
), capped AS (
    SELECT * FROM ranked WHERE getvariable('cap') = 0 OR rank <= getvariable('cap')
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY lot ORDER BY at_random('size', sample_key), sample_key) AS number
    FROM (SELECT *, size_lot(method) AS lot FROM capped)
), sizes AS (
    SELECT size_lot(method) AS lot, sum(CASE getvariable('cap') WHEN 0 THEN found ELSE least(found, getvariable('cap')) END) AS own
    FROM (SELECT method, problem_id, count(*) AS found FROM fresh WHERE source <> 'translated' GROUP BY ALL)
    GROUP BY ALL
), matched AS (
    SELECT n.* EXCLUDE (lot, number) FROM numbered AS n LEFT JOIN sizes AS s ON s.lot IS NOT DISTINCT FROM n.lot
    WHERE getvariable('size_match') = 'off' OR number <= own
), balanced AS (
    SELECT *, row_number() OVER (PARTITION BY stratum ORDER BY at_random('balance', sample_key), sample_key) AS place
    FROM matched
)
SELECT b.* EXCLUDE (place), coalesce(w.weight, 1)
    * (CASE getvariable('weight') WHEN 'reward' THEN reward WHEN 'exp' THEN exp(reward) ELSE 1 END)::DOUBLE AS weight
FROM balanced AS b LEFT JOIN pairs AS w ON w.origin = b.origin AND w.method = b.method
WHERE getvariable('balance') = 'none' OR place <= (SELECT min(n) FROM (SELECT count(*) AS n FROM matched GROUP BY stratum));

-- A row is read by a cursor, which has no variables.
CREATE TABLE known AS SELECT getvariable('tokenizer')::VARCHAR AS tokenizer, getvariable('stops')::VARCHAR[] AS stops;

-- An end token of another tokenizer is none of the model's, and some servers do not say what ended a sample: then its own end is learnt.
-- Without its thought a completion begins where the answer does. Within a token that is a border which nobody drew: then the text is learnt.
CREATE VIEW learnt AS
SELECT c.*, s.finish_reason, answer_of(s.completion, c.learnt_from) AS completion,
       CASE WHEN c.learnt_from IS NULL THEN p.prompt ELSE coalesce(p.answer_prompt, p.prompt) END AS prompt,
       CASE WHEN c.learnt_from IS NULL THEN s.tokens WHEN s.answer_token IS NOT NULL THEN s.tokens[s.answer_token + 1:] END AS tokens,
       s.tokenizer,
       CASE WHEN s.finish_reason <> 'stop' THEN ''
            WHEN s.tokenizer = known.tokenizer OR list_contains(known.stops, s.ended_by) THEN s.ended_by
            ELSE p.end END AS ended_by,
       CASE WHEN c.learnt_from IS NULL THEN s.forced END AS forced
FROM chosen AS c
JOIN sample_pool AS s ON s.key = c.sample_key
CROSS JOIN known
JOIN prompts AS p ON p.problem_id = c.problem_id AND p.method IS NOT DISTINCT FROM c.method;

CREATE VIEW training_rows AS
WITH own AS (
    SELECT row_key(prompt, completion, weight, source, sample_key, tokens, ended_by, forced) AS key, problem_id, prompt, completion,
           weight, source, sample_key, iteration, method, origin, translates, NULL::BIGINT AS turn, NULL::VARCHAR AS sections,
           tokens, CASE WHEN tokens IS NOT NULL THEN tokenizer END AS tokenizer, ended_by, forced, 0 AS part, rank AS place
    FROM learnt
)
SELECT * EXCLUDE (part, place) FROM (SELECT * FROM own UNION ALL SELECT *, 1, rowid FROM human_rows)
ORDER BY part, problem_id, method, place;
