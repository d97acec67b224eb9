import envPaths from 'env-paths';

/** Where built and downloaded models are kept: TOKENWORK_CACHE, or the user's cache folder. */
export function cacheDirectory(): string {
  return process.env.TOKENWORK_CACHE || envPaths('tokenwork', { suffix: '' }).cache;
}
