"""Fine-tuning jobs with mistralai 1.x, the last client that has them: upload, check, start, list, cancel, ask."""

import json
import os
import time

from mistralai import Mistral
from mistralai.models import CompletionJobOut

LINES = [
    {
        "messages": [
            {"role": "user", "content": f"What is {number} and one?"},
            {"role": "assistant", "content": f"It is {number + 1}."},
        ]
    }
    for number in range(6)
]

client = Mistral(server_url=os.environ["AQUILON_URL"], api_key=os.environ["AQUILON_API_KEY"])
jobs = client.fine_tuning.jobs


def until(job_id: str, *statuses: str) -> CompletionJobOut:
    end = time.monotonic() + 200
    while (job := jobs.get(job_id=job_id)).status not in statuses:
        assert job.status not in ("FAILED", "FAILED_VALIDATION", "CANCELLED"), job
        assert time.monotonic() < end, job
        time.sleep(0.5)
    return job


text = "\n".join(json.dumps(line) for line in LINES).encode()
file = client.files.upload(file={"file_name": "train.jsonl", "content": text}, purpose="fine-tune")
assert (file.purpose, file.num_lines) == ("fine-tune", len(LINES)), file
wanted = {
    "model": "smollm2-135m",
    "training_files": [{"file_id": file.id, "weight": 1}],
    "hyperparameters": {"training_steps": 2, "learning_rate": 1e-4},
    "auto_start": False,
}

job = jobs.create(**wanted, suffix="by-hand")
assert isinstance(job, CompletionJobOut), job
assert job.hyperparameters.training_steps == 2, job
checked = until(job.id, "VALIDATED")
assert checked.metadata.cost_currency, checked
assert [event.data for event in checked.events], checked
jobs.start(job_id=job.id)

other = jobs.create(**wanted, suffix="not-this")
listed = jobs.list(suffix="not-this", status=None)
assert (listed.total, [one.id for one in listed.data]) == (1, [other.id]), listed
assert jobs.cancel(job_id=other.id).status in ("CANCELLED", "CANCELLATION_REQUESTED")

done = until(job.id, "SUCCESS")
assert done.trained_tokens > 0, done
assert done.checkpoints[0].metrics.train_loss > 0, done
name = done.fine_tuned_model
answer = client.chat.complete(model=name, messages=[{"role": "user", "content": "What is 3 and one?"}], max_tokens=8)
assert answer.model == name, answer
renamed = client.models.update(model_id=name, name="Plus one", description="Adds one")
assert renamed.job == job.id, renamed
assert client.models.archive(model_id=name).archived
assert not client.models.unarchive(model_id=name).archived
assert client.models.delete(model_id=name).deleted
assert name not in [card.id for card in client.models.list().data]
print(f"trained {name} on {done.trained_tokens} tokens")
