-- Joins of membership (which round holds a key) and pool (what lies under it). `selftrain sql` sees these and
-- problems, rows, scores, manifests.

CREATE TABLE manifests (
    experiment VARCHAR, scope VARCHAR, stage VARCHAR, key VARCHAR, digest VARCHAR, seconds DOUBLE, work_seconds DOUBLE,
    tokens BIGINT, finished TIMESTAMPTZ, counts JSON, metrics JSON, parents JSON, settings JSON, versions JSON
);

CREATE VIEW samples AS
SELECT d.experiment, d.scope, d.hinted, d.problem_id, d.method, d.origin, d.translates, p.* EXCLUDE (problem_id),
       thought_of(p.completion, p.answer_start) AS thought, answer_of(p.completion, p.answer_start) AS answer
FROM (SELECT *, false AS hinted FROM drawings UNION ALL SELECT *, true FROM hinted_drawings
      UNION ALL SELECT *, false FROM translated_drawings) AS d
JOIN sample_pool AS p USING (key);

CREATE VIEW verifications AS
SELECT j.experiment, j.scope, j.problem_id, p.* EXCLUDE (problem_id)
FROM (SELECT * FROM judgements UNION ALL SELECT * FROM hinted_judgements UNION ALL SELECT * FROM translated_judgements) AS j
JOIN verification_pool AS p USING (key);

-- One line per judged sample, the view to begin with.
CREATE VIEW verdicts AS
SELECT s.experiment, s.scope, s.problem_id, s.method, s.origin, s.index, v.outcome, v.parsed, s.prompt, s.completion, s.thought, s.answer, v.reason, s.seed, s.policy, s.engine,
       s.completion_tokens, s.finish_reason, s.ended_by, s.hinted, s.key AS sample_key, v.verifier, v.same_as, v.failed_case, v.cpu_seconds, v.output
FROM samples AS s
JOIN verifications AS v ON v.sample_key = s.key AND v.experiment = s.experiment AND v.scope = s.scope;
