import type { Warning } from '../../core/codes.js';
import type { SensorSpec } from '../../sensors/catalogue.js';
import { processListeningOn } from '../../sensors/server/find-server.js';
import type { BenchOptions } from '../options.js';
import { type ChosenSensors, chosenSensors, type SensorChoice } from '../sampling/choice.js';
import type { Server } from './connect.js';

/** The sensors of a run whose requests go to servers. */
export interface ServedSensors extends ChosenSensors {
  /** Processes of servers on this machine whose CPU time is read. */
  pids: number[];
}

/**
 * The sensors beside servers: of this machine where they run on it, with the server's process; and the counters that
 * `--metrics-url` names. Of a server elsewhere this machine tells nothing.
 */
export async function servedSensors(
  servers: readonly Server[],
  choice: SensorChoice,
  { serverPid, metricsUrl = [] }: Pick<BenchOptions, 'serverPid' | 'metricsUrl'>,
): Promise<ServedSensors> {
  const isHere = servers.every(({ endpoint }) => endpoint.record.onThisMachine);
  const chosen =
    isHere || choice !== 'auto' ? chosenSensors(choice) : { specs: [], recorded: null, warnings: [] };
  if (choice === 'none') return { ...chosen, pids: [] };
  const scraped = metricsUrl.map((url): SensorSpec => ({ sensor: 'server-metrics', url }));
  const { pids, warnings } =
    serverPid === undefined ? await found(servers) : { pids: [serverPid], warnings: [] };
  const processes = pids.map((pid): SensorSpec => ({ sensor: 'server-process', pid }));
  return {
    specs: [...chosen.specs, ...processes, ...scraped],
    recorded: chosen.recorded,
    warnings: [...chosen.warnings, ...warnings],
    pids,
  };
}

/** The processes that listen on the servers' ports, of those on this machine. */
async function found(servers: readonly Server[]): Promise<{ pids: number[]; warnings: Warning[] }> {
  const pids = new Set<number>();
  const warnings: Warning[] = [];
  for (const { id, endpoint } of servers) {
    const { url, onThisMachine } = endpoint.record;
    if (!onThisMachine) continue;
    const process = await processListeningOn(portOf(new URL(url)));
    if (typeof process === 'number') pids.add(process);
    else {
      warnings.push({
        code: 'server-process-unknown',
        message: `The process of the server of ${id} is not known, so its CPU time is not measured: ${process.hint}`,
        hint: 'Name it with --server-pid PID.',
      });
    }
  }
  return { pids: [...pids], warnings };
}

const portOf = ({ port, protocol }: URL): number => Number(port) || (protocol === 'https:' ? 443 : 80);
