// What the checks ask of hotmodel itself, past the SDKs.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

export const weather = {
  type: 'object',
  required: ['unit'],
  properties: { unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } },
};

export async function getJson(base, path) {
  const response = await fetch(`${base}/${path}`);
  assert.equal(response.status, 200, path);
  return response.json();
}

export async function switchTo(base, model, options = {}) {
  const response = await fetch(`${base}/admin/switch`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model, ...options }),
  });
  const report = await response.json();
  assert.equal(report.active_model, model, JSON.stringify(report));
}

// Returns when the switch has begun, that is, when what is asked from now on waits for the new model.
export async function beginSwitch(base, model) {
  const switched = switchTo(base, model);
  while (true) {
    const state = await getJson(base, 'admin/state');
    if (state.goal_model === model || state.active_model === model) return { switched };
  }
}

// Does not wait for answers that are running: they end with an error.
export const cutTo = (base, model) => switchTo(base, model, { force: true, drain_timeout_seconds: 0 });

// Of an answer that the active model has been asked for and then left.
export const endlessTokens = 3900;

export async function isBusy(base) {
  return (await getJson(base, 'slots')).some((slot) => slot.is_processing);
}

// Waits until no slot generates any more, long before the answer would have come to its end.
// llama-server looks for the client of a whole answer only when nothing has happened for a second, and a look at its
// slots is such a happening: hence the pause.
export async function becomesIdle(base, { isWhole = false } = {}) {
  while (true) {
    await pause(isWhole ? 1200 : 10);
    const busy = (await getJson(base, 'slots')).filter((slot) => slot.is_processing);
    if (busy.length === 0) return;
    const decoded = Math.max(...busy.map((slot) => slot.next_token[0].n_decoded));
    assert.ok(decoded < endlessTokens / 2, `still generating after ${decoded} tokens`);
  }
}
