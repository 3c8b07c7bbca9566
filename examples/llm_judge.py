"""A verifier that asks a language model on a server with OpenAI's API, such as vLLM.

export OPENAI_BASE_URL=http://localhost:8000/v1 OPENAI_API_KEY=none JUDGE=Qwen/Qwen3-8B
python examples/llm_judge.py
"""

import os
from functools import cache

import selftrain_assets as st

SIZES = {"train": 16, "human": 16, "validation": 2, "test": 10, "transfer": 2}  # as a trial

PROMPT = """Question: {question}
Reference answer: {answer}
Answer of a student: {completion}
Is the student's answer right? Begin your reply with yes or no."""


@cache
def client() -> "openai.OpenAI":  # noqa: F821
    """One connection for each worker process; address and key are in the environment."""
    import openai

    return openai.OpenAI(timeout=60)


@st.verifier(version="1", resource="network", seconds=90)
def judge(problem: st.Problem, completion: str, *, model: str) -> st.Verdict:
    """The word of a language model. Where the server fails, the sample is judged again later."""
    prompt = PROMPT.format(question=problem.question, answer=problem.answer, completion=completion)
    reply = client().chat.completions.create(
        model=model, messages=[{"role": "user", "content": prompt}], temperature=0
    )
    text = reply.choices[0].message.content or ""
    right = text.strip().lower().startswith("yes")
    return st.Verdict(
        st.Outcome.PASS if right else st.Outcome.WRONG, float(right), completion, text
    )


def main() -> None:
    """One round in which the server judges."""
    experiment = st.Experiment(
        model="embedded",
        rounds=1,
        task={"type": "word_problems", **SIZES},
        verifier=judge(model=os.environ["JUDGE"]),
        recipe={"type": "rest_em", "sampling": {"samples_per_problem": 2, "max_tokens": 40}},
        evaluation={"samples_per_problem": 1, "pass_at": [1], "majority_at": []},
        trainer={"steps": 5},
    )
    run = st.open(experiment, name="llm-judge")
    run.finish(1)
    print(run.verdicts(1).to_pandas()[["completion", "outcome", "reason"]].head())


if __name__ == "__main__":
    main()
