import { messageOf, TokenworkError } from '../../core/errors.js';
import type { OnnxOptions } from '../engine.js';

/** Environment variable that decides where the caller leaves the choice to us. */
export const backendVariable = 'TOKENWORK_BACKEND';

/**
 * What the chosen back end opens: the one asked for, else the one `TOKENWORK_BACKEND` names, else the native
 * one where it loads and the Node binding where it does not. Each is told why it was chosen. A GPU takes the
 * native one: only the C API keeps the KV cache where it is computed and lets us say what is read back.
 * Throws TokenworkError `native-unavailable` (where native was asked for), `unknown-backend`, or
 * `device-needs-native` where the Node binding was asked for on a GPU.
 */
export async function openOnBackEnd<Opened>(
  { backend: asked, device = 'cpu', sharedHandle }: OnnxOptions & { sharedHandle?: bigint },
  open: { native: (reason: string) => Opened; node: (reason: string) => Promise<Opened> },
): Promise<Opened> {
  if (device !== 'cpu' && asked !== 'node') return open.native('the C API keeps tensors on the GPU');
  if (device !== 'cpu')
    throw new TokenworkError(
      'device-needs-native',
      'The Node binding was asked for, and it runs models on the CPU only.',
      'Leave out --backend, or run with --device cpu.',
    );
  const { backend, reason } = chosenBackend(asked);
  if (backend === 'node') return open.node(reason);
  try {
    return open.native(reason);
  } catch (error) {
    const unavailable = error instanceof TokenworkError && error.code === 'native-unavailable';
    if (backend === 'native' || !unavailable || sharedHandle !== undefined) throw error;
    return open.node(`the native back end is not available: ${messageOf(error)}`);
  }
}

function chosenBackend(asked: OnnxOptions['backend']): {
  backend: OnnxOptions['backend'];
  reason: string;
} {
  if (asked !== 'auto') return { backend: asked, reason: 'asked for by the caller' };
  const variable = process.env[backendVariable];
  if (variable === undefined || variable === '' || variable === 'auto')
    return { backend: 'auto', reason: 'the C API loads, and keeps the KV cache without copies' };
  if (variable !== 'native' && variable !== 'node')
    throw new TokenworkError(
      'unknown-backend',
      `${backendVariable} is "${variable}".`,
      'Set it to native, node or auto.',
    );
  return { backend: variable, reason: `asked for by ${backendVariable}` };
}
