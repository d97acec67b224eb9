import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { journalPathOf } from '../journal/append.js';
import { modelCache } from '../models/cache.test-support.js';
import { resolveModel } from '../models/resolve.js';
import { bench, expectWhole, folder } from './testing/driven-bench.js';

const [user, host] = ['user-of-quux', 'host-of-quux'];
vi.mock('node:os', async (original) => {
  const os = await original<typeof import('node:os')>();
  return { ...os, hostname: () => host, userInfo: () => ({ ...os.userInfo(), username: user }) };
});

it('tells neither user nor host nor home folder, in result and journal, wherever models and files lie', async () => {
  const home = join(folder, user);
  mkdirSync(home);
  vi.stubEnv('HOME', home);
  vi.stubEnv('USER', user);
  vi.stubEnv('HOSTNAME', host);
  vi.stubEnv('OMP_PLACES', `${host}:${home}/places`);
  const { directory } = await resolveModel('tiny', { dtype: 'fp32', cacheDirectory: modelCache });
  const model = join(home, 'models', 'mine');
  cpSync(directory, model, { recursive: true });
  const suite = join(home, 'suite.json');
  writeFileSync(
    suite,
    JSON.stringify({
      ...{ description: 'a test', seed: 1, repetitions: 2, models: [{ model }] },
      design: [{ promptTokens: [4], completionTokens: [2] }],
    }),
  );
  const out = join(home, 'result.json');
  const command = `tokenwork bench --suite ${suite} --out ${out}`;
  let journal = '';
  const { result } = await bench({
    ...{ suite, out, command },
    onProgress: ({ phase, done }) => {
      if (phase === 'measuring' && done === 1) journal = readFileSync(journalPathOf(out), 'utf8');
    },
  });
  expectWhole(result);
  expect(result.run.command).toBe('tokenwork bench --suite ~/suite.json --out ~/result.json');
  expect(result.run.settings).toMatchObject({
    workload: { suite: '~/suite.json' },
    models: [{ spec: '~/models/mine' }],
  });
  expect(journal).toContain('"kind":"begun"');
  expect(journal).toContain('"kind":"request"');

  const resumed = join(home, 'resumed.json');
  writeFileSync(journalPathOf(resumed), journal);
  const { result: second } = await bench({ resume: resumed, suite });
  expectWhole(second);
  expect(second.warnings).toContainEqual(expect.objectContaining({ code: 'resumed' }));
  const written = [out, resumed].map((path) => readFileSync(path, 'utf8'));
  for (const text of [journal, ...written])
    for (const secret of [home, folder, user, host]) expect(text).not.toContain(secret);
});
