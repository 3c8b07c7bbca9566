"""What the columns of tables say. A name means the same in every table."""

COLUMNS = {
    "id": "the problem's name, unique in its experiment",
    "question": "what is asked",
    "answer": "the reference answer; empty where tests judge",
    "split": (
        "train, human and source are learnt from; validation, test, transfer and suite are held out"
    ),
    "group": "a label of the problem",
    "collection": "the suite or the source that the problem is of",
    "solution": "a human-written solution, where there is one",
    "solutions": "human-written solutions by method",
    "tests": "what programs are judged by, as JSON",
    "key": "identity, derived from content: the same work has the same key",
    "problem_id": "the problem that it is of",
    "prompt": "the text that is completed",
    "completion": "the text that was drawn, or is learnt",
    "seed": "of the draw",
    "index": "which draw of this prompt, from 0",
    "finish_reason": (
        "stop, length where it was cut off, or thought where the model's thought never closes"
    ),
    "prompt_tokens": "length of the prompt, in tokens",
    "completion_tokens": "length of the completion, in tokens",
    "policy": "digest of the weights that it was drawn from",
    "tokens": (
        "ids of the completion's tokens as they were drawn, the end token included; none where the"
        " engine does not say"
    ),
    "tokenizer": "digest of the tokenizer that these ids are of",
    "ended_by": (
        "the end token, or the stop text, that ended it; of a row, what is learnt behind its text:"
        " none for the model's own end"
    ),
    "answer_start": (
        "the character at which the answer starts, behind the model's thought; none without a"
        " thought"
    ),
    "answer_token": (
        "the token at which it starts; none without a thought, where it starts within a token, or"
        " where none are known"
    ),
    "forced": (
        "from which character to which the completion was not drawn: the mark that ended a thought"
        " at its budget; it is not learnt"
    ),
    "engine": "what drew it, with version and device",
    "sample_key": "the sample that it is of; none for human rows",
    "outcome": "pass, wrong, malformed, timeout, resource, unscorable or infra_error",
    "reward": "from 0 to 1: 1 of a pass, unless it is graded; a wrong answer may have a share",
    "parsed": "the answer that was read out of the completion",
    "reason": "why the verdict is what it is",
    "verifier": "fingerprint of who judged",
    "content": "hash of the program that was judged, which equal programs share",
    "same_as": "the sample whose equal program was run in its place",
    "failed_case": "the first test that failed, from 0",
    "cpu_seconds": "CPU time of the program",
    "wall_seconds": "wall time of the program",
    "peak_memory_bytes": "most memory that the program held",
    "output": "an excerpt of what the program printed",
    "weight": "of the row in the loss",
    "source": "self, human, rationalized, translated or improved",
    "iteration": "the round that drew it",
    "method": "how it solves the problem, where there are several ways",
    "origin": "the method of the solution that it translates",
    "translates": "the sample that it translates",
    "turn": "which turn of a trajectory, from 1",
    "sections": (
        "parts of the completion that differ in weight: the length of each in characters, and the"
        " factor by which the row's weight is multiplied"
    ),
    "attempt": "the solution that is looked at",
    "feedback": "what is said about it",
    "feedback_by": "script, model or self, the policy",
    "feedback_sample": "the sample in which the policy said something about it",
    "own": "what that was: right, wrong or unreadable",
    "step": "the first wrong step; none where nothing is wrong",
    "kind": "of the error",
    "update": "the next attempt",
    "update_by": "script, model or self, the policy",
    "update_sample": "the sample that it is from, unless a script wrote it",
    "greedy": "1 where the greedy completion is right",
    "samples": "completions drawn of the problem",
    "correct": "how many of these are right",
}
