import { controlFields } from './protocol.js';

/** The way in which a running request was made to end, if it was. */
export interface Watch {
  /** Asks the request to stop, and ends its worker if it has not answered after the grace. */
  stop(): void;
  /** Whether the worker did not answer, or finished no step for too long. */
  readonly hung: boolean;
  end(): void;
}

export interface WatchOptions {
  control: Int32Array;
  /** Counts for each time that the request runs. */
  deadlineMs: number | null;
  /** Time that a request may go without finishing a step. */
  stallTimeoutMs: number;
  /** Time that a request which was told to stop may take to answer. */
  graceMs: number;
  /** Stops the engine within its step. */
  terminate(): void;
  /** Ends the worker. */
  kill(): void;
}

/** Watches a running request from outside: its deadline, and whether it still finishes steps. */
export function watchRequest(options: WatchOptions): Watch {
  const { control, deadlineMs, stallTimeoutMs, graceMs, terminate, kill } = options;
  let hung = false;
  let grace: NodeJS.Timeout | undefined;
  const terminateOrKill = () => {
    terminate();
    grace ??= setTimeout(() => {
      hung = true;
      kill();
    }, graceMs);
  };

  let runsDone = 0;
  // A run that began meanwhile has its own: it is left until the next look, and the worker looks at every step.
  const onDeadline = () => {
    const done = Atomics.load(control, controlFields.runsDone);
    if (done === runsDone) return terminateOrKill();
    runsDone = done;
    deadline?.refresh();
  };
  const deadline = deadlineMs === null ? undefined : setTimeout(onDeadline, deadlineMs);
  let stepsDone = Atomics.load(control, controlFields.stepsDone);
  let stillFor = 0;
  const looksPerStallTimeout = 4;
  const look = setInterval(() => {
    const now = Atomics.load(control, controlFields.stepsDone);
    stillFor = now === stepsDone ? stillFor + 1 : 0;
    stepsDone = now;
    if (stillFor < looksPerStallTimeout) return;
    hung = true;
    terminateOrKill();
  }, stallTimeoutMs / looksPerStallTimeout);

  return {
    stop() {
      Atomics.store(control, controlFields.stopRequested, 1);
      terminateOrKill();
    },
    get hung() {
      return hung;
    },
    end() {
      clearInterval(look);
      clearTimeout(deadline);
      clearTimeout(grace);
    },
  };
}
