import { getEnvironmentData, isMainThread, setEnvironmentData, threadId } from 'node:worker_threads';

/**
 * WebGPU's commands of all sessions of a process go through one encoder, which ONNX Runtime guards within a
 * session only: with two threads at work, "Command encoding already finished" is the mildest outcome. So
 * threads take turns, step by step. CUDA has a stream for each thread and needs none of this.
 */
const key = 'tokenwork-device-lock';
const free = 0;
/** The main thread's id is 0, which stands for nobody here. */
const self = threadId + 1;

const word = shared();
let depth = 0;

/** Runs `use` while no other thread of the process does; calls of one thread may nest. Blocks meanwhile. */
export function holdDevice<Value>(use: () => Value): Value {
  if (depth === 0) {
    for (;;) {
      const holder = Atomics.compareExchange(word, 0, free, self);
      if (holder === free) break;
      Atomics.wait(word, 0, holder);
    }
  }
  depth++;
  try {
    return use();
  } finally {
    depth--;
    if (depth === 0) release(self);
  }
}

function release(holder: number): void {
  if (Atomics.compareExchange(word, 0, holder, free) === holder) Atomics.notify(word, 0, 1);
}

/** One word for all threads: the main thread makes it, and every worker that it starts inherits it. */
function shared(): Int32Array<SharedArrayBuffer> {
  const inherited = getEnvironmentData(key);
  if (inherited instanceof Int32Array) return inherited as Int32Array<SharedArrayBuffer>;
  const made = new Int32Array(new SharedArrayBuffer(4));
  setEnvironmentData(key, made);
  if (isMainThread) {
    // A worker that is ended in the middle of a step runs no `finally`.
    process.on('worker', (worker) => {
      const holder = worker.threadId + 1;
      worker.once('exit', () => release(holder));
    });
  }
  return made;
}
