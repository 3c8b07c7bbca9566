"""The engine's worker, which also says how likely its model finds a text."""

from selftrain_assets.engines import vllm_worker


class ScoringWorker(vllm_worker.Worker):
    def score(self, tokens: list[int]) -> None:
        """Send the log-probability of every token but the first."""
        from vllm import SamplingParams

        parameters = SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0)
        self._engine.add_request(
            "score", {"prompt_token_ids": tokens}, parameters, lora_request=self._adapter
        )
        while self._engine.has_unfinished_requests():
            for output in self._engine.step():
                scored = zip(tokens[1:], output.prompt_logprobs[1:], strict=True)
                self._reply({"scores": [each[token].logprob for token, each in scored]})


if __name__ == "__main__":
    vllm_worker.main(ScoringWorker)
