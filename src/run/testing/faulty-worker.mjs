/**
 * A worker that misbehaves on demand: the model's id says how. It loads no TypeScript and no model, so
 * that what is tested is how the coordinating side takes it.
 */
let control;

export async function load(task) {
  control = task.control;
  if (task.models.some(({ id }) => id === 'unloadable')) {
    const error = { code: 'broken-model', message: 'It does not open.', hint: 'Try another.', exitCode: 2 };
    return { error };
  }
  const models = task.models.map(({ id }) => ({
    id,
    record: {},
    loadNs: 0,
    terminationHandle: null,
    cpuTime: { method: 'none' },
  }));
  return { loaded: { models, peakMemory: { method: 'none' } } };
}

export async function run({ modelId, request }) {
  switch (modelId) {
    case 'exits':
      process.exit(1);
      break;
    case 'throws':
      throw new Error('thrown by the handler');
    case 'throws-later':
      setImmediate(() => {
        throw new Error('thrown outside the handler');
      });
      return new Promise(() => {});
    case 'hangs':
      for (;;);
    case 'crawls':
      // Finishes steps, slowly, until it is told to stop.
      while (Atomics.load(control, 0) === 0) {
        Atomics.add(control, 1, 1);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return failed('interrupted', 'stopped');
    default:
      return failed('answered', `${request.completionTokens}`);
  }
}

function failed(code, message) {
  const outcome = { status: 'failed', code, message };
  return { row: { outcome, tokens: null, times: null }, runs: [], preparations: [] };
}

export function unload() {}
