/** A worker whose request does not come back from native code, where no thread can be ended. */
import koffi from 'koffi';

export const load = () => ({
  loaded: {
    models: [{ id: 'm', record: {}, loadNs: 0, terminationHandle: null, cpuTime: { method: 'none' } }],
    peakMemory: { method: 'none' },
  },
});

export function run() {
  const sleep = koffi.load(null).func('int sleep(int)');
  for (;;) sleep(1000);
}

export function unload() {}
