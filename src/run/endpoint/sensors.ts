import type { Warning } from '../../core/codes.js';
import { TokenworkError } from '../../core/errors.js';
import type { SensorSpec } from '../../sensors/catalogue.js';
import { isThisMachine, processListeningOn } from '../../sensors/server/find-server.js';
import type { BenchOptions } from '../options.js';
import { type ChosenSensors, chosenSensors, type SensorChoice } from '../sampling/choice.js';
import type { Server } from './connect.js';

/** The sensors of a run whose requests go to servers. */
export interface ServedSensors extends ChosenSensors {
  /** The process of each server by its id, where it is known. */
  pids: ReadonlyMap<string, number>;
}

/**
 * The sensors beside servers: of this machine where they run on it, with the servers' processes; and the counters that
 * `--metrics-url` names. Of a server elsewhere this machine tells nothing. Throws TokenworkError `bad-option`.
 */
export function servedSensors(
  servers: readonly Server[],
  choice: SensorChoice,
  { serverPid, metricsUrl = [] }: Pick<BenchOptions, 'serverPid' | 'metricsUrl'>,
): ServedSensors {
  refusePid(servers, serverPid);
  const isHere = servers.every(({ endpoint }) => endpoint.record.onThisMachine);
  const nothing: ChosenSensors = { specs: [], recorded: null, warnings: [] };
  const chosen = isHere || choice !== 'auto' ? chosenSensors(choice) : nothing;
  if (choice === 'none') return { ...chosen, pids: new Map() };
  const isSeveral = metricsUrl.length > 1 || servers.length > 1;
  const scraped = metricsUrl.map(
    (url, replica): SensorSpec => ({
      ...{ sensor: 'server-metrics', url, onThisMachine: isThisMachine(new URL(url).hostname) },
      ...(isSeveral && { replica }),
    }),
  );
  const { pids, warnings } =
    serverPid === undefined
      ? processesOf(servers)
      : { pids: new Map(servers.map(({ id }) => [id, serverPid])), warnings: [] };
  return {
    specs: [...chosen.specs, ...processSensors(servers, pids), ...scraped],
    recorded: chosen.recorded,
    warnings: [...chosen.warnings, ...warnings],
    pids,
  };
}

function refusePid(servers: readonly Server[], serverPid: number | undefined): void {
  if (serverPid === undefined) return;
  if (servers.length === 1) {
    if (runs(serverPid)) return;
    throw new TokenworkError(
      'bad-option',
      `--server-pid ${serverPid} is no process that runs on this machine.`,
      'Leave it out: the process that listens on the server’s port is looked up.',
    );
  }
  throw new TokenworkError(
    'bad-option',
    `--server-pid names one process, and there are ${servers.length} endpoints.`,
    'Leave it out: the processes that listen on their ports are looked up.',
  );
}

/** Whether a process runs, of whatever user. */
function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** One for each process; devices are numbered as their servers are, where they are not all one. */
function processSensors(servers: readonly Server[], pids: ReadonlyMap<string, number>): SensorSpec[] {
  const known = servers.flatMap(({ id }, index) => (pids.has(id) ? [{ pid: pids.get(id)!, index }] : []));
  const first = known.filter(({ pid }, index) => known.findIndex((other) => other.pid === pid) === index);
  const isOne = servers.length === 1 || (first.length === 1 && known.length === servers.length);
  return first.map(({ pid, index }) => ({
    sensor: 'server-process',
    pid,
    ...(!isOne && { device: `server-${index}` }),
  }));
}

/** The processes that listen on the servers' ports, of those on this machine. */
function processesOf(servers: readonly Server[]): Pick<ServedSensors, 'pids' | 'warnings'> {
  const pids = new Map<string, number>();
  const warnings: Warning[] = [];
  for (const { id, endpoint } of servers) {
    const { url, onThisMachine } = endpoint.record;
    if (!onThisMachine) continue;
    const { hostname, port, protocol } = new URL(url);
    const found = processListeningOn(Number(port) || (protocol === 'https:' ? 443 : 80), hostname);
    if ('pid' in found) pids.set(id, found.pid);
    else {
      warnings.push({
        code: 'server-process-unknown',
        message: `The process of the server of ${id} is not known, so its CPU time is not measured: ${found.hint}.`,
        hint: 'Name it with --server-pid PID.',
      });
    }
  }
  return { pids, warnings };
}
