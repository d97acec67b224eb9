import { type Address, check, fatalSeverity, type OrtApi, ortApi } from './api.js';

/**
 * Run options of closed models, for the next ones. They are never freed: another thread may still hold the
 * address to stop a run by, and must never write to memory that is something else by then.
 */
const idle: Address[] = [];

/** Run options of one's own, which are the handle to stop one's runs by. */
export function takeRunOptions(api: OrtApi): Address {
  const used = idle.pop();
  if (used !== undefined) return used;
  const out = new BigUint64Array(1);
  check(api, api.createRunOptions(out), 'creating run options');
  check(api, api.runOptionsSetRunLogSeverityLevel(out[0]!, fatalSeverity), 'setting run options');
  return out[0]!;
}

export function giveBackRunOptions(options: Address): void {
  idle.push(options);
}

/** Stops the run that goes on with this handle, or the next one; callable from any thread of the process. */
export function requestTermination(handle: bigint): void {
  const api = ortApi();
  check(api, api.runOptionsSetTerminate(handle), 'stopping a run');
}
