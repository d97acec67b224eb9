import { expect, test } from 'vitest';
import type { Endpoint, EndpointPrompt } from '../../engines/endpoint/endpoint.js';
import { promptMaker } from './prompts.js';

type Facts = Pick<Endpoint, 'api' | 'takesIds' | 'tokenize'>;

const endpoint = (facts: Facts): Endpoint => ({
  ...facts,
  record: null as never,
  forcesLength: true,
  generate: () => Promise.reject(new Error('is not asked')),
  close: async () => {},
});

/** One token a word, and two for each word of more than six letters; every text begins with a special token. */
const tokenizer: NonNullable<Endpoint['tokenize']> = async (prompt) => {
  const text = prompt.kind === 'text' ? prompt.text : prompt.messages.map(({ content }) => content).join(' ');
  // A template puts three tokens around a conversation.
  const around = prompt.kind === 'text' ? [1] : [1, 2, 3, 4];
  return [...around, ...text.split(' ').flatMap((word) => (word === '' ? [] : idsOf(word)))];
};
const idsOf = (word: string) => {
  const id = 100 + [...word].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 10_000, 0);
  return word.length > 6 ? [id, 50] : [id];
};

const synthetic = (tokens: number) => ({ kind: 'synthetic', tokens, seed: 7 }) as const;
const lengthOf = async (prompt: EndpointPrompt) =>
  prompt.kind === 'ids' ? prompt.ids.length : (await tokenizer(prompt)).length;

test('ids hit every length exactly, hold no special token, and share no prefix between draws', async () => {
  const maker = await promptMaker(endpoint({ api: 'completions', takesIds: true, tokenize: tokenizer }));
  expect(maker.exact).toBe(true);
  for (const tokens of [1, 7, 1000]) {
    const prompt = await maker.make(synthetic(tokens), 1);
    expect(prompt.kind).toBe('ids');
    expect(await lengthOf(prompt)).toBe(tokens);
    expect(prompt.kind === 'ids' && prompt.ids.includes(1)).toBe(false);
  }
  const [one, again, other] = await Promise.all([1, 1, 2].map((draw) => maker.make(synthetic(64), draw)));
  expect(one).toEqual(again);
  const beginning = (prompt?: EndpointPrompt) => prompt?.kind === 'ids' && prompt.ids.slice(0, 4);
  expect(beginning(one)).not.toEqual(beginning(other));
});

test('a conversation hits the length as well, its template counted', async () => {
  const maker = await promptMaker(endpoint({ api: 'chat', takesIds: false, tokenize: tokenizer }));
  expect(maker.exact).toBe(true);
  for (const tokens of [8, 100]) {
    const prompt = await maker.make(synthetic(tokens), 3);
    expect(prompt.kind).toBe('messages');
    expect(await lengthOf(prompt)).toBe(tokens);
  }
});

test('without a tokenizer there are about as many words, and it says so', async () => {
  const maker = await promptMaker(endpoint({ api: 'chat', takesIds: false, tokenize: null }));
  expect(maker.exact).toBe(false);
  const prompt = await maker.make(synthetic(20), 1);
  expect(prompt).toMatchObject({ kind: 'messages', messages: [{ role: 'user' }] });
  expect(prompt.kind === 'messages' && prompt.messages[0]!.content.split(' ')).toHaveLength(20);
});

test('a conversation goes by the server’s template, also where its text is asked to be completed', async () => {
  const spec = {
    kind: 'text',
    name: 'own',
    text: 'be brief\n\nhello',
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'hello' },
    ],
  } as const;
  const asChat = await promptMaker(endpoint({ api: 'chat', takesIds: false, tokenize: tokenizer }));
  const messages = { kind: 'messages', messages: spec.messages };
  const asked = { ...spec, messages: [...spec.messages] };
  expect(await asChat.make(asked, 1)).toEqual(messages);
  const asIds = await promptMaker(endpoint({ api: 'completions', takesIds: true, tokenize: tokenizer }));
  expect(await asIds.make(asked, 1)).toEqual({
    kind: 'ids',
    ids: await tokenizer({ kind: 'messages', messages: [...spec.messages] }),
  });
  const asText = await promptMaker(endpoint({ api: 'completions', takesIds: false, tokenize: null }));
  expect(await asText.make(asked, 1)).toEqual({ kind: 'text', text: spec.text });
});
