import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { closest, distance } from 'fastest-levenshtein';
import { TokenworkError } from '../core/errors.js';
import { otherwise } from '../core/log.js';
import { plainText } from '../core/text.js';
import { listOllama } from './ollama/store.js';

const accepted =
  'A model is a recipe, a folder in transformers.js layout, a config.json, a GGUF file, ollama:NAME, or hf:OWNER/NAME or hf:OWNER/NAME:FILE.gguf from the hub.';

/** How trained weights that no engine here reads become some that one does. */
export const conversions =
  'convert them to GGUF (llama.cpp: convert_hf_to_gguf.py FOLDER) or export them to ONNX (optimum-cli export onnx --task text-generation-with-past --model FOLDER OUT, with model.onnx* moved to OUT/onnx/)';

/** Extensions of weights that ONNX Runtime and llama.cpp do not read. */
const otherWeights = new Set(['.safetensors', '.bin', '.pt', '.pth', '.ckpt', '.h5', '.msgpack']);

/** The error for a file that is there and is no model that is read. */
export function notAModel(spec: string): TokenworkError {
  const folder = dirname(spec);
  return otherWeights.has(extname(spec).toLowerCase())
    ? new TokenworkError(
        'unknown-model',
        `${spec} holds weights in a format that no engine here reads.`,
        `Name ${join(folder, 'config.json')} to measure the shape with random weights; to run the trained ones, ${conversions}.`,
      )
    : new TokenworkError('unknown-model', `${spec} is a file tokenwork does not know as a model.`, accepted);
}

/** The error for a name that nothing goes by, saying what was probably meant. `recipes` are the ids of all. */
export async function unknownModel(spec: string, recipes: readonly string[]): Promise<TokenworkError> {
  const [message, hint] = address(spec) ??
    closed(spec) ??
    (await pulled(spec)) ??
    repository(spec) ??
    (await missingFile(spec)) ?? [
      `There is no model "${spec}".`,
      `${nearestOf(spec, recipes)}${accepted} Recipes: ${recipes.join(', ')}.`,
    ];
  return new TokenworkError('unknown-model', message, hint);
}

/** What happened, and what to do. */
type Answer = [message: string, hint: string];

const hubPage =
  /^(?:https?:\/\/)?(?:www\.)?(?:huggingface\.co|hf\.co)\/([\w.-]+\/[\w.-]+?)(?:\/(?:tree|blob|resolve)\/([\w.-]+)(?:\/(.+?))?)?\/?(?:\?.*)?$/;
const ollamaPage = /^(?:https?:\/\/)?(?:www\.)?ollama\.com\/(?:library\/)?([\w./-]+?(?::[\w.-]+)?)\/?$/;
const host = String.raw`(?:localhost|\d+(?:\.\d+){3}|\[[\da-f:]+\]|[a-z][\w-]*(?:\.[\w-]+)*)`;
const server = new RegExp(String.raw`^(?:https?:\/\/|${host}:\d{2,5}(?:\/|$)|localhost(?:\/|$))`, 'i');

/** Pages of the hub and of Ollama stand for what they show; any other address is a server's. */
function address(spec: string): Answer | null {
  const [, repo, revision, file] = hubPage.exec(spec) ?? [];
  if (repo !== undefined) {
    const at = revision === undefined || revision === 'main' ? '' : `@${revision}`;
    const meant = `hf:${repo}${at}${file?.endsWith('.gguf') ? `:${file}` : ''}`;
    return [`${spec} is a page of the hub.`, `Did you mean "${meant}"?`];
  }
  const [, name] = ollamaPage.exec(spec) ?? [];
  if (name !== undefined)
    return [
      `${spec} is a page of Ollama.`,
      `Did you mean "ollama:${name}"? Pull it first: ollama pull ${name}`,
    ];
  if (!server.test(spec)) return null;
  if (/\.(gguf|onnx)$/i.test(spec)) {
    return [
      `${spec} is an address, and only the hub's models are downloaded.`,
      'Download it, and name the file.',
    ];
  }
  return [
    `${spec} is a server, and tokenwork runs models itself: what a request costs inside another process cannot be charged to it.`,
    'Name the model that is served there: a GGUF file, a model folder, ollama:NAME, or hf:OWNER/NAME.',
  ];
}

const closedNames =
  /^(?:[\w.-]+[/:])?(gpt-?(?:3\.5|4|5)(?!\d)|chatgpt|o[134](?:-|$)|claude|gemini|text-embedding-(?:3|ada))/i;

/** Models that are served and not given away. */
function closed(spec: string): Answer | null {
  if (!closedNames.test(spec) || /\.\w{3,}$/.test(spec)) return null;
  return [
    `${spec} is a closed model: only its provider can run it, and its size is not published.`,
    'Measure an open one in its place: the recipe llama-3-8b, or smollm2-135m where that is too large. `tokenwork models list` shows them all.',
  ];
}

/** What Ollama calls a model: pulled here already, or with the colon of a tag. */
async function pulled(spec: string): Promise<Answer | null> {
  if (!/^[\w.-]+(?:\/[\w.-]+)*(?::[\w.-]+)?$/.test(spec)) return null;
  const names = (await listOllama()).map(({ name }) => name);
  const isPulled = names.includes(spec) || names.includes(`${spec}:latest`);
  if (!isPulled && !spec.includes(':')) return null;
  const pull = isPulled ? '' : ` It is not pulled here yet: ollama pull ${spec}`;
  return [`There is no model "${spec}".`, `Did you mean "ollama:${spec}"?${pull}`];
}

function repository(spec: string): Answer | null {
  if (!/^[\w-][\w.-]*\/[\w.-]+$/.test(spec) || /\.(gguf|onnx|json|safetensors)$/i.test(spec)) return null;
  return [`There is no model "${spec}".`, `Did you mean "hf:${spec}"? ${accepted}`];
}

/** A path that leads nowhere, answered with the names beside it that are nearest. */
async function missingFile(spec: string): Promise<Answer | null> {
  const extension = extname(spec).toLowerCase();
  const isFile = ['.gguf', '.onnx', '.json', ...otherWeights].includes(extension);
  if (spec === '' || (!isFile && !/[\\/]/.test(spec))) return null;
  const folder = dirname(resolve(spec));
  const entries = await readdir(folder).catch(otherwise(null, 'looking beside a model'));
  if (entries === null) return [`There is no model "${spec}", and no folder ${folder}.`, accepted];
  const name = basename(spec);
  const alike = entries
    .filter((entry) => !isFile || extname(entry).toLowerCase() === extension)
    .map((entry) => ({ entry: plainText(entry), far: distance(entry.toLowerCase(), name.toLowerCase()) }))
    .filter(({ far }) => isFile || far <= name.length / 2)
    .sort((a, b) => a.far - b.far || (a.entry < b.entry ? -1 : 1))
    .slice(0, mostNamed)
    .map(({ entry }) => `"${join(dirname(spec), entry)}"`);
  const [first, ...others] = alike;
  if (first !== undefined) {
    const besides = others.length === 0 ? '' : ` There are also ${others.join(', ')}.`;
    return [`There is no model "${spec}".`, `Did you mean ${first}?${besides}`];
  }
  const none = isFile ? `${folder} holds no ${extension} file.` : `Nothing in ${folder} is named like it.`;
  return [`There is no model "${spec}".`, `${none} ${accepted}`];
}

const mostNamed = 3;

function nearestOf(spec: string, recipes: readonly string[]): string {
  const nearest = closest(spec.toLowerCase(), [...recipes]);
  const isNear = distance(spec.toLowerCase(), nearest) <= nearest.length / 2;
  return isNear ? `Did you mean "${nearest}"? ` : '';
}
