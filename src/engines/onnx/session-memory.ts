/** The one place that asks where a session computes: everything else is handed the memory that fits it. */
import type { DecoderGraph } from '../../models/decoder-graph.js';
import type { EncoderGraph } from '../../models/encoder/graph.js';
import { DeviceDecoderMemory } from './gpu/decoder-memory.js';
import { DeviceMean } from './gpu/mean.js';
import { type DecoderMemory, HostMemory } from './native/decoder-memory.js';
import type { NativeSession } from './native/session.js';

export function decoderMemory(session: NativeSession, graph: DecoderGraph): DecoderMemory {
  const { device } = session;
  return device === 'cpu' ? new HostMemory(session, graph) : new DeviceDecoderMemory(session, graph, device);
}

/** Averages an encoder's positions where they were computed; null in this process's memory, where any code can. */
export function meanWhereComputed(session: NativeSession, output: EncoderGraph['output']): DeviceMean | null {
  const { device } = session;
  return device === 'cpu' ? null : new DeviceMean(session, output, device);
}
