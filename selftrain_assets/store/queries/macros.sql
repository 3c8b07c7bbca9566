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

-- When two solutions of a problem count as the same: case and white space folded, or the equations in order, without words or
-- spaces, which is RFT's notion of one reasoning path (arXiv 2308.01825); without equations the folded text.
CREATE MACRO normalized_text(completion) AS trim(regexp_replace(lower(completion), '[\s\v\x1c-\x1f\x{85}\p{Z}]+', ' ', 'g'));
CREATE MACRO equations(completion) AS list_transform(
    regexp_extract_all(completion, '[-+*/().\d\s]*\d\s*=\s*-?\d+(?:[.,]\d+)*'), lambda e: regexp_replace(e, '\s', '', 'g'));
CREATE MACRO equation_path(completion) AS
    coalesce(nullif(array_to_string(equations(completion), ';'), ''), normalized_text(completion));

-- A choice at random ranks by a keyed hash: it depends neither on the order of arrival nor on what else is there.
CREATE MACRO at_random(seed, purpose, key) AS md5_number(seed || ':' || purpose || ':' || key);
