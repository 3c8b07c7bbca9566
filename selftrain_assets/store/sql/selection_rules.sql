-- When two solutions of a problem count as the same: case and white space folded, or the equations in order, without words or
-- spaces, which is RFT's notion of one reasoning path (arXiv 2308.01825); without equations the folded text.
CREATE MACRO normalized_text(completion) AS trim(regexp_replace(lower(completion), '[\s\v\x1c-\x1f\x{85}\p{Z}]+', ' ', 'g'));
CREATE MACRO equations(completion) AS list_transform(
    regexp_extract_all(completion, '[-+*/().\d\s]*\d\s*=\s*-?\d+(?:[.,]\d+)*'), lambda e: regexp_replace(e, '\s', '', 'g'));
CREATE MACRO equation_path(completion) AS
    coalesce(nullif(array_to_string(equations(completion), ';'), ''), normalized_text(completion));

-- Rows among which sizes are matched: those of a method, or all.
CREATE MACRO size_lot(method) AS CASE getvariable('size_match') WHEN 'per_method' THEN method END;

-- A choice at random ranks by a keyed hash: it depends neither on the order of arrival nor on what else is there.
CREATE MACRO at_random(purpose, key) AS md5_number(getvariable('seed') || ':' || purpose || ':' || key);
