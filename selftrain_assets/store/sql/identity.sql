-- The keys of domain/identity.py, for tables: SQL and Python give the same key for the same content.

CREATE MACRO hashed(content) AS substr(sha256(content), 1, 32);

CREATE MACRO sample_key(draws, prompt, index) AS hashed('sample:' || draws || ':' || sha256(prompt) || ':' || index);

CREATE MACRO problem_digest(question, answer, tests) AS
    hashed('problem:' || sha256(question) || ':' || sha256(answer) || CASE WHEN tests IS NULL THEN '' ELSE ':' || sha256(tests) END);

CREATE MACRO verification_key(sample, completion_digest, problem, verifier) AS
    hashed('verification:' || sample || ':' || completion_digest || ':' || problem || ':' || verifier);

CREATE MACRO row_key(prompt, completion, weight, source, sample, tokens, ended_by, forced) AS
    hashed('row:' || sha256(prompt) || ':' || sha256(completion) || ':' || printf('%.17g', weight) || ':' || source || ':' || coalesce(sample, '')
           || CASE WHEN tokens IS NULL THEN '' ELSE ':tokens=' || sha256(array_to_string(tokens, ',')) END
           || CASE WHEN ended_by IS NULL THEN '' ELSE ':end=' || sha256(ended_by) END
           || CASE WHEN forced IS NULL THEN '' ELSE ':forced=' || array_to_string(forced, '-') END);

-- The two parts of a completion that begins with a thought; without one all of it is the answer.
CREATE MACRO thought_of(completion, answer_start) AS left(completion, answer_start);
CREATE MACRO answer_of(completion, answer_start) AS CASE WHEN answer_start IS NULL THEN completion ELSE substr(completion, answer_start + 1) END;
