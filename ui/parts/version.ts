/*
 * A page that is open while a newer build is installed. Every answer of the server names its build (http/serving/web.ts); the first that
 * names another one than the page's makes the page offer to be loaded again. It never does so by itself.
 */

const buildHeader = 'Aether-Build';
const askMsMax = 10_000;

/** @param own the build of this page; undefined if it is not known, as from a development server */
export function createVersion(own: string | undefined) {
  const listeners = new Set<() => void>();
  let isOutdated = false;
  return {
    get: () => isOutdated,
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    /** While processes of two builds answer, as during a deployment, the page stays outdated. */
    hear({ headers }: Pick<Response, 'headers'>): void {
      const build = headers.get(buildHeader);
      if (!own || !build || build === own || isOutdated) return;
      isOutdated = true;
      for (const listener of listeners) listener();
    },
  };
}

const readOwn = () => document.querySelector<HTMLMetaElement>('meta[name="build"]')?.content;
const ownBuild = typeof document === 'undefined' ? undefined : readOwn();

/** The version of this page. */
export const version = createVersion(ownBuild?.startsWith('__') ? undefined : ownBuild);

/** Asks the server for its build. @returns whether it answered */
export async function askVersion(): Promise<boolean> {
  const signal = AbortSignal.timeout(askMsMax);
  const answer = await fetch('/', { method: 'HEAD', cache: 'no-store', signal }).catch(() => undefined);
  if (answer) version.hear(answer);
  return answer?.ok === true;
}
