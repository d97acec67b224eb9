import { expect, test } from 'vitest';
import type { PlannedCell } from '../../workload/plan.js';
import { agreed } from './agreement.js';

const cell = (tokens: number): PlannedCell => ({
  id: `m/p${tokens}/c8`,
  model: 'm',
  factors: {},
  count: 1,
  request: {
    prompt: { kind: 'synthetic', tokens, seed: 1 },
    completionTokens: 8,
    batch: 1,
    stop: 'forced',
    sampling: { kind: 'greedy' },
  },
});
const at = (url: string) => [{ endpoint: { record: { url } } }] as never;
const settings = (validate: boolean) => ({ repetitions: 5, warmup: 2, sampling: { validate } });
const cells = [cell(16), cell(64)];

test('a public host is asked about once, with all that would be sent, requests alone among them', async () => {
  const asked: string[] = [];
  const confirm = async (question: string) => asked.push(question) > 0;
  await agreed({ settings: settings(false), servers: at('https://8.8.8.8/v1'), cells }, { confirm });
  await agreed({ settings: settings(true), servers: at('https://8.8.8.8/v1'), cells }, { confirm });
  // 5 × 2 and 2 to warm up; then 3 × 2 alone and one pair as well.
  expect(asked[0]).toMatch(
    /^12 requests would be sent to 8\.8\.8\.8.* 400 prompt tokens and up to 80 completion/,
  );
  expect(asked[1]).toMatch(
    /^20 requests would be sent to 8\.8\.8\.8.* 720 prompt tokens and up to 144 completion/,
  );
});

test('nothing is sent there where nobody agrees, and nothing is asked of a private network', async () => {
  const refused = { confirm: async () => false };
  const servers = at('http://192.168.0.9:8000/v1');
  await expect(agreed({ settings: settings(false), servers, cells }, refused)).resolves.toBeUndefined();
  const open = { settings: settings(false), servers: at('https://8.8.8.8/v1'), cells };
  await expect(agreed(open, refused)).rejects.toMatchObject({ code: 'public-endpoint', exitCode: 2 });
  await expect(agreed(open, {})).rejects.toMatchObject({ code: 'public-endpoint' });
  await expect(agreed(open, { yes: true })).resolves.toBeUndefined();
});
