import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { TokenworkError } from '../../core/errors.js';
import { log, otherwise } from '../../core/log.js';
import { plainStrings } from '../../core/text.js';
import type { Bytes } from '../../core/units.js';
import { readJsonObject } from '../json-file.js';

/** A model that Ollama has pulled. */
export interface OllamaModel {
  /** Its name as Ollama's users write it: `llama3.2:1b`, `someone/model:latest`. */
  name: string;
  /** The GGUF file of its weights. */
  path: string;
  bytes: Bytes;
}

interface Entry {
  /** Host, namespace and name of the folder that the manifest lies in; the namespace `library` is not spoken. */
  path: readonly string[];
  tag: string;
  manifest: string;
  store: string;
}

/** The layers of a manifest by their media types (an OCI image's, with Ollama's own types). */
const manifestSchema = z.object({
  layers: z.array(
    z.object({
      mediaType: z.string(),
      digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
      size: z.number().nonnegative(),
    }),
  ),
});
const modelLayer = 'application/vnd.ollama.image.model';
const adapterLayer = 'application/vnd.ollama.image.adapter';

/** A manifest lies below host, namespace and name; nothing deeper is looked into. */
const deepest = 6;

/** Folders in which Ollama keeps models: OLLAMA_MODELS where it is set, else those of a user and of its service. */
function stores(): string[] {
  const chosen = process.env.OLLAMA_MODELS;
  if (chosen) return [chosen];
  const service = ['/usr/share/ollama/.ollama/models', '/var/lib/ollama', '/var/lib/ollama/models'];
  return [join(homedir(), '.ollama', 'models'), ...service];
}

/** Every model that Ollama has pulled here and that is one GGUF file, by name. What cannot be read is left out. */
export async function listOllama(): Promise<OllamaModel[]> {
  const entries = await allEntries();
  const models: OllamaModel[] = [];
  for (const entry of entries) {
    try {
      models.push({ name: nameOf(entry, entries), ...(await weightsOf(entry)) });
    } catch (thrown) {
      // Told in full where the model is named.
      log('a model of Ollama: %s', thrown);
    }
  }
  return models.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The model that `ollama:NAME[:TAG]` names; the tag is `latest` where it is left out, as for Ollama itself.
 * Throws TokenworkError `unknown-model`, naming the nearest, `bad-gguf`, `model-missing` or one of `readJsonObject`'s.
 */
export async function findOllama(spec: string): Promise<OllamaModel> {
  const wanted = spec.slice('ollama:'.length);
  const entries = await allEntries();
  // A host may have a port: only what follows the last slash can hold the colon of a tag.
  const [, path, tag = 'latest'] = /^(.*?)(?::([^:/]+))?$/.exec(wanted)!;
  const found = entries.filter((entry) => entry.tag === tag && namings(entry.path).includes(path!));
  if (found.length === 1) return { name: `${path}:${tag}`, ...(await weightsOf(found[0]!)) };
  const names = entries.map((entry) => nameOf(entry, entries)).sort();
  if (found.length > 1) {
    throw new TokenworkError(
      'unknown-model',
      `Ollama has pulled more than one model "${path}:${tag}".`,
      `Name the one that is meant: ${found.map((entry) => nameOf(entry, entries)).join(', ')}.`,
    );
  }
  throw new TokenworkError(
    'unknown-model',
    `Ollama has pulled no model "${path}:${tag}".`,
    names.length === 0
      ? `No models of Ollama were found in ${stores().join(', ')}; OLLAMA_MODELS names another folder.`
      : `Did you mean "ollama:${closest(`${path}:${tag}`, names)}"? There are: ${names.join(', ')}.`,
  );
}

/** The shortest naming that no other model shares, with its tag. */
function nameOf({ path, tag }: Entry, entries: readonly Entry[]): string {
  const others = entries.filter((other) => other.tag === tag && other.path.join('/') !== path.join('/'));
  const own = namings(path);
  const free = own.find((naming) => !others.some((other) => namings(other.path).includes(naming)));
  return `${free ?? own.at(-1)!}:${tag}`;
}

/** Ways to say a model's path, shortest first: without host and `library`, or with more of it. */
function namings(path: readonly string[]): string[] {
  const spoken = path.at(-2) === 'library' ? 1 : 2;
  return Array.from({ length: Math.max(1, path.length - spoken + 1) }, (_, more) =>
    path.slice(-Math.min(spoken + more, path.length)).join('/'),
  );
}

async function weightsOf({ manifest, store }: Entry): Promise<Pick<OllamaModel, 'path' | 'bytes'>> {
  const parsed = manifestSchema.safeParse(await readJsonObject(manifest));
  const layers = parsed.data?.layers ?? [];
  const weights = layers.filter(({ mediaType }) => mediaType === modelLayer);
  const adapted = layers.some(({ mediaType }) => mediaType === adapterLayer);
  if (weights.length !== 1 || adapted) {
    throw new TokenworkError(
      'bad-gguf',
      `${manifest} names no single GGUF file${adapted ? ', but a model with an adapter (LoRA)' : ''}.`,
      'Pull the model again, or name another: `tokenwork models list` shows what is there.',
      { cause: parsed.error },
    );
  }
  const { digest, size } = weights[0]!;
  const path = join(store, 'blobs', digest.replace(':', '-'));
  if (!existsSync(path)) {
    throw new TokenworkError(
      'model-missing',
      `${manifest} names ${path}, which is not there.`,
      'Pull the model again: its download was broken off, or its file was removed.',
    );
  }
  return { path, bytes: size };
}

async function allEntries(): Promise<Entry[]> {
  const found = await Promise.all(
    stores().map(async (store) => {
      const root = join(store, 'manifests');
      const files = await filesBelow(root, []);
      return files
        .filter((segments) => segments.length >= 2)
        .map((segments) => {
          const path = plainStrings(segments.slice(0, -1));
          const tag = plainStrings(segments.at(-1)!);
          return { path, tag, manifest: join(root, ...segments), store };
        });
    }),
  );
  return found.flat();
}

async function filesBelow(root: string, segments: string[]): Promise<string[][]> {
  const entries = await readdir(join(root, ...segments), { withFileTypes: true }).catch(
    otherwise([], 'manifests of Ollama'),
  );
  const found: string[][] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = [...segments, entry.name];
    if (entry.isFile()) found.push(path);
    else if (entry.isDirectory() && path.length < deepest) found.push(...(await filesBelow(root, path)));
  }
  return found;
}
