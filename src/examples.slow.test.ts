import { expect, it } from 'vitest';
import { apiExamples, given, runAsUser } from './examples.test-support.js';

it('the examples of the public API run', () => {
  const blocks = apiExamples().map(({ name, code }) => `console.log('# ${name}');\n{\n${code}}`);
  const said = runAsUser(`${given}
    const { result } = await bench({ ...quick, out: 'result.json' });
    const [before, after] = [result, result];
    ${blocks.join('\n')}
    console.log(await readdir('.'));`);
  const files = /\[\s*'report.html',\s*'result.json',\s*'tokenwork-ci-[\dT]+\.json'\s*\]/;
  expect(said).toMatch(files);
  for (const line of ['unknown-model', 'Did you mean "tiny"?', '\n4\n', 'GFLOP', '\ntrue\n'])
    expect(said).toContain(line);
});

it('the library is quiet, refuses what overlaps, stops on a signal, and leaves nothing behind', () => {
  const said = runAsUser(`${given}
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'uncaughtException', 'unhandledRejection', 'beforeExit'];
    // One that gives back the cached models at the process's end may stay, however many runs there are.
    const exits = process.listenerCount('exit');
    const listeners = () => [...signals.map((name) => process.listenerCount(name)), process.listenerCount('exit') > exits + 1].join();
    const before = listeners();
    const codeOf = ({ reason }) => reason && [reason.code, reason.exitCode];
    const ends = [];
    const together = await Promise.allSettled([bench({ ...quick, out: false }), bench({ ...quick, out: false })]);
    ends.push(...together.map(codeOf), together[0].value.path);
    const stop = new AbortController();
    const onProgress = ({ phase }) => { if (phase === 'loading') stop.abort(); };
    ends.push(codeOf((await Promise.allSettled([bench({ ...quick, out: 'a.json', signal: stop.signal, onProgress })]))[0]));
    for (const wrong of [{ ...quick, repetition: 1 }, { ...quick, suite: { ...suite, design: [{ promptTokens: [4] }] } }])
      ends.push(codeOf((await Promise.allSettled([bench(wrong)]))[0]));
    const { result } = await bench({ ...quick, models: ['tiny'], suite: { ...suite, name: 'mine' }, out: 'b.json' });
    ends.push(result.run.suite, result.requests.length, result.run.command);
    console.log(JSON.stringify([...ends, before === listeners(), (await readdir('.')).filter((file) => file !== 'a.json')]));`);
  expect(JSON.parse(said)).toEqual([
    ...[null, ['run-in-progress', 2], null],
    ['interrupted', 3],
    ['bad-option', 2],
    ['bad-suite', 2],
    ...['mine', 8, 'bench() of the package tokenwork', true, ['b.json']],
  ]);
});
