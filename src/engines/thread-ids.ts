import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { log } from '../core/log.js';

let watches = 0;

/**
 * Watches for the OS threads that native code starts from the calling thread, until `created` is
 * called, which returns their ids; `null` where the system does not tell (anywhere but Linux).
 *
 * A new thread inherits its creator's name. So the calling thread takes a name of its own meanwhile,
 * and threads that other workers happen to start at the same time are told apart, without a lock.
 */
export function watchThreads(): { created(): number[] | null } {
  let before: Set<string>;
  let ownName: string;
  const name = `own-${watches++ % 1000}-${process.hrtime.bigint() % 1_000_000n}`;
  try {
    ownName = readFileSync('/proc/thread-self/comm', 'utf8').trimEnd();
    before = new Set(readdirSync('/proc/self/task'));
    writeFileSync('/proc/thread-self/comm', name);
  } catch (error) {
    log('threads of a model cannot be told: %s', error);
    return { created: () => null };
  }
  return {
    created() {
      writeFileSync('/proc/thread-self/comm', ownName);
      return readdirSync('/proc/self/task')
        .filter((id) => !before.has(id) && nameOf(id) === name)
        .map(Number);
    },
  };
}

function nameOf(threadId: string): string | null {
  try {
    return readFileSync(`/proc/self/task/${threadId}/comm`, 'utf8').trimEnd();
  } catch (error) {
    log('thread %s has no name: %s', threadId, error);
    return null; // ended meanwhile
  }
}
