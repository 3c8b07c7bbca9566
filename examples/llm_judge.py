"""A verifier that asks a language model on a server with OpenAI's API, such as vLLM.

export OPENAI_BASE_URL=http://localhost:8000/v1 OPENAI_API_KEY=none JUDGE=Qwen/Qwen3-8B
python examples/llm_judge.py
"""

import os

import selftrain_assets as st

SIZES = {"train": 16, "human": 16, "validation": 2, "test": 10, "transfer": 2}  # as a trial

PROMPT = """Question: {question}
Reference answer: {answer}
Answer of a student: {completion}
Is the student's answer right? Begin your reply with yes or no."""


@st.verifier(version="1", resource="network", seconds=90)
def judge(problem: st.Problem, completion: str, *, model: str) -> st.Verdict:
    """The word of a language model. Where the server fails, the sample is judged again later."""
    import openai  # here, since worker processes call the function

    prompt = PROMPT.format(question=problem.question, answer=problem.answer, completion=completion)
    reply = openai.OpenAI(timeout=60).chat.completions.create(
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
        recipe={"type": "rest_em", "sampling": {"samples_per_problem": 4, "max_tokens": 40}},
        base={"fine_tune": "human"},
        trainer={"steps": 30, "learning_rate": 0.002},
    )
    run = st.open(experiment, name="llm-judge")
    run.finish(1)
    print(run.verdicts(1).to_pandas()[["completion", "outcome", "reason"]].head())


if __name__ == "__main__":
    main()
