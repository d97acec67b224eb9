import { createHash } from 'node:crypto';

/**
 * Headers by which proxies and servers say who answered, the most certain first: none is a standard, most are set by
 * an operator who wants just this known. Envoy, nginx, HAProxy and Ray Serve set none unless they are told to;
 * `x-gateway-destination-endpoint-served` is of the Kubernetes gateway API's inference extension, `x-inference-pod`
 * of llm-d's simulator, `x-litellm-model-id` of LiteLLM.
 */
const replicaHeaders = [
  'x-replica-id',
  'x-inference-pod',
  'x-gateway-destination-endpoint-served',
  'x-backend-server',
  'x-backend',
  'x-upstream-addr',
  'x-upstream',
  'x-litellm-model-id',
  'x-served-by',
] as const;

/** The member of a fleet that answered; null where no header says so. */
export function replicaOf(headers: Readonly<Record<string, string>>): string | null {
  for (const name of replicaHeaders) {
    // nginx lists all that it tried; the last of them answered.
    const value = Object.hasOwn(headers, name) ? headers[name]!.split(',').at(-1)!.trim() : '';
    if (value !== '' && value !== '-') return replicaName(value);
  }
  return null;
}

/**
 * The name under which a member is recorded. An address or a host does not belong into a result, so a digest stands
 * for it: the same each time, and that of `HOST:PORT` can be held against the address of a member's metrics.
 */
export function replicaName(value: string): string {
  const isAddress = /[.:/]/.test(value) || value.length > 64;
  return isAddress ? `replica-${createHash('sha256').update(value).digest('hex').slice(0, 8)}` : value;
}
