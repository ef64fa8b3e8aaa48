// OpenAI's library for JavaScript. Each export is a check; OpenAiJsSdkTests.cs says which model is active.
import assert from 'node:assert/strict';
import OpenAI, { toFile } from 'openai';
import { becomesIdle, beginSwitch, cutTo, endlessTokens, getJson, isBusy, switchTo, weather } from './hotmodel.mjs';

const client = (base, options = {}) => new OpenAI({ baseURL: `${base}/v1`, apiKey: 'unused', maxRetries: 0, ...options });
const ask = (text) => [{ role: 'user', content: text }];
const getWeather = { type: 'function', function: { name: 'get_weather', description: 'Weather now', parameters: weather } };
// The model is random: it would call twice now and then.
const oneCall = { tools: [getWeather], tool_choice: 'required', parallel_tool_calls: false };

function isWeatherCall(name, argumentsText) {
  assert.equal(name, 'get_weather');
  assert.ok(weather.properties.unit.enum.includes(JSON.parse(argumentsText).unit), argumentsText);
}

export async function lists_the_models(base) {
  const ids = [];
  for await (const model of client(base).models.list()) ids.push(model.id);
  assert.ok(ids.includes('a') && ids.includes('caller'), ids.join());
  assert.equal((await client(base).models.retrieve('a')).id, 'a');
}

export async function chats(base) {
  const { data, response } = await client(base).chat.completions
    .create({ model: 'active', messages: ask('hello'), max_tokens: 8 })
    .withResponse();
  assert.equal(response.headers.get('x-hotmodel-model'), 'a');
  assert.equal(data.choices[0].finish_reason, 'length');
  assert.ok(data.choices[0].message.content.length > 0);
  assert.equal(data.usage.completion_tokens, 8);
}

export async function streams(base) {
  const stream = await client(base).chat.completions.create({
    model: 'active', messages: ask('hello'), max_tokens: 8, stream: true, stream_options: { include_usage: true },
  });
  let text = '';
  let last;
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    last = chunk.choices[0]?.finish_reason ?? last;
    usage = chunk.usage ?? usage;
  }
  assert.ok(text.length > 0);
  assert.equal(last, 'length');
  assert.equal(usage.completion_tokens, 8);
}

export async function streams_to_its_helper(base) {
  const stream = client(base).chat.completions.stream({ model: 'active', messages: ask('hello'), max_tokens: 8 });
  let text = '';
  stream.on('content', (delta) => (text += delta));
  const completion = await stream.finalChatCompletion();
  assert.ok(text.length > 0);
  assert.equal(completion.choices[0].message.content, text);
}

export async function calls_a_tool_and_brings_its_result(base) {
  const messages = ask('weather?');
  const asked = await client(base).chat.completions.create({ model: 'active', messages, ...oneCall });
  assert.equal(asked.choices[0].finish_reason, 'tool_calls');
  const [call, ...others] = asked.choices[0].message.tool_calls;
  assert.equal(others.length, 0);
  isWeatherCall(call.function.name, call.function.arguments);
  messages.push(asked.choices[0].message, { role: 'tool', tool_call_id: call.id, content: '12 degrees' });
  await switchTo(base, 'a');
  const answer = await client(base).chat.completions.create({
    model: 'active', messages, tools: [getWeather], tool_choice: 'none', max_tokens: 8,
  });
  assert.equal(answer.choices[0].finish_reason, 'length');
  assert.ok(answer.choices[0].message.content.length > 0);
}

export async function streams_a_tool_call(base) {
  const stream = client(base).chat.completions.stream({ model: 'active', messages: ask('weather?'), ...oneCall });
  const completion = await stream.finalChatCompletion();
  const calls = completion.choices[0].message.tool_calls;
  assert.equal(calls.length, 1);
  isWeatherCall(calls[0].function.name, calls[0].function.arguments);
}

export async function runs_its_tools_by_itself(base) {
  const results = [];
  const runner = client(base).chat.completions.runTools({
    model: 'active',
    messages: ask('weather?'),
    parallel_tool_calls: false,
    tool_choice: 'required',
    tools: [{
      type: 'function',
      function: {
        name: 'get_weather',
        description: 'Weather now',
        parameters: weather,
        parse: JSON.parse,
        function: ({ unit }) => {
          results.push(unit);
          return '12 degrees';
        },
      },
    }],
    // A call is required of every answer, so this is what ends it.
  }, { maxChatCompletions: 2 });
  await runner.done();
  assert.equal(results.length, 2);
  assert.ok(results.every((unit) => weather.properties.unit.enum.includes(unit)), results.join());
}

export async function parses_what_a_schema_asks_for(base) {
  const completion = await client(base).chat.completions.parse({
    model: 'active',
    messages: ask('weather?'),
    response_format: { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema: weather } },
  });
  const { unit } = JSON.parse(completion.choices[0].message.content);
  assert.ok(weather.properties.unit.enum.includes(unit), unit);
}

export async function completes(base) {
  const request = { model: 'active', prompt: 'one two', max_tokens: 8 };
  const whole = await client(base).completions.create(request);
  assert.ok(whole.choices[0].text.length > 0);
  assert.equal(whole.usage.completion_tokens, 8);
  let text = '';
  const stream = await client(base).completions.create({ ...request, stream: true });
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
  assert.ok(text.length > 0);
}

export async function embeds(base) {
  const input = ['one', 'two', 'one'];
  // The library asks for base64 unless told otherwise, and decodes it.
  const packed = await client(base).embeddings.create({ model: 'active', input });
  const plain = await client(base).embeddings.create({ model: 'active', input, encoding_format: 'float' });
  assert.equal(packed.data.length, 3);
  assert.ok(packed.data[0].embedding.length > 1);
  assert.deepEqual(packed.data[0].embedding, packed.data[2].embedding);
  assert.notDeepEqual(packed.data[0].embedding, packed.data[1].embedding);
  plain.data[0].embedding.forEach((value, i) => assert.ok(Math.abs(value - packed.data[0].embedding[i]) < 1e-5));
}

// Half a second of silence: 16 kHz, one channel, 16 bits.
function wav() {
  const samples = 8000;
  const file = Buffer.alloc(44 + samples * 2);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + samples * 2, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(16000, 24);
  file.writeUInt32LE(32000, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(samples * 2, 40);
  return file;
}

export async function transcribes(base) {
  const request = async () => ({ model: 'active', file: await toFile(wav(), 'silence.wav'), temperature: 0 });
  const transcript = await client(base).audio.transcriptions.create(await request());
  assert.ok(transcript.text.length > 0);
  const stream = await client(base).audio.transcriptions.create({ ...await request(), stream: true });
  let text = '';
  let last;
  for await (const event of stream) {
    if (event.type === 'transcript.text.delta') text += event.delta;
    last = event;
  }
  assert.equal(last.type, 'transcript.text.done');
  assert.equal(last.text, text);
  assert.equal(text, transcript.text);
}

export async function responds(base) {
  const { data, response } = await client(base).responses
    .create({ model: 'active', instructions: 'Be brief.', input: 'one two', max_output_tokens: 8 })
    .withResponse();
  assert.equal(response.headers.get('x-hotmodel-model'), 'a');
  assert.equal(data.status, 'completed');
  assert.ok(data.output_text.length > 0);
  assert.equal(data.usage.output_tokens, 8);
  const counted = await client(base).responses.inputTokens.count({
    model: 'active', instructions: 'Be brief.', input: 'one two',
  });
  assert.equal(counted.input_tokens, data.usage.input_tokens);
}

export async function streams_a_response(base) {
  // Not the library's responses.stream(): it wants an output_index in events, which llama-server 0.7.0 leaves out.
  const stream = await client(base).responses.create({
    model: 'active', input: 'one two', max_output_tokens: 8, stream: true,
  });
  const types = [];
  let text = '';
  let last;
  for await (const event of stream) {
    types.push(event.type);
    if (event.type === 'response.output_text.delta') text += event.delta;
    last = event;
  }
  assert.equal(types[0], 'response.created');
  assert.equal(last.type, 'response.completed');
  assert.ok(text.length > 0);
  assert.equal(last.response.output[0].content[0].text, text);
}

export async function calls_a_tool_in_a_response(base) {
  const tools = [{ type: 'function', name: 'get_weather', description: 'Weather now', parameters: weather, strict: true }];
  const input = ask('weather?');
  const asked = await client(base).responses.create({
    model: 'active', input, tools, tool_choice: 'required', parallel_tool_calls: false,
  });
  const call = asked.output.find((item) => item.type === 'function_call');
  isWeatherCall(call.name, call.arguments);
  input.push(...asked.output, { type: 'function_call_output', call_id: call.call_id, output: '12 degrees' });
  await switchTo(base, 'a');
  const answer = await client(base).responses.create({
    model: 'active', input, tools, tool_choice: 'none', max_output_tokens: 8,
  });
  assert.ok(answer.output_text.length > 0);
}

export async function throws_its_own_errors(base) {
  const openai = client(base);
  const bad = openai.chat.completions.create({ model: 'active', messages: ask('hello'), response_format: { type: 'none' } });
  await assert.rejects(bad, (e) => e instanceof OpenAI.BadRequestError && e.type === 'invalid_request_error'
    && e.message.includes('response_format'));
  const badStream = openai.chat.completions.create({ model: 'active', messages: 'hello', stream: true });
  await assert.rejects(badStream, (e) => e instanceof OpenAI.BadRequestError && e.error.message.length > 0);
  await assert.rejects(openai.models.retrieve('none'), OpenAI.NotFoundError);
  await assert.rejects(openai.batches.list(), OpenAI.NotFoundError);
  const embedding = openai.embeddings.create({ model: 'active', input: 'one' });
  await assert.rejects(embedding, (e) => e instanceof OpenAI.InternalServerError && e.status === 501
    && e.message.includes('--embeddings'));
}

export async function aborts_a_stream_and_the_slot_is_idle(base) {
  const stream = await client(base).chat.completions.create({
    model: 'active', messages: ask('hello'), max_tokens: endlessTokens, stream: true,
  });
  for await (const chunk of stream) {
    if (!chunk.choices[0]?.delta.content) continue;
    assert.ok(await isBusy(base));
    stream.controller.abort();
  }
  await becomesIdle(base);
}

export async function aborts_a_whole_answer_and_the_slot_is_idle(base) {
  const abort = new AbortController();
  const answer = client(base).chat.completions.create(
    { model: 'active', messages: ask('hello'), max_tokens: endlessTokens }, { signal: abort.signal });
  const rejected = assert.rejects(answer, OpenAI.APIUserAbortError);
  while (!(await isBusy(base)));
  abort.abort();
  await rejected;
  await becomesIdle(base, { isWhole: true });
}

async function readsUntilItIsCut(base, stream) {
  let cut;
  for await (const _ of stream) cut ??= cutTo(base, 'b');
  await cut;
}

export async function throws_when_a_forced_switch_cuts_a_stream(base) {
  const chat = await client(base).chat.completions.create({
    model: 'active', messages: ask('hello'), max_tokens: endlessTokens, stream: true,
  });
  await assert.rejects(readsUntilItIsCut(base, chat), (e) => e instanceof OpenAI.APIError && /switch/.test(e.message));
}

export async function throws_when_a_forced_switch_cuts_a_response(base) {
  const response = await client(base).responses.create({
    model: 'active', input: 'hello', max_output_tokens: endlessTokens, stream: true,
  });
  await assert.rejects(readsUntilItIsCut(base, response), (e) => e instanceof OpenAI.APIError && /switch/.test(e.message));
}

export async function does_not_notice_a_switch(base) {
  const id = 'js-switch';
  const openai = client(base, { defaultHeaders: { 'X-HotModel-Session': id } });
  const say = (text) => openai.chat.completions.create({ model: 'active', messages: ask(text), max_tokens: 8 }).withResponse();
  const first = await say('one');
  assert.equal(first.response.headers.get('x-hotmodel-model'), 'a');

  const running = await openai.chat.completions.create({
    model: 'active', messages: ask('two'), max_tokens: 64, stream: true,
  });
  let begun;
  let end;
  let text = '';
  for await (const chunk of running) {
    begun ??= await beginSwitch(base, 'b');
    text += chunk.choices[0]?.delta.content ?? '';
    end = chunk.choices[0]?.finish_reason ?? end;
  }
  assert.equal(end, 'length');

  // While it is switching, or after: the request waits in line and notices nothing.
  const third = await say('three');
  await begun.switched;
  assert.equal(third.response.headers.get('x-hotmodel-model'), 'b');
  // The preset, two turns, and the question.
  assert.equal(third.data.hotmodel.prompt_messages, 6);
  const { history } = await getJson(base, `admin/sessions/${id}`);
  const texts = history.map(({ message }) => [message.role, message.content]);
  assert.deepEqual(texts, [
    ['user', 'one'], ['assistant', first.data.choices[0].message.content],
    ['user', 'two'], ['assistant', text],
    ['user', 'three'], ['assistant', third.data.choices[0].message.content],
  ]);
}

export async function is_refused_during_a_switch_and_tries_again(base) {
  const running = await client(base).chat.completions.create({
    model: 'active', messages: ask('hello'), max_tokens: endlessTokens, stream: true,
  });
  await running[Symbol.asyncIterator]().next();
  const switched = switchTo(base, 'b');
  while ((await getJson(base, 'admin/state')).phase !== 'draining');

  const request = { model: 'active', messages: ask('hello'), max_tokens: 8 };
  await assert.rejects(client(base).chat.completions.create(request), (e) => e instanceof OpenAI.InternalServerError
    && e.status === 503 && e.code === 'switching' && Number(e.headers.get('retry-after')) > 0);

  const replies = [];
  const noted = async (url, init) => {
    // However long the switch takes.
    if (replies.length > 0) await switched;
    const response = await fetch(url, init);
    replies.push({ status: response.status, at: performance.now(), after: Number(response.headers.get('retry-after')) });
    // It has been refused: now the switch may go on.
    running.controller.abort();
    return response;
  };
  const answer = await client(base, { maxRetries: 2, fetch: noted }).chat.completions.create(request).withResponse();
  assert.deepEqual(replies.map(({ status }) => status), [503, 200]);
  assert.ok(replies[1].at - replies[0].at >= replies[0].after * 1000);
  assert.equal(answer.response.headers.get('x-hotmodel-model'), 'b');
}

// The libraries' streams begin before there is a model; what is said later must not be lost.
export async function throws_when_the_model_does_not_come(base) {
  const chat = await client(base).chat.completions.create({ model: 'active', messages: ask('hello'), stream: true });
  const told = (e) => e instanceof OpenAI.APIError && /queue_timeout_seconds/.test(e.message);
  await assert.rejects(chat[Symbol.asyncIterator]().next(), told);
}

export async function throws_when_the_model_of_a_response_does_not_come(base) {
  const response = await client(base).responses.create({ model: 'active', input: 'hello', stream: true });
  const told = (e) => e instanceof OpenAI.APIError && /queue_timeout_seconds/.test(e.message);
  await assert.rejects(response[Symbol.asyncIterator]().next(), told);
}
