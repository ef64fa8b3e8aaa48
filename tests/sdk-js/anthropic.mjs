// Anthropic's library for JavaScript. Each export is a check; AnthropicJsSdkTests.cs says which model is active.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { becomesIdle, beginSwitch, cutTo, endlessTokens, isBusy, switchTo, weather } from './hotmodel.mjs';

const client = (base, options = {}) => new Anthropic({ baseURL: base, apiKey: 'unused', maxRetries: 0, ...options });
const ask = (text) => [{ role: 'user', content: text }];
const getWeather = { name: 'get_weather', description: 'Weather now', input_schema: weather };
const mustCall = { tools: [getWeather], tool_choice: { type: 'any' }, max_tokens: 1024 };

// The model is random and calls twice now and then; llama-server passes over disable_parallel_tool_use.
function weatherCalls(message) {
  assert.equal(message.stop_reason, 'tool_use');
  const calls = message.content.filter((block) => block.type === 'tool_use');
  assert.ok(calls.length > 0);
  for (const { name, input } of calls) {
    assert.equal(name, 'get_weather');
    assert.ok(weather.properties.unit.enum.includes(input.unit), JSON.stringify(input));
  }
  return calls;
}

export async function lists_the_models(base) {
  const ids = [];
  for await (const model of client(base).models.list()) ids.push(model.id);
  assert.ok(ids.includes('a') && ids.includes('caller'), ids.join());
}

export async function creates_a_message(base) {
  const { data, response } = await client(base).messages
    .create({ model: 'active', system: 'Be brief.', messages: ask('hello'), max_tokens: 8 })
    .withResponse();
  assert.equal(response.headers.get('x-hotmodel-model'), 'a');
  assert.equal(data.role, 'assistant');
  assert.equal(data.stop_reason, 'max_tokens');
  assert.ok(data.content[0].text.length > 0);
  assert.equal(data.usage.output_tokens, 8);
}

export async function counts_tokens(base) {
  const request = { model: 'active', system: 'Be brief.', messages: ask('hello') };
  const { input_tokens: counted } = await client(base).messages.countTokens(request);
  const { usage } = await client(base).messages.create({ ...request, max_tokens: 1 });
  assert.equal(counted, usage.input_tokens + usage.cache_read_input_tokens);
}

export async function streams(base) {
  const stream = await client(base).messages.create({
    model: 'active', messages: ask('hello'), max_tokens: 8, stream: true,
  });
  const types = [];
  for await (const event of stream) types.push(event.type);
  assert.equal(types[0], 'message_start');
  assert.ok(types.filter((type) => type === 'content_block_delta').length > 1);
  assert.deepEqual(types.slice(-3), ['content_block_stop', 'message_delta', 'message_stop']);
}

export async function streams_to_its_helper(base) {
  const stream = client(base).messages.stream({ model: 'active', messages: ask('hello'), max_tokens: 8 });
  let text = '';
  stream.on('text', (delta) => (text += delta));
  const message = await stream.finalMessage();
  assert.ok(text.length > 0);
  assert.equal(message.content[0].text, text);
  assert.equal(message.stop_reason, 'max_tokens');
  assert.equal(message.usage.output_tokens, 8);
}

export async function calls_a_tool_and_brings_its_result(base) {
  const messages = ask('weather?');
  const asked = await client(base).messages.create({ model: 'active', messages, ...mustCall });
  const results = weatherCalls(asked).map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: '12 degrees' }));
  messages.push({ role: 'assistant', content: asked.content }, { role: 'user', content: results });
  await switchTo(base, 'a');
  const answer = await client(base).messages.create({ model: 'active', messages, max_tokens: 8 });
  assert.equal(answer.stop_reason, 'max_tokens');
  assert.ok(answer.content[0].text.length > 0);
}

export async function streams_a_tool_call(base) {
  const stream = client(base).messages.stream({ model: 'active', messages: ask('weather?'), ...mustCall });
  let last;
  stream.on('inputJson', (_, input) => (last = input));
  const calls = weatherCalls(await stream.finalMessage());
  assert.deepEqual(last, calls.at(-1).input);
}

// Its path has a query: /v1/messages?beta=true.
export async function creates_a_message_of_the_beta(base) {
  const message = await client(base).beta.messages.create({
    model: 'active', messages: ask('hello'), max_tokens: 8, betas: ['token-efficient-tools-2025-02-19'],
  });
  assert.ok(message.content[0].text.length > 0);
}

export async function throws_its_own_errors(base) {
  const anthropic = client(base);
  const empty = { model: 'active', messages: [{ role: 'user' }], max_tokens: 8 };
  await assert.rejects(anthropic.messages.create(empty),
    (e) => e instanceof Anthropic.BadRequestError && e.message.includes("must contain 'content'"));
  await assert.rejects(anthropic.messages.create({ ...empty, stream: true }), Anthropic.BadRequestError);
  await assert.rejects(anthropic.messages.batches.list(), Anthropic.NotFoundError);
}

export async function aborts_a_stream_and_the_slot_is_idle(base) {
  const stream = client(base).messages.stream({ model: 'active', messages: ask('hello'), max_tokens: endlessTokens });
  const busy = new Promise((resolve, reject) => stream.once('text', () => {
    isBusy(base).then((is) => {
      stream.abort();
      resolve(is);
    }, reject);
  }));
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
  assert.ok(await busy);
  await becomesIdle(base);
}

export async function throws_when_a_forced_switch_cuts_a_stream(base) {
  const stream = client(base).messages.stream({ model: 'active', messages: ask('hello'), max_tokens: endlessTokens });
  let cut;
  stream.once('text', () => (cut = cutTo(base, 'b')));
  await assert.rejects(stream.finalMessage(), (e) => e instanceof Anthropic.APIError && /switch/.test(e.message));
  await cut;
}

export async function does_not_notice_a_switch(base) {
  const anthropic = client(base);
  const messages = ask('one');
  const running = anthropic.messages.stream({ model: 'active', messages, max_tokens: 64 });
  let begun;
  running.once('text', () => (begun = beginSwitch(base, 'b')));
  const first = await running.finalMessage();
  assert.equal(first.stop_reason, 'max_tokens');
  const { switched } = await begun;
  messages.push({ role: 'assistant', content: first.content }, ...ask('two'));
  const second = await anthropic.messages.create({ model: 'active', messages, max_tokens: 8 }).withResponse();
  await switched;
  assert.equal(second.response.headers.get('x-hotmodel-model'), 'b');
  assert.ok(second.data.content[0].text.length > 0);
}

export async function is_refused_during_a_switch(base) {
  const message = client(base).messages.create({ model: 'active', messages: ask('hello'), max_tokens: 8 });
  await assert.rejects(message, (e) => e instanceof Anthropic.InternalServerError && e.status === 503
    && e.error.error.code === 'switching' && Number(e.headers.get('retry-after')) > 0);
}

export async function throws_when_the_model_does_not_come(base) {
  const stream = client(base).messages.stream({ model: 'active', messages: ask('hello'), max_tokens: 8 });
  await assert.rejects(stream.finalMessage(),
    (e) => e instanceof Anthropic.APIError && /queue_timeout_seconds/.test(e.message));
}
