# %% [markdown]
# # Self-training in a notebook
# Each `# %%` begins a cell, in VS Code, Spyder and PyCharm, and in Jupyter with jupytext.

# %%
import selftrain_assets as st

SIZES = {"train": 16, "human": 16, "validation": 2, "test": 10, "transfer": 2}  # as a trial
experiment = st.Experiment(
    model="embedded",
    rounds=2,
    task={"type": "word_problems", **SIZES},
    recipe={"type": "rest_em", "sampling": {"samples_per_problem": 4, "max_tokens": 40}},
    base={"fine_tune": "human"},
    trainer={"steps": 30, "learning_rate": 0.002},
)
run = st.open(experiment, name="notebook")

# %% Nothing is done twice: run this cell again, or interrupt it and go on later.
for event in run.rounds(1):
    print(event.stage, dict(event.counts))

# %% What was sampled, and what the verifier said.
verdicts = run.verdicts(1).to_pandas()
print(verdicts.groupby("outcome").size())
print(verdicts.loc[verdicts["outcome"] == "wrong", ["completion", "parsed", "reason"]].head())

# %% What was learnt from it.
print(run.rows(1).to_pandas()[["prompt", "completion", "weight"]].head())

# %% Another round, and what all of it came to.
report = run.finish(2)
for round_, accuracy in enumerate(report.accuracy):
    print(f"round {round_}: {accuracy.mean:.2f} ({accuracy.low:.2f} to {accuracy.high:.2f})")

# %% Anything else is a query.
print(st.sql("select scope, count(*) as rows from rows group by scope").to_pandas())

# %%
run
