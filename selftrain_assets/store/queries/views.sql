-- Joins of membership (which round holds a key) and pool (what lies under it). `selftrain sql` sees
-- these and problems, rows, scores, manifests. `stage` says which stage of the round drew a sample:
-- a recipe may have some of its own.

CREATE TABLE manifests (
    experiment VARCHAR, scope VARCHAR, stage VARCHAR, key VARCHAR, digest VARCHAR, seconds DOUBLE, work_seconds DOUBLE,
    tokens BIGINT, finished TIMESTAMPTZ, counts JSON, metrics JSON, parents JSON, settings JSON, versions JSON
);

CREATE VIEW samples AS
SELECT m.experiment, m.scope, m.stage, m.problem_id, m.method, m.origin, m.translates,
       p.* EXCLUDE (problem_id),
       thought_of(p.completion, p.answer_start) AS thought,
       answer_of(p.completion, p.answer_start) AS answer
FROM members AS m JOIN sample_pool AS p USING (key);

CREATE VIEW verifications AS
SELECT j.experiment, j.scope, j.problem_id, p.* EXCLUDE (problem_id)
FROM judged AS j JOIN verification_pool AS p USING (key);

-- One line per judged sample, the view to begin with.
CREATE VIEW verdicts AS
SELECT s.experiment, s.scope, s.problem_id, s.method, s.origin, s.index, v.outcome, v.parsed,
       s.prompt, s.completion, s.thought, s.answer, v.reason, s.seed, s.policy, s.engine,
       s.completion_tokens, s.finish_reason, s.ended_by, s.stage, s.key AS sample_key, v.verifier,
       v.same_as, v.failed_case, v.cpu_seconds, v.output
FROM samples AS s
JOIN verifications AS v ON v.sample_key = s.key AND v.experiment = s.experiment AND v.scope = s.scope;
