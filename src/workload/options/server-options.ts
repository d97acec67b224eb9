import { z } from 'zod';
import { endpointApis } from '../../engines/endpoint/endpoint.js';
import type { OptionRecord } from './option-record.js';

const text = z.string().min(1);
const example = 'http://127.0.0.1:8000/v1';
/** Credentials in an address would stand in every record of the run. */
const address = z
  .url({ protocol: /^https?$/, error: 'expected an address that begins with http:// or https://' })
  .refine((url) => !/^https?:\/\/[^/]*@/i.test(url), {
    message: 'expected no user and password, as the address is recorded',
  })
  .refine((url) => ![...new URL(url).searchParams.keys()].some((name) => secretName.test(name)), {
    message: 'expected no key in the query, as the address is recorded',
  });
const secretName = /key|token|secret|passw|^sig|auth/i;
const expectedAddress = `an address such as ${example}; keys go with --api-key-env NAME or --header`;
const count = z.int().positive();

/** Options of `tokenwork bench` for runs whose requests go to a server. */
export const serverOptions = {
  endpoint: {
    flag: '--endpoint <url>',
    help: 'send the requests to a server, such as http://127.0.0.1:8000/v1; given twice, both get the same requests in turn',
    value: z.array(address).min(1),
    expected: expectedAddress,
    repeated: 'endpoint',
    only: 'server',
    group: 'Servers',
  },
  api: {
    flag: '--api <api>',
    help: `of the server: ${endpointApis.join(' or ')} (default: completions where it takes token ids, which hit lengths exactly)`,
    value: z.enum(['auto', ...endpointApis]),
    repeated: 'api',
    only: 'server',
    group: 'Servers',
  },
  apiKeyEnv: {
    flag: '--api-key-env <name>',
    help: 'the environment variable that holds the key; the key itself is written nowhere',
    value: text,
    only: 'server',
    group: 'Servers',
  },
  header: {
    flag: '--header <name=value>',
    help: 'sent with every request; its value is written nowhere; repeatable',
    value: z.array(z.string().regex(/^[\w!#$%&'*+.^`|~-]+\s*[=:]/, 'expected NAME=VALUE')),
    expected: 'a name and a value, such as x-team=search',
    only: 'server',
    group: 'Servers',
  },
  ca: {
    flag: '--ca <file>',
    help: 'certificates (PEM) to trust beside the system’s',
    value: text,
    only: 'server',
    group: 'Servers',
  },
  shape: {
    flag: '--shape <model>',
    help: 'what the server’s model is, to count its FLOPs and bytes: a recipe, a config.json, a model folder or a GGUF file',
    value: text,
    repeated: 'shape',
    only: 'server',
    group: 'Servers',
  },
  serverPid: {
    flag: '--server-pid <pid>',
    help: 'the server’s process on this machine, for its CPU time and memory (default: what listens on the port)',
    value: count,
    only: 'server',
    group: 'Servers',
  },
  metricsUrl: {
    flag: '--metrics-url <url>',
    help: 'counters of the server, or of its DCGM exporter, in Prometheus’ format; once for each replica; repeatable',
    value: z.array(address),
    expected: expectedAddress,
    repeated: 'metrics-url',
    only: 'server',
    group: 'Servers',
  },
  retries: {
    flag: '--retries <n>',
    help: 'times that a request is sent again where the server says to try later (429, 503) (default: 0)',
    value: z.int().nonnegative(),
    most: 100,
    repeated: 'retries',
    only: 'server',
    group: 'Servers',
  },
} as const satisfies Record<string, OptionRecord>;
