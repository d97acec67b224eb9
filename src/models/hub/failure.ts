import { TokenworkError } from '../../core/errors.js';
import { listRecipes, type Recipe } from '../recipe.js';
import type { DownloadFailure } from './fetch.js';

export interface HubRepo {
  /** `owner/name`, or a name alone. */
  repo: string;
  revision: string;
  remoteHost: string;
  /** The one file that is wanted; absent: a model's config and what it needs. */
  file?: string;
}

/** Codes of Node and its fetch that mean the server was never reached. */
const unreachable = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);
/** Codes that mean the server stopped answering on the way. */
const interrupted = new Set([
  'ECONNRESET',
  'EPIPE',
  'UND_ERR_SOCKET',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
]);
const unwritable = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST']);

/** Whether what was downloaded so far is sound, so that the next attempt may go on from it. */
export function keepsFinishedFiles({ reason, ...failure }: DownloadFailure): boolean {
  if (reason !== 'error') return true;
  const { code } = failure as { code: string | null };
  return (
    code !== null && [unreachable, interrupted, unwritable, new Set(['ENOSPC'])].some((set) => set.has(code))
  );
}

/** The meaning of a failed download, and what to do about it. */
export async function hubError(
  failure: DownloadFailure,
  hub: HubRepo,
  cache: string,
): Promise<TokenworkError> {
  const { repo, revision, remoteHost } = hub;
  const recipe = await recipeOfRepo(repo);
  const shape = recipe
    ? `The recipe "${recipe.id}" has the same shape and needs no network: use it instead of hf:${repo}.`
    : 'Shape recipes need no network; `tokenwork models list` names them.';

  if (failure.reason === 'dtype-missing') {
    return failure.available.length === 0
      ? new TokenworkError(
          'no-onnx',
          `${repo} holds no ONNX decoder (onnx/model*.onnx).`,
          `Look for its export among onnx-community/… on the hub, or profile its shape from its config.json. ${shape}`,
        )
      : new TokenworkError(
          'dtype-missing',
          `${repo} has no ONNX decoder of that dtype.`,
          `It has ${failure.available.map((name) => (name === 'q8' ? 'int8' : name)).join(', ')}: choose one of these with --dtype.`,
        );
  }
  if (failure.reason === 'no-tokenizer') {
    return new TokenworkError(
      'no-tokenizer',
      `${repo} has no tokenizer_config.json.`,
      'Choose a repository in transformers.js layout, such as those of onnx-community.',
    );
  }
  if (failure.reason === 'unsupported') {
    return new TokenworkError(
      'unsupported-architecture',
      `${repo} is no decoder of text: ${failure.message}.`,
      'Choose a text-generation model.',
    );
  }
  if (failure.reason === 'status') return statusError(failure, hub);

  const { code, message } = failure;
  if (code !== null && unreachable.has(code)) {
    return new TokenworkError(
      'hub-unreachable',
      `${repo} could not be downloaded: ${remoteHost} cannot be reached (${message}).`,
      `Check the network, or HF_ENDPOINT if a mirror is meant. ${shape}`,
    );
  }
  if ((code !== null && interrupted.has(code)) || message === 'terminated') {
    return new TokenworkError(
      'download-interrupted',
      `The download of ${repo} broke off: ${message}.`,
      `Run the command again: files that had arrived whole are kept. ${shape}`,
    );
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new TokenworkError(
      'disk-full',
      `The disk is full: ${repo} does not fit into ${cache}.`,
      'Free some space, or set TOKENWORK_CACHE to a folder on another disk, and run the command again.',
    );
  }
  if (code !== null && unwritable.has(code)) {
    return new TokenworkError(
      'cache-unwritable',
      `${repo} could not be stored in ${cache}: ${message}.`,
      'Set TOKENWORK_CACHE to a folder you may write to.',
    );
  }
  return new TokenworkError(
    'download-failed',
    `${repo} (revision ${revision}) could not be downloaded from ${remoteHost}: ${message}.`,
    `Run the command again. ${shape}`,
  );
}

function statusError(
  { status, url, errorCode }: Extract<DownloadFailure, { reason: 'status' }>,
  { repo, revision, remoteHost, file = 'config.json' }: HubRepo,
): TokenworkError {
  const answered = `${remoteHost} answered ${status} for ${url}`;
  if (errorCode === 'GatedRepo' || (status === 403 && errorCode !== 'RepoNotFound')) {
    return new TokenworkError(
      'hub-forbidden',
      `${repo} is closed to you (${answered}).`,
      `Accept its terms on ${new URL(repo, remoteHost).href} and set HF_TOKEN to a token that may read it.`,
    );
  }
  // The hub answers 401, not 404, for repositories an anonymous visitor may not know to exist.
  if (status === 401) {
    return new TokenworkError(
      'hub-unauthorised',
      `${repo} does not exist, or is private or gated (${answered}).`,
      'Check the spelling; for a private or gated repository set HF_TOKEN to a token that may read it.',
    );
  }
  if (status === 404) {
    return new TokenworkError(
      'hub-not-found',
      revision === 'main' || errorCode === 'RepoNotFound'
        ? `There is no model ${repo} with a ${file} (${answered}).`
        : `There is no model ${repo} with a ${file} at revision ${revision} (${answered}).`,
      'Check the spelling: hf:OWNER/NAME, or hf:OWNER/NAME@REVISION.',
    );
  }
  return new TokenworkError(
    'hub-error',
    `${repo} could not be downloaded: ${answered}.`,
    status === 429
      ? 'Too many requests: wait a few minutes, or set HF_TOKEN.'
      : 'Try again in a few minutes.',
  );
}

/** Parts of a repository's name that say how a model was trained or stored, not what shape it has. */
const shapeless =
  /[-_.](instruct|chat|base|it|hf|onnx|gguf|web|fp16|fp32|int8|q4|q4f16|quantized|distill|sft|dpo|v\d+(\.\d+)*)(?=[-_.]|$)/gi;

/**
 * The shipped recipe with the shape of a published repository, judged by the names alone (`owner/name`;
 * fine-tunes and ONNX exports keep the name of the shape); null where none is known.
 */
export async function recipeOfRepo(repo: string): Promise<Recipe | null> {
  const wanted = shapeName(repo);
  const recipes = await listRecipes();
  return recipes.find((recipe) => namesOf(recipe).some((name) => shapeName(name) === wanted)) ?? null;
}

function namesOf(recipe: Recipe): string[] {
  const repo = /^https?:\/\/[^/]+\/([^/]+\/[^/]+)/.exec(recipe.source)?.[1];
  return [recipe.id, recipe.name.replaceAll(' ', '-'), ...(repo === undefined ? [] : [repo])];
}

function shapeName(repo: string): string {
  const name = repo.slice(repo.lastIndexOf('/') + 1);
  return name
    .replace(shapeless, '')
    .replace(/^meta-/i, '')
    .replace(/[^a-z0-9]/gi, '')
    .toLowerCase();
}
